from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from thermalctl.evaluation.event_matching import Matching, match_events, measure_common
from thermalctl.evaluation.event_truth import TrueEvent, Truth
from thermalctl.events.record import Event, Span

Times = Sequence[tuple[float, float]]
#: Of the rules here: an event lasts 3 s, an alarm is raised after 3 s and known half a second later.
FOR_S = 3.0


def make_alarm(began_s: float, ended_s: float) -> Event:
    decided_ms = round(1000 * (began_s + FOR_S))
    return Event(
        rule="fall",
        person=None,
        began_ms=round(1000 * began_s),
        held_ms=round(1000 * ended_s),
        first_keyframe=0,
        last_keyframe=0,
        probability=0.9,
        decided_ms=decided_ms,
        raised_ms=decided_ms + 500,
        end="over",
        closed_ms=round(1000 * ended_s),
    )


def make_event(began_s: float, ended_s: float, *, begins_annotated: bool = True) -> TrueEvent:
    return TrueEvent(
        began_ms=round(1000 * began_s),
        ended_ms=round(1000 * ended_s),
        first_keyframe=0,
        last_keyframe=0,
        begins_annotated=begins_annotated,
    )


def match(
    alarms: Times,
    events: Times,
    *,
    undecided: Times = (),
    annotated: Times = ((0, 100),),
    watched: Times = ((0, 100),),
    begins_annotated: bool = True,
) -> Matching:
    truth = Truth(
        events=tuple(make_event(*one, begins_annotated=begins_annotated) for one in events),
        undecided=tuple(make_event(*one, begins_annotated=False) for one in undecided),
        annotated=tuple(Span(round(1000 * start), round(1000 * end)) for start, end in annotated),
    )
    spans = [Span(round(1000 * start), round(1000 * end)) for start, end in watched]
    return match_events([make_alarm(*one) for one in alarms], truth, spans, event_s=FOR_S, alarm_s=FOR_S)


def tell(matching: Matching) -> dict[str, list[float]]:
    """When what became of each began, in seconds; of what was found, the alarm."""
    names = ("missed", "unwatched", "false", "repeated", "unjudged")
    told = {name: [one.began_ms / 1000 for one in getattr(matching, name)] for name in names}
    told["found"] = [alarm.began_ms / 1000 for _, alarm in matching.found]
    return {name: values for name, values in told.items() if values}


def test_alarm_that_overlaps_an_event_has_found_it() -> None:
    assert tell(match([(12, 20)], [(10, 15), (40, 50)])) == {"found": [12], "missed": [40]}


def test_alarm_of_nothing_is_false() -> None:
    assert tell(match([(20, 25)], [(10, 15)])) == {"missed": [10], "false": [20]}


def test_second_alarm_of_an_event_repeats_the_one_that_overlaps_it_longer() -> None:
    assert tell(match([(10, 13), (15, 30)], [(10, 30)])) == {"found": [15], "repeated": [10]}


def test_alarm_that_goes_on_into_another_event_has_found_the_first_alone() -> None:
    assert tell(match([(10, 60)], [(11, 20), (40, 59)])) == {"found": [10], "missed": [40]}
    assert tell(match([(18, 30)], [(10, 20), (21, 30)])) == {"found": [18], "missed": [10]}


def test_as_many_are_found_as_can_be_even_if_less_overlaps() -> None:
    # The first alarm overlaps the second event for 9 s and the first for 2; the other one only the second, for 5.
    assert tell(match([(18, 30), (24, 29)], [(10, 20), (21, 30)])) == {"found": [18, 24]}


def test_alarm_that_was_decided_before_the_event_began_tells_of_something_else() -> None:
    assert tell(match([(10, 60)], [(13, 50)])) == {"found": [10]}
    assert tell(match([(10, 60)], [(13.1, 50)])) == {"missed": [13.1], "false": [10]}


def test_alarm_may_come_earlier_where_nobody_knows_when_the_event_began() -> None:
    assert tell(match([(2, 60)], [(10, 50)], annotated=[(10, 100)], begins_annotated=False)) == {"found": [2]}


def test_alarm_where_nobody_annotated_counts_neither_way() -> None:
    assert tell(match([(2, 8), (90, 95)], [], annotated=[(10, 80)])) == {"unjudged": [2, 90]}


def test_alarm_is_false_only_if_the_annotated_time_alone_would_have_raised_it() -> None:
    assert tell(match([(6, 12.9)], [], annotated=[(10, 80)])) == {"unjudged": [6]}
    assert tell(match([(6, 13)], [], annotated=[(10, 80)])) == {"false": [6]}
    # Of a hole nobody knows: 2 s before it and 2 after are not 4 in which nothing was seen.
    assert tell(match([(18, 27)], [], annotated=[(10, 20), (25, 80)])) == {"unjudged": [18]}


def test_alarm_of_what_may_have_been_an_event_counts_neither_way() -> None:
    assert tell(match([(10, 14)], [], undecided=[(10, 12)], annotated=[(10, 80)])) == {"unjudged": [10]}
    assert tell(match([(10, 15)], [], undecided=[(10, 12)], annotated=[(10, 80)])) == {"false": [10]}


def test_event_that_nobody_watched_for_long_enough_is_left_out() -> None:
    assert tell(match([], [(10, 20)], watched=[(0, 12), (15, 17.5)])) == {"unwatched": [10]}
    assert tell(match([], [(10, 20)], watched=[(0, 13)])) == {"missed": [10]}


def test_common_time_is_that_of_both() -> None:
    assert measure_common([Span(0, 10), Span(20, 30)], [Span(5, 22), Span(29, 40), Span(50, 60)]) == 5 + 2 + 1


_times = st.lists(
    st.tuples(st.integers(0, 30), st.integers(3, 15)).map(lambda one: (one[0], one[0] + one[1])), max_size=4
)


@given(_times, _times)
def test_matching_is_the_best_of_all_that_are_possible(alarms: Times, events: Times) -> None:
    found = match(alarms, events).found
    ours = (len(found), sum(overlap((a.began_ms, a.held_ms), (e.began_ms, e.ended_ms)) for e, a in found) / 1000)
    assert ours == best_matching(alarms, events)
    assert len({id(event) for event, _ in found}) == len({id(alarm) for _, alarm in found}) == len(found)


def best_matching(alarms: Times, events: Times) -> tuple[int, float]:
    """(pairs, seconds they overlap) of the best, each way of giving events one alarm or none tried."""
    best = (0, 0.0)
    for chosen in permutations([*range(len(alarms)), *[None] * len(events)], len(events)):
        pairs = [(alarms[alarm], event) for alarm, event in zip(chosen, events, strict=True) if alarm is not None]
        if all(overlap(alarm, event) >= 0 and alarm[0] + FOR_S >= event[0] for alarm, event in pairs):
            best = max(best, (len(pairs), sum(overlap(alarm, event) for alarm, event in pairs)))
    return best


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    return min(first[1], second[1]) - max(first[0], second[0])


@given(_times, _times)
def test_every_event_and_alarm_is_counted_once(alarms: Times, events: Times) -> None:
    matching = match(alarms, events)
    assert len(matching.found) + len(matching.missed) + len(matching.unwatched) == len(events)
    judged = (matching.found, matching.false, matching.repeated, matching.unjudged)
    assert sum(map(len, judged)) == len(alarms)
