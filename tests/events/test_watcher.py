from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from thermalctl.events.record import Change, Event
from thermalctl.events.rule_files import read_rules
from thermalctl.events.rules import EventRule
from thermalctl.events.watcher import EventWatcher
from thermalctl.streams.answers import WindowAnswer

CLASSES = ("standing", "lying", "crawling")
MakeRule = Callable[..., EventRule]
MakeAnswer = Callable[..., WindowAnswer]
Play = Callable[..., list[Change]]

#: What one answer says by the rule of these tests: surely lying, in between, surely not, and nothing sure at all.
L, B, N, U = 0.9, 0.5, 0.1, None


def tell(changes: Sequence[Change]) -> list[tuple[Any, ...]]:
    """(kind, began, held until), and for an end why; in seconds."""
    return [
        (one.kind, one.event.began_ms / 1000, one.event.held_ms / 1000, *([one.event.end] if one.event.end else []))
        for one in changes
    ]


def only(changes: Sequence[Change], kind: str) -> Event:
    (found,) = [change.event for change in changes if change.kind == kind]
    return found


def test_event_is_raised_once_it_has_held_for_so_long_and_ends_with_the_first_answer_below(
    make_rule: MakeRule, play: Play
) -> None:
    # 3 s have passed from the keyframe at 2 to that at 5.
    assert tell(play(make_rule(), [N, N, L, L, L, L, L, N])) == [("raised", 2, 5), ("ended", 2, 6, "over")]


def test_times_of_an_event_tell_what_happened_and_when_it_could_be_known(make_rule: MakeRule, play: Play) -> None:
    event = only(play(make_rule(), [N, N, L, 0.95, L, L, L, N]), "ended")
    assert (event.began_ms, event.decided_ms, event.ended_ms) == (2000, 5000, 6000)
    # Answers are known 5 s after their keyframes: those at 5 and at 7 s.
    assert (event.raised_ms, event.closed_ms) == (10_000, 12_000)
    assert (event.first_keyframe, event.last_keyframe) == (20, 60)
    assert event.probability == pytest.approx(0.95)
    assert (event.rule, event.person) == ("fall", None)


def test_event_of_the_manual_goes_as_drawn_there(make_answer: MakeAnswer) -> None:
    (fall,) = read_rules(None, ("lying down-lying with risk",))
    rule = replace(fall, classes=("lying",))
    watcher = EventWatcher([rule], CLASSES)
    for second, letter in enumerate("nnnnnLLLLLbLnLLLLLLLLnnnnn"):
        watcher.update(replace(make_answer(second, {"n": N, "L": L, "b": 0.4}[letter]), end_ms=1000 * second + 6000))
    (event,) = watcher.events
    times_ms = (event.began_ms, event.decided_ms, event.raised_ms, event.ended_ms, event.closed_ms)
    assert times_ms == (5_000, 15_000, 21_000, 20_000, 30_000)


def test_what_is_shorter_is_no_event(make_rule: MakeRule, play: Play) -> None:
    assert play(make_rule(), [L, L, L, N, L, L, L, N]) == []


def test_without_a_minimum_one_answer_raises_the_alarm(make_rule: MakeRule, play: Play) -> None:
    assert tell(play(make_rule(for_s=0.0), [N, L, N])) == [("raised", 1, 1), ("ended", 1, 1, "over")]


def test_between_the_two_limits_it_goes_on_but_does_not_begin(make_rule: MakeRule, play: Play) -> None:
    assert tell(play(make_rule(), [B, B, L, B, B, B, B, N, B, B, B, B])) == [("raised", 2, 5), ("ended", 2, 6, "over")]


def test_limits_themselves_count_as_above_and_as_not_below(make_rule: MakeRule, play: Play) -> None:
    # In float32, as answers are, 0.6 is a little more and 0.4 as well; 0.7 is a little less.
    assert tell(play(make_rule(start_above=0.7), [0.7, 0.4, 0.4, 0.4, 0.39])) == [
        ("raised", 0, 3),
        ("ended", 0, 3, "over"),
    ]


def test_probabilities_of_its_classes_are_summed(make_rule: MakeRule, play: Play) -> None:
    either = (0.3, 0.35, 0.35)
    assert play(make_rule(), [either] * 5) == []
    assert tell(play(make_rule(classes=("lying", "crawling")), [either] * 5))[0] == ("raised", 0, 3)


def test_dip_shorter_than_the_gap_does_not_end_an_event(make_rule: MakeRule, play: Play) -> None:
    # The dip lasts from the keyframe at 4 to that at 6: two seconds.
    lying = [L, L, L, L, N, N, L, L, N, N, N, N]
    assert tell(play(make_rule(merge_gap_s=2.5), lying)) == [("raised", 0, 3), ("ended", 0, 7, "over")]
    assert tell(play(make_rule(merge_gap_s=2.0), lying)) == [("raised", 0, 3), ("ended", 0, 3, "over")]


def test_dip_ends_only_from_the_upper_limit_on(make_rule: MakeRule, play: Play) -> None:
    assert tell(play(make_rule(merge_gap_s=3.0), [L, L, L, L, N, B, B, B, B])) == [
        ("raised", 0, 3),
        ("ended", 0, 3, "over"),
    ]


def test_event_is_told_to_be_over_when_the_dip_has_lasted_as_long_as_the_gap(make_rule: MakeRule, play: Play) -> None:
    event = only(play(make_rule(merge_gap_s=2.0), [L, L, L, L, N, N, N, N, N]), "ended")
    assert (event.ended_ms, event.closed_ms) == (3000, 6000 + 5000)


def test_dips_count_toward_the_minimum(make_rule: MakeRule, play: Play) -> None:
    assert tell(play(make_rule(merge_gap_s=2.0), [L, N, L, N, L], finish=False)) == [("raised", 0, 4)]


def test_alarm_is_not_raised_in_a_dip(make_rule: MakeRule, play: Play) -> None:
    assert play(make_rule(merge_gap_s=5.0), [L, L, L, N, N, N], finish=False) == []


def test_second_event_within_the_cool_down_is_raised_when_that_is_over_if_it_still_holds(
    make_rule: MakeRule, play: Play
) -> None:
    # The first ends at 3; the second would be raised at 8, and no alarm may be raised before 13.
    changes = play(make_rule(cool_down_s=10.0), [L] * 4 + [N] + [L] * 10, finish=False)
    assert tell(changes) == [("raised", 0, 3), ("ended", 0, 3, "over"), ("raised", 5, 13)]
    assert changes[-1].event.raised_ms == 18_000


def test_second_event_that_ends_within_the_cool_down_is_kept_without_an_alarm(make_rule: MakeRule, play: Play) -> None:
    changes = play(make_rule(cool_down_s=10.0), [L] * 4 + [N] + [L] * 5 + [N] * 9)
    assert tell(changes)[2:] == [("not raised", 5, 9, "over")]
    assert (changes[-1].event.decided_ms, changes[-1].event.raised_ms) == (None, None)


def test_event_after_the_cool_down_is_raised_at_once(make_rule: MakeRule, play: Play) -> None:
    # The first ends at 3, and 5 s later is 8, when the second has held for 3 s.
    assert tell(play(make_rule(cool_down_s=5.0), [L] * 4 + [N] + [L] * 4, finish=False))[-1] == ("raised", 5, 8)


def test_answer_without_a_probable_class_neither_starts_nor_ends_an_event(make_rule: MakeRule, play: Play) -> None:
    rule = make_rule(unsure_below=0.5, start_above=0.45)
    unsure = (0.06, 0.48, 0.46)
    assert play(rule, [unsure] * 9) == []
    nothing = (0.4, 0.2, 0.4)
    assert tell(play(rule, [L, L, L, L, nothing, nothing, L, N])) == [("raised", 0, 3), ("ended", 0, 6, "over")]


def test_window_without_an_answer_neither_starts_nor_ends_an_event(make_rule: MakeRule, play: Play) -> None:
    assert tell(play(make_rule(), [U, L, L, U, U, L, L, U, N])) == [("raised", 1, 5), ("ended", 1, 6, "over")]


def test_alarm_is_not_raised_by_an_unsure_answer(make_rule: MakeRule, play: Play) -> None:
    assert play(make_rule(), [L, L, L, U, U, U], finish=False) == []


def test_event_that_is_unsure_for_too_long_ends_as_unsure_where_it_was_last_sure(
    make_rule: MakeRule, play: Play
) -> None:
    # Unsure from the keyframe at 4 on: 3 s have passed at 7.
    changes = play(make_rule(unsure_s=3.0), [L, L, L, L, U, U, U, U, L], finish=False)
    assert tell(changes) == [("raised", 0, 3), ("ended", 0, 3, "unsure")]
    assert changes[-1].event.closed_ms == 12_000


def test_sure_answer_begins_the_unsure_time_anew(make_rule: MakeRule, play: Play) -> None:
    assert tell(play(make_rule(unsure_s=3.0), [L, L, L, L, U, U, L, U, U, L, N])) == [
        ("raised", 0, 3),
        ("ended", 0, 9, "over"),
    ]


def test_too_long_an_unsure_time_counts_even_where_a_sure_answer_ends_it(
    make_rule: MakeRule, make_answer: MakeAnswer
) -> None:
    watcher = EventWatcher([make_rule(unsure_s=3.0)], CLASSES)
    for second, lying in ((0, L), (3, L), (4, U), (9, L)):
        changes = watcher.update(make_answer(second, lying))
    assert tell(changes) == [("ended", 0, 3, "unsure")]


def test_unsure_time_does_not_make_a_dip_longer_than_it_was_seen_to_be(make_rule: MakeRule, play: Play) -> None:
    # What is seen of the dip lasts from 6 to 7; before, nobody knows.
    lying = [L, L, L, L, U, U, N, L, N, N, N, N]
    assert tell(play(make_rule(merge_gap_s=2.0), lying)) == [("raised", 0, 3), ("ended", 0, 7, "over")]


def test_what_was_unsure_before_it_was_long_enough_is_no_event(make_rule: MakeRule, play: Play) -> None:
    assert play(make_rule(unsure_s=2.0), [L, L, U, U, U, N]) == []


def test_interruption_ends_an_event_as_lost_sight(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule()], CLASSES)
    for second in range(5):
        watcher.update(make_answer(second, L))
    changes = watcher.interrupt(9_500)
    assert tell(changes) == [("ended", 0, 4, "lost sight")]
    assert changes[0].event.closed_ms == 9_500


def test_interruption_before_the_alarm_was_due_leaves_a_trace(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule()], CLASSES)
    for second in range(3):
        watcher.update(make_answer(second, L))
    assert tell(watcher.interrupt(7_000)) == [("not raised", 0, 2, "lost sight")]
    assert [event.raised_ms for event in watcher.events] == [None]


def test_new_segment_is_an_interruption_also_where_nobody_says_so(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule()], CLASSES)
    for second in range(5):
        watcher.update(make_answer(second, L))
    changes = watcher.update(make_answer(20, L, segment=1))
    assert tell(changes) == [("ended", 0, 4, "lost sight")]
    assert changes[0].event.closed_ms == 9_000  # when the last frame before it arrived
    assert tell(watcher.finish()) == [("not raised", 20, 20, "finished")]


def test_cool_down_does_not_outlast_a_clock_that_is_set_back(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule(cool_down_s=60.0)], CLASSES)
    for second in range(1000, 1005):
        watcher.update(make_answer(second, L))
    watcher.interrupt(1_010_000)
    changes = [change for second in range(4) for change in watcher.update(make_answer(second, L, segment=1))]
    assert tell(changes) == [("raised", 0, 3)]


def test_cool_down_outlasts_an_interruption(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule(cool_down_s=60.0)], CLASSES)
    for second in range(5):
        watcher.update(make_answer(second, L))
    watcher.interrupt(10_000)
    assert [c for second in range(20, 30) for c in watcher.update(make_answer(second, L, segment=1))] == []


def test_recording_that_ends_ends_its_event(make_rule: MakeRule, play: Play) -> None:
    assert tell(play(make_rule(), [L] * 5)) == [("raised", 0, 3), ("ended", 0, 4, "finished")]


def test_nothing_is_told_twice_after_the_end(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule()], CLASSES)
    for second in range(5):
        watcher.update(make_answer(second, L))
    assert len(watcher.finish()) == 1
    assert watcher.finish() == []
    assert len(watcher.events) == 1


def test_people_whose_numbers_are_swapped_are_one_event_of_the_room(
    make_rule: MakeRule, make_answer: MakeAnswer
) -> None:
    watcher = EventWatcher([make_rule()], CLASSES, target="person")
    changes = []
    for second, (first, second_person) in enumerate([(L, N), (L, N), (N, L), (N, L), (N, L), (N, N), (N, N)]):
        changes += watcher.update(make_answer(second, first, person=1))
        changes += watcher.update(make_answer(second, second_person, person=2))
    assert tell(changes) == [("raised", 0, 3), ("ended", 0, 4, "over")]
    assert changes[0].event.person == 1


def test_each_person_has_events_of_their_own_where_the_rule_says_so(
    make_rule: MakeRule, make_answer: MakeAnswer
) -> None:
    watcher = EventWatcher([make_rule(per="person")], CLASSES, target="person")
    changes = []
    for second, (first, second_person) in enumerate([(L, N), (L, L), (L, L), (L, L), (N, L), (N, N), (N, N)]):
        changes += watcher.update(make_answer(second, first, person=1))
        changes += watcher.update(make_answer(second, second_person, person=2))
    assert [(change.event.person, *tell([change])[0]) for change in changes] == [
        (1, "raised", 0, 3),
        (2, "raised", 1, 4),
        (1, "ended", 0, 3, "over"),
        (2, "ended", 1, 4, "over"),
    ]


def test_somebody_who_stands_does_not_end_the_event_of_somebody_who_is_no_longer_found(
    make_rule: MakeRule, make_answer: MakeAnswer
) -> None:
    watcher = EventWatcher([make_rule(unsure_s=4.0)], CLASSES, target="person")
    changes = []
    for second in range(12):
        if second < 5:
            changes += watcher.update(make_answer(second, L, person=1))
        changes += watcher.update(make_answer(second, N, person=2))
    # Number 1 is gone from 5 on, which is told when the window after that at 9 begins.
    assert tell(changes) == [("raised", 0, 3), ("ended", 0, 4, "unsure")]


def test_person_who_is_not_found_for_a_moment_goes_on(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule(per="person")], CLASSES, target="person")
    changes = []
    for second in range(9):
        if second not in (1, 2, 5):
            changes += watcher.update(make_answer(second, L, person=1))
        changes += watcher.update(make_answer(second, N, person=2))
    assert tell(changes + watcher.finish()) == [("raised", 0, 3), ("ended", 0, 8, "finished")]


def test_model_of_people_that_finds_nobody_tells_nothing_of_whom_it_saw(
    make_rule: MakeRule, make_answer: MakeAnswer
) -> None:
    watcher = EventWatcher([make_rule()], CLASSES, target="person")
    changes = []
    for second in range(9):
        found = 1 if second not in (4, 5) else None
        changes += watcher.update(make_answer(second, L if found else N, person=found))
    assert tell(changes) == [("raised", 0, 3)]
    empty_room = EventWatcher([make_rule()], CLASSES, target="person")
    assert [change for second in range(9) for change in empty_room.update(make_answer(second, L))] == []


def test_alarm_about_a_person_does_not_wait_for_the_next_window(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule()], CLASSES, target="person")
    for second in range(3):
        watcher.update(make_answer(second, L, person=1))
        watcher.update(make_answer(second, N, person=2))
    assert tell(watcher.update(make_answer(3, L, person=1))) == [("raised", 0, 3)]


def test_rules_do_not_disturb_each_other(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    rules = [make_rule(), make_rule(name="up", classes=("standing",), for_s=1.0)]
    watcher = EventWatcher(rules, CLASSES)
    for second, lying in enumerate([N, N, L, L, L, L, N, N]):
        watcher.update(make_answer(second, lying))
    watcher.finish()
    assert [(event.rule, event.began_ms, event.ended_ms) for event in watcher.events] == [
        ("up", 0, 1000),
        ("fall", 2000, 5000),
        ("up", 6000, 7000),
    ]


def test_watched_are_the_keyframes_of_each_stretch(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule()], CLASSES)
    for second, segment in ((0, 0), (1, 0), (4, 0), (30, 1), (31, 1)):
        watcher.update(make_answer(second, U, segment=segment))
    assert watcher.watched == ((0, 4000), (30_000, 31_000))
    watcher.finish()
    assert watcher.watched == ((0, 4000), (30_000, 31_000))


def test_record_holds_what_was_told(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule()], CLASSES, target="person")
    for second in range(5):
        watcher.update(make_answer(second, L, person=1))
    watcher.finish()
    record = watcher.record(about={"model": "m.onnx"})
    assert (record.recording, record.target, record.rules) == ("hall", "person", (make_rule(),))
    assert (record.events, record.watched) == (watcher.events, watcher.watched)
    assert record.about == {"model": "m.onnx"}


def test_people_who_left_are_forgotten(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule(per="person", cool_down_s=3.0)], CLASSES, target="person")
    for person in range(100):
        for second in range(5):
            watcher.update(make_answer(5 * person + second, L, person=person))
    (watch,) = watcher._watches
    # The one who is there, and those of the last 10 s, after which nobody is waited for.
    assert len(watch.conditions) <= 4


def test_answer_of_another_model_is_refused(make_rule: MakeRule, make_answer: MakeAnswer) -> None:
    watcher = EventWatcher([make_rule()], CLASSES)
    with pytest.raises(ValueError, match=r"shape \(2,\), expected those of 3 classes"):
        watcher.update(make_answer(0, (0.5, 0.5)))


def test_answer_that_is_no_number_counts_as_none(make_rule: MakeRule, play: Play) -> None:
    nan = (float("nan"),) * 3
    assert tell(play(make_rule(), [L, L, nan, L, L, N])) == [("raised", 0, 3), ("ended", 0, 4, "over")]
