from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.clip_spec import Target
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ALL_SPLITS, Sample, ThermalDataset, load_dataset
from thermalctl.errors import RequestError
from thermalctl.evaluation.event_scores import EventScores, score_events
from thermalctl.evaluation.event_truth import AnnotatedRecording, list_annotated
from thermalctl.events.record import Event, EventRecord, Span
from thermalctl.events.rule_files import read_rules
from thermalctl.events.rules import EventRule
from thermalctl.events.watcher import EventWatcher
from thermalctl.streams.answers import WindowAnswer

CLASSES = ("standing", "lying")
RULE = EventRule(name="fall", classes=("lying",), start_above=0.5, end_below=0.5, for_s=3.0)


def annotate(recording: str, labels: str, *, session: str = "hall") -> AnnotatedRecording:
    """A keyframe a second, "s" for standing and "l" for lying."""
    return AnnotatedRecording(
        recording=recording,
        session=session,
        keyframes=10 * np.arange(len(labels)),
        times_ms=1000 * np.arange(len(labels)),
        shown=np.array([[letter == "s", letter == "l"] for letter in labels]),
    )


def make_event(began_s: int, ended_s: int, *, rule: str = "fall", raised: bool = True) -> Event:
    """Decided after 3 s, known 2 s later."""
    return Event(
        rule=rule,
        person=None,
        began_ms=1000 * began_s,
        held_ms=1000 * ended_s,
        first_keyframe=10 * began_s,
        last_keyframe=10 * ended_s,
        probability=0.9,
        decided_ms=1000 * began_s + 3000 if raised else None,
        raised_ms=1000 * began_s + 5000 if raised else None,
        end="over",
        closed_ms=1000 * ended_s + 3000,
    )


def make_record(recording: str, *events: Event, rule: EventRule = RULE, about: Any = None) -> EventRecord:
    return EventRecord(
        recording=recording,
        target="frame",
        rules=(rule,),
        watched=(Span(0, 360_000),),
        events=events,
        about=about or {},
    )


def score(records: Sequence[EventRecord], *annotated: AnnotatedRecording, **options: Any) -> EventScores:
    return score_events(records, {one.recording: one for one in annotated}, CLASSES, **options)


def test_recordings_are_judged_one_by_one_and_added_up() -> None:
    first = annotate("a", "s" * 10 + "l" * 10 + "s" * 341)
    second = annotate("b", "s" * 20 + "l" * 10 + "s" * 331, session="lab")
    records = [make_record("a", make_event(11, 20), make_event(100, 110)), make_record("b")]
    (fall,) = score(records, first, second).rules
    assert (fall.counts.num_true, fall.counts.num_found, fall.counts.num_false) == (2, 1, 1)
    assert fall.counts.hours == pytest.approx(0.2)
    assert fall.rates.false_per_hour == pytest.approx(5.0)
    assert {name: (one.num_true, one.num_found) for name, one in fall.sessions.items()} == {
        "hall": (1, 1),
        "lab": (1, 0),
    }
    assert [[one.alarm is not None for one in part.events] for part in fall.recordings] == [[True], [False]]


def test_delay_is_from_when_the_rule_could_have_told_at_the_earliest() -> None:
    # It began at 10; 3 s later is 13. The alarms, of events from 12 and from 9 on, were raised at 17 and at 14.
    annotated = annotate("a", "s" * 10 + "l" * 20 + "s" * 10)
    for began_s, delay_s in ((12, 4.0), (9, 1.0)):
        (fall,) = score([make_record("a", make_event(began_s, 30))], annotated).rules
        assert (fall.rates.median_delay_s, fall.recordings[0].events[0].delay_s) == (delay_s, delay_s)


def test_event_whose_beginning_nobody_annotated_has_no_delay() -> None:
    (fall,) = score([make_record("a", make_event(2, 15))], annotate("a", "l" * 10 + "s" * 10)).rules
    assert (fall.counts.num_found, fall.rates.median_delay_s) == (1, None)


def test_event_without_an_alarm_finds_nothing_and_is_told() -> None:
    record = make_record("a", make_event(10, 19, raised=False))
    (fall,) = score([record], annotate("a", "s" * 10 + "l" * 10 + "s" * 10)).rules
    assert (fall.counts.num_found, fall.counts.num_alarms, fall.counts.num_not_raised) == (0, 0, 1)


def test_only_time_that_was_watched_and_annotated_counts() -> None:
    record = replace(make_record("a"), watched=(Span(10_000, 40_000), Span(50_000, 900_000)))
    (fall,) = score([record], annotate("a", "s" * 61)).rules
    assert fall.counts.hours == pytest.approx((30 + 10) / 3600)


def test_rules_that_are_given_decide_which_true_events_count() -> None:
    annotated = annotate("a", "s" * 10 + "l" * 6 + "s" * 10 + "l" * 20 + "s")
    records = [make_record("a", make_event(10, 15), make_event(26, 45))]
    assert score(records, annotated).rules[0].counts.num_true == 2
    longer = replace(RULE, for_s=10.0)
    assert score(records, annotated, rules=[longer]).rules[0].counts.num_true == 1


def test_recording_that_nobody_annotated_is_named_and_left_out() -> None:
    scores = score([make_record("a"), make_record("z")], annotate("a", "sss"))
    assert (scores.not_annotated, len(scores.rules[0].recordings)) == (("z",), 1)


def test_recording_that_was_trained_on_is_marked() -> None:
    records = [
        make_record("a", about={"trained_on": ["a", "c"]}),
        make_record("b", about={"trained_on": ["a", "c"]}),
        make_record("c"),
        make_record("d", about={"num_trained_frames": 64}),
        make_record("e", about={"num_trained_frames": 0}),
        make_record("f", about={"num_trained_frames": None}),
    ]
    (fall,) = score(records, *(annotate(name, "sss") for name in "abcdef")).rules
    assert [part.was_trained_on for part in fall.recordings] == [True, False, None, True, False, None]


@pytest.mark.parametrize(
    ("records", "options", "expected"),
    [
        ([make_record("a"), make_record("a")], {}, "two files of events are of a"),
        ([make_record("z")], {}, "no recording with events is annotated in the dataset: z"),
        (
            [make_record("a"), make_record("b", rule=replace(RULE, for_s=4.0))],
            {},
            'rule "fall" of b is not that of a',
        ),
        ([make_record("a")], {"rules": [replace(RULE, name="up")]}, 'no alarm was raised by a rule "up"'),
        ([make_record("a", rule=replace(RULE, classes=("flying",)))], {}, 'is about "flying", which is no class'),
    ],
)
def test_what_cannot_be_judged_is_refused(records: list[EventRecord], options: dict[str, Any], expected: str) -> None:
    with pytest.raises(RequestError, match=expected):
        score(records, annotate("a", "sss"), annotate("b", "sss"), **options)


@pytest.fixture(scope="module")
def real(real_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(real_dataset))


def answer_as_annotated(dataset: ThermalDataset, target: Target, *, label: int | None = None) -> list[EventRecord]:
    """The events of a model that answers each keyframe as it is annotated, or always the same, known half a clip later.

    Of people the first number is the first annotation's in the keyframe: nobody keeps theirs.
    """
    samples: dict[str, dict[int, list[Sample]]] = {}
    for sample in dataset.samples(ALL_SPLITS, target):
        samples.setdefault(sample.recording, {}).setdefault(sample.keyframe, []).append(sample)
    records = []
    for name, by_keyframe in samples.items():
        times_ms = dataset.recordings[name].timestamps_ms
        watcher = EventWatcher(read_rules(None, dataset.classes), dataset.classes, target=target)
        for window, keyframe in enumerate(sorted(by_keyframe)):
            for number, sample in enumerate(by_keyframe[keyframe]):
                probabilities = np.zeros(dataset.num_classes, dtype=np.float32)
                probabilities[sample.label if label is None else label] = 1
                answer = WindowAnswer(
                    recording=name,
                    window=window,
                    segment=0,
                    first_frame=keyframe - 32,
                    keyframe=keyframe,
                    last_frame=keyframe + 31,
                    start_ms=int(times_ms[keyframe - 32]),
                    keyframe_ms=int(times_ms[keyframe]),
                    end_ms=int(times_ms[keyframe + 31]),
                    person=number if target == "person" else None,
                    probabilities=probabilities,
                )
                watcher.update(answer)
        watcher.finish()
        records.append(watcher.record())
    return records


@pytest.mark.real
def test_real_events_are_all_found_by_a_model_of_people_that_is_always_right(real: ThermalDataset) -> None:
    records = answer_as_annotated(real, "person")
    (fall,) = score_events(records, list_annotated(real), real.classes).rules
    assert (fall.counts.num_true, fall.counts.num_found, fall.counts.num_alarms) == (10, 10, 10)
    assert (fall.counts.num_unjudged, fall.counts.num_unwatched) == (0, 0)
    # The first keyframe 10 s after the event's first decides, and is known with the last frame of its clip.
    delays_s = []
    for part in fall.recordings:
        times_ms, annotated = real.recordings[part.recording].timestamps_ms, list_annotated(real)[part.recording]
        for one in part.events:
            deciding = annotated.keyframes[annotated.times_ms >= one.event.began_ms + 10_000][0]
            delays_s.append((times_ms[deciding + 31] - one.event.began_ms) / 1000 - 10)
    assert fall.rates.median_delay_s == pytest.approx(np.median(delays_s))
    assert fall.rates.worst_delay_s == pytest.approx(max(delays_s))


@pytest.mark.real
def test_real_events_are_all_found_by_a_model_of_frames_that_is_always_right_about_the_frames_labels(
    real: ThermalDataset,
) -> None:
    records = answer_as_annotated(real, "frame")
    (fall,) = score_events(records, list_annotated(real, "frame"), real.classes).rules
    assert fall.counts.num_true == fall.counts.num_found == fall.counts.num_alarms > 0


@pytest.mark.real
def test_frames_labels_hide_falls_of_one_person_among_others(real: ThermalDataset) -> None:
    records = answer_as_annotated(real, "frame")
    (fall,) = score_events(records, list_annotated(real), real.classes).rules
    assert (fall.counts.num_true, fall.counts.num_found, fall.counts.num_false) == (10, 8, 0)


@pytest.mark.real
def test_model_that_always_sees_a_fall_is_no_good(real: ThermalDataset) -> None:
    records = answer_as_annotated(real, "frame", label=real.classes.index("lying down-lying with risk"))
    (fall,) = score_events(records, list_annotated(real), real.classes).rules
    assert fall.rates.recall is not None
    assert fall.rates.recall <= 0.2
    assert fall.counts.num_false >= 5
