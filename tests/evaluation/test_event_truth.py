from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.evaluation.event_truth import AnnotatedRecording, Truth, find_truth, list_annotated
from thermalctl.events.rules import EventRule

MakeDataset = Callable[..., Any]
CLASSES = ("standing", "lying", "crawling")


def make_rule(**keys: Any) -> EventRule:
    given = {"name": "fall", "classes": ("lying",), "start_above": 0.5, "end_below": 0.5, "for_s": 3.0}
    return EventRule(**(given | keys))


def annotate(labels: str, times_s: Sequence[float] | None = None) -> AnnotatedRecording:
    """A keyframe for each letter, of a class's first: a second apart, unless told so. "*" shows all, "-" none."""
    shown = [[letter in (name[0], "*") for name in CLASSES] for letter in labels]
    times_ms = 1000 * np.array(times_s if times_s is not None else range(len(labels)))
    return AnnotatedRecording(
        recording="hall",
        session="hall",
        keyframes=10 * np.arange(len(labels)),
        times_ms=times_ms.astype(np.int64),
        shown=np.array(shown),
    )


def tell(truth: Truth) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """(began, ended) in seconds of the events, and of what is undecided."""
    events, undecided = (
        [(one.began_ms / 1000, one.ended_ms / 1000) for one in found] for found in (truth.events, truth.undecided)
    )
    return events, undecided


def test_run_of_keyframes_that_is_long_enough_is_an_event() -> None:
    truth = find_truth(annotate("sslllls*lls"), make_rule(), CLASSES)
    assert tell(truth) == ([(2, 5)], [])
    (event,) = truth.events
    assert (event.first_keyframe, event.last_keyframe, event.begins_annotated) == (20, 50, True)


def test_any_of_its_classes_and_any_person_counts() -> None:
    assert tell(find_truth(annotate("slc*ls"), make_rule(classes=("lying", "crawling")), CLASSES)) == ([(1, 4)], [])


def test_short_run_where_annotations_begin_or_end_is_undecided() -> None:
    assert tell(find_truth(annotate("llssllssll"), make_rule(), CLASSES)) == ([], [(0, 1), (8, 9)])


def test_of_an_event_that_goes_back_to_the_first_keyframe_nobody_knows_when_it_began() -> None:
    assert [one.begins_annotated for one in find_truth(annotate("llllss"), make_rule(), CLASSES).events] == [False]


def test_runs_are_joined_as_the_rule_joins_its_dips() -> None:
    # From the keyframe at 2, the first that shows otherwise, to that at 4 there are 2 s.
    recording = annotate("llssllsss")
    assert tell(find_truth(recording, make_rule(merge_gap_s=2.5), CLASSES)) == ([(0, 5)], [])
    assert tell(find_truth(recording, make_rule(merge_gap_s=2.0), CLASSES)) == ([], [(0, 1)])


def test_hole_between_keyframes_ends_an_event_and_what_is_known() -> None:
    # The median distance is 1 s; up to three times as much is no hole.
    recording = annotate("lllllsslll", [0, 1, 2, 5, 6, 7, 8, 11.5, 12.5, 13.5])
    truth = find_truth(recording, make_rule(), CLASSES)
    assert tell(truth) == ([(0, 6)], [(11.5, 13.5)])
    assert truth.annotated == ((0, 8000), (11_500, 13_500))


def test_recording_with_one_keyframe_is_annotated_for_an_instant() -> None:
    truth = find_truth(annotate("l"), make_rule(for_s=0.0), CLASSES)
    assert (tell(truth)[0], truth.annotated) == ([(0, 0)], ((0, 0),))


def test_keyframes_of_all_splits_are_one_recording(make_dataset: MakeDataset) -> None:
    frames = {"a": np.full((40, 4, 6), 20.0), "b": np.full((40, 4, 6), 20.0)}
    keyframes = {
        "train": [("a", 30, [(0,)]), ("a", 10, [(1,)]), ("b", 5, [(2,)])],
        "val": [("a", 20, [(1,), (2,)])],
    }
    found = list_annotated(make_dataset(frames, keyframes))
    assert list(found) == ["a", "b"]
    assert found["a"].keyframes.tolist() == [10, 20, 30]
    assert np.diff(found["a"].times_ms).tolist() == [1000, 1000]
    assert found["a"].shown.tolist() == [[False, True, False], [False, True, True], [True, False, False]]


def test_keyframe_as_a_whole_shows_only_its_label(make_dataset: MakeDataset) -> None:
    dataset = make_dataset({"a": np.full((40, 4, 6), 20.0)}, {"train": [("a", 20, [(1,), (0,), (1,)])]})
    assert list_annotated(dataset, "frame")["a"].shown.tolist() == [[False, True, False]]
    assert list_annotated(dataset, "person")["a"].shown.tolist() == [[True, True, False]]


@pytest.mark.real
def test_real_keyframes_leave_no_hole_and_show_ten_falls_of_ten_seconds(real_dataset: Any) -> None:
    dataset = load_dataset(DatasetLayout(real_dataset))
    rule = make_rule(classes=("lying down-lying with risk",), for_s=10.0, merge_gap_s=3.0)
    truths = {name: find_truth(one, rule, dataset.classes) for name, one in list_annotated(dataset).items()}
    assert all(len(truth.annotated) == 1 for truth in truths.values())
    assert {name: len(truth.events) for name, truth in truths.items()} == {
        **dict.fromkeys(("SL14_R1", "SL14_R2", "SL14_R3", "SL14_R4", "SL18_R1", "SL18_R2"), 1),
        **dict.fromkeys(("SL18_R3", "SL18_R4"), 2),
    }
