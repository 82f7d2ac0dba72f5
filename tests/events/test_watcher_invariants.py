"""What holds of any answers and any rule."""

from __future__ import annotations

from itertools import groupby, pairwise
from operator import attrgetter

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from thermalctl.events.record import Change, Event
from thermalctl.events.rules import EventRule, find_contradictions
from thermalctl.events.watcher import EventWatcher
from thermalctl.streams.answers import WindowAnswer

CLASSES = ("standing", "lying")
#: Every keyframe is known so long after it was.
LATE_MS = 700

_levels = st.sampled_from((0.0, 0.25, 0.5, 0.75, 1.0))
_seconds = st.integers(0, 8).map(float)


@st.composite
def make_rules(draw: st.DrawFn) -> EventRule:
    end_below, start_above = sorted((draw(_levels), draw(_levels.filter(bool))))
    gap_s, unsure_s = sorted((draw(_seconds), draw(_seconds)))
    rule = EventRule(
        name="fall",
        classes=("lying",),
        start_above=start_above,
        end_below=end_below,
        for_s=draw(_seconds),
        merge_gap_s=gap_s,
        cool_down_s=draw(_seconds),
        unsure_below=draw(st.sampled_from((0.0, 0.6))),
        unsure_s=unsure_s,
        per=draw(st.sampled_from(("room", "person"))),
    )
    assert list(find_contradictions(rule)) == []
    return rule


@st.composite
def make_answers(draw: st.DrawFn) -> list[WindowAnswer]:
    """Windows at growing times in up to three stretches, in each up to three people, or the frame as a whole."""
    answers = []
    keyframe_ms, segment = 0, 0
    for window in range(draw(st.integers(0, 18))):
        keyframe_ms += draw(st.sampled_from((300, 1000, 2000, 3100)))
        if segment < 2 and draw(st.integers(0, 9)) == 0:
            segment, keyframe_ms = segment + 1, keyframe_ms + 9000
        people = draw(st.lists(st.integers(1, 3), max_size=3, unique=True))
        for person in people or [None]:
            lying = draw(st.one_of(st.none(), _levels))
            answers.append(make_answer(window, keyframe_ms, lying, person=person, segment=segment))
    return answers


def make_answer(
    window: int, keyframe_ms: int, lying: float | None, *, person: int | None = None, segment: int = 0
) -> WindowAnswer:
    return WindowAnswer(
        recording="hall",
        window=window,
        segment=segment,
        first_frame=0,
        keyframe=window,
        last_frame=0,
        start_ms=keyframe_ms - LATE_MS,
        keyframe_ms=keyframe_ms,
        end_ms=keyframe_ms + LATE_MS,
        person=person,
        status="incomplete" if lying is None else "answered",
        probabilities=None if lying is None else np.array((1 - lying, lying), dtype=np.float32),
    )


def watch(rule: EventRule, answers: list[WindowAnswer]) -> tuple[EventWatcher, list[Change]]:
    watcher = EventWatcher([rule], CLASSES, target="person")
    changes = [change for answer in answers for change in watcher.update(answer)]
    return watcher, changes + watcher.finish()


def list_alarms(rule: EventRule, answers: list[WindowAnswer]) -> list[list[Event]]:
    """The events that were raised, those of each person, or of the room, in the order of time."""
    watcher, _ = watch(rule, answers)
    alarms = [event for event in watcher.events if event.raised_ms is not None]
    if rule.per == "room":
        return [alarms]
    by_person = sorted(alarms, key=lambda event: (event.person or 0, event.began_ms))
    return [list(group) for _, group in groupby(by_person, key=attrgetter("person"))]


@given(make_rules(), make_answers())
def test_no_alarm_is_of_an_event_that_is_too_short(rule: EventRule, answers: list[WindowAnswer]) -> None:
    for event in (event for group in list_alarms(rule, answers) for event in group):
        assert event.decided_ms is not None
        assert event.ended_ms is not None
        assert event.decided_ms - event.began_ms >= 1000 * rule.for_s
        assert event.began_ms <= event.decided_ms <= event.ended_ms
        assert event.raised_ms == event.decided_ms + LATE_MS


@given(make_rules(), make_answers())
def test_no_two_events_of_a_stretch_are_closer_than_the_gap(rule: EventRule, answers: list[WindowAnswer]) -> None:
    for group in list_alarms(rule, answers):
        for first, second in pairwise(group):
            if first.end != "lost sight":
                assert second.began_ms - first.held_ms > 1000 * rule.merge_gap_s


@given(make_rules(), make_answers())
def test_no_alarm_is_raised_within_the_cool_down(rule: EventRule, answers: list[WindowAnswer]) -> None:
    for group in list_alarms(rule, answers):
        for first, second in pairwise(group):
            assert second.decided_ms is not None
            assert second.decided_ms - first.held_ms >= 1000 * rule.cool_down_s


@given(make_rules(), make_answers())
def test_every_alarm_ends_and_is_told_when_it_is_known(rule: EventRule, answers: list[WindowAnswer]) -> None:
    watcher, changes = watch(rule, answers)
    told: dict[tuple[int, int | None], list[str]] = {}
    for change in changes:
        told.setdefault((change.event.began_ms, change.event.person), []).append(change.kind)
    assert all(kinds in (["raised", "ended"], ["not raised"]) for kinds in told.values())
    for event in watcher.events:
        assert event.closed_ms is not None
        assert event.closed_ms >= max(event.held_ms, event.raised_ms or 0)


@given(make_rules(), make_answers())
def test_events_lie_in_what_was_watched(rule: EventRule, answers: list[WindowAnswer]) -> None:
    watcher, _ = watch(rule, answers)
    for event in watcher.events:
        assert any(start <= event.began_ms <= event.held_ms <= end for start, end in watcher.watched)


@given(make_rules(), make_answers(), st.randoms(use_true_random=False))
def test_order_of_people_in_a_window_does_not_matter(rule: EventRule, answers: list[WindowAnswer], rng: object) -> None:
    shuffled: list[WindowAnswer] = []
    for _, group in groupby(answers, key=attrgetter("window")):
        window = list(group)
        rng.shuffle(window)  # type: ignore[attr-defined]
        shuffled += window

    def tell(found: list[WindowAnswer]) -> list[tuple[object, ...]]:
        events = watch(rule, found)[0].events
        # Of a room it may be told first of either of two people.
        return sorted((one.began_ms, one.held_ms, one.decided_ms or -1, str(one.end)) for one in events)

    assert tell(shuffled) == tell(answers)


@given(make_answers(), make_rules())
def test_what_comes_later_does_not_change_what_was_raised(answers: list[WindowAnswer], rule: EventRule) -> None:
    whole = [change for change in watch(rule, answers)[1] if change.kind == "raised"]
    watcher = EventWatcher([rule], CLASSES, target="person")
    half = [change for answer in answers[: len(answers) // 2] for change in watcher.update(answer)]
    raised = [change for change in half if change.kind == "raised"]
    assert raised == whole[: len(raised)]


@given(make_rules(), st.integers(1, 40))
@example(EventRule(name="fall", classes=("lying",), start_above=1.0, end_below=1.0, for_s=8.0), 40)
def test_what_holds_throughout_is_exactly_one_event(rule: EventRule, num: int) -> None:
    answers = [make_answer(window, 1000 * window, 1.0, person=1) for window in range(num)]
    (event,) = watch(rule, answers)[0].events
    assert (event.began_ms, event.held_ms, event.end) == (0, 1000 * (num - 1), "finished")
    assert event.decided_ms == (1000 * rule.for_s if num - 1 >= rule.for_s else None)


@given(make_rules(), st.lists(st.tuples(st.sampled_from((300, 1000, 3100)), _levels), max_size=30))
def test_sure_answers_about_one_frame_after_another_give_what_the_whole_gives_at_once(
    rule: EventRule, steps: list[tuple[int, float]]
) -> None:
    times_ms = np.cumsum([step for step, _ in steps]).tolist()
    lying = [level for _, level in steps]
    expected = find_events_at_once(times_ms, lying, rule)
    rule_without = EventRule(**(vars(rule) | {"cool_down_s": 0.0, "unsure_below": 0.0}))
    watcher = EventWatcher([rule_without], CLASSES)
    for window, (time_ms, level) in enumerate(zip(times_ms, lying, strict=True)):
        watcher.update(make_answer(window, time_ms, level))
    watcher.finish()
    alarms = [event for event in watcher.events if event.decided_ms is not None]
    assert [(event.began_ms, event.decided_ms, event.ended_ms) for event in alarms] == expected


def find_events_at_once(times_ms: list[int], lying: list[float], rule: EventRule) -> list[tuple[int, int, int]]:
    """The same in four plain passes over the whole: hold, runs, joined runs, long ones."""
    holds: list[bool] = []
    for level in lying:
        holds.append(level >= rule.start_above or (bool(holds) and holds[-1] and level >= rule.end_below))
    runs: list[list[int]] = []
    for place, is_held in enumerate(holds):
        if is_held and place and holds[place - 1]:
            runs[-1].append(place)
        elif is_held:
            runs.append([place])
    joined: list[list[int]] = []
    for run in runs:
        if joined and times_ms[run[0]] - times_ms[joined[-1][-1] + 1] < 1000 * rule.merge_gap_s:
            joined[-1] += run
        else:
            joined.append(run)
    events = []
    for run in joined:
        began_ms = times_ms[run[0]]
        long_enough = [times_ms[place] for place in run if times_ms[place] - began_ms >= 1000 * rule.for_s]
        if long_enough:
            events.append((began_ms, long_enough[0], times_ms[run[-1]]))
    return events
