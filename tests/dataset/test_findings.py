from __future__ import annotations

from collections.abc import Mapping

import pytest

from thermalctl.dataset import findings
from thermalctl.dataset.duplicates import DuplicateClips, IdenticalFrames
from thermalctl.dataset.findings import Finding
from thermalctl.dataset.leakage import Leakage, Protocol
from thermalctl.dataset.statistics import ClassStatistics


def make_leakage(
    *, overlapping: int, shared: tuple[str, ...], num_sessions: int = 2, copy_top1: float = 0.5
) -> Leakage:
    protocol = Protocol(
        split="val",
        split_rule="given",
        num_clips=10,
        num_overlapping=overlapping,
        num_sessions=num_sessions,
        sessions_in_train=("A", "B"),
        shared_sessions=shared,
    )
    return Leakage(
        protocol=protocol,
        num_same_frames=0,
        median_distance_frames=6.0,
        copy_top1=copy_top1,
        copy_mean_class=0.25,
        majority_top1=0.5,
        majority_mean_class=0.1,
    )


def make_class(name: str, keyframes: Mapping[str, int]) -> ClassStatistics:
    return ClassStatistics(
        class_id=0, name=name, keyframes=keyframes, shares={}, people=keyframes, weight=1.0, motion_c=None
    )


def make_clips(*, num_copied: int = 0, num_near_apart: int = 0) -> DuplicateClips:
    return DuplicateClips(
        split="val",
        num_clips=10,
        num_copied=num_copied,
        num_near=7,
        num_near_apart=num_near_apart,
        median_distance_c=0.1,
    )


def test_findings_come_worst_first_and_otherwise_in_order() -> None:
    given = [
        Finding(status=status, topic=topic, text="")
        for status, topic in [("ok", "a"), ("warning", "b"), ("error", "c"), ("warning", "d")]  # type: ignore[arg-type]
    ]
    assert [finding.topic for finding in findings.sort_findings(given)] == ["c", "b", "d", "a"]


def test_overlap_is_an_error_with_what_copying_scores() -> None:
    finding = findings.judge_leakage(make_leakage(overlapping=10, shared=("A",), copy_top1=0.849))
    assert finding.status == "error"
    assert finding.text == "all 10 val clips overlap a train clip (median 6 frames apart)"
    assert finding.detail == "copying the nearest label scores 84.9 %, mean class 25.0 %"
    assert finding.fix == "thermalctl split-dataset --by session"


def test_partial_overlap_is_counted() -> None:
    assert findings.judge_leakage(make_leakage(overlapping=3, shared=("A",))).text.startswith("3 of 10 val clips")


def test_single_session_is_told_that_no_split_helps() -> None:
    finding = findings.judge_leakage(make_leakage(overlapping=10, shared=("A",), num_sessions=1))
    assert finding.fix == "record another session: one alone cannot be split without leaking"


def test_shared_session_without_overlap_is_a_warning() -> None:
    finding = findings.judge_leakage(make_leakage(overlapping=0, shared=("A", "B")))
    assert (finding.status, finding.text) == ("warning", "no val clip overlaps a train clip, but both see A, B")


def test_held_out_sessions_are_ok() -> None:
    assert findings.judge_leakage(make_leakage(overlapping=0, shared=())).status == "ok"


def test_nothing_held_twice_is_ok() -> None:
    assert findings.judge_duplicates([], [make_clips()]) == []
    (finding,) = findings.judge_overlaps({}, {"R1": 500}, are_copies=False)
    assert (finding.status, finding.topic, finding.text) == ("ok", "copies", "no frame is held twice")


def test_neighbours_that_overlap_are_told_and_ok() -> None:
    shared = {("R1", "R2"): 140, ("R2", "R3"): 151}
    lengths = {"R1": 500, "R2": 490, "R3": 480}
    (finding,) = findings.judge_overlaps(shared, lengths, are_copies=False)
    assert finding.status == "ok"
    assert finding.text == "2 pairs of neighbouring recordings share 140 to 151 frames, and are one session each"
    assert findings.judge_overlaps(shared, lengths, are_copies=True) == []


def test_same_recording_under_two_names_is_a_warning() -> None:
    shared = {("R1", "R1 (2)"): 500, ("R1", "R2"): 140}
    (finding,) = findings.judge_overlaps(shared, {"R1": 500, "R1 (2)": 500, "R2": 490}, are_copies=False)
    assert finding.status == "warning"
    assert finding.text == "R1 and R1 (2) hold the same 500 frames"


def test_copy_that_connects_sessions_is_a_warning_as_one_recording_under_two_names() -> None:
    pairs = [
        IdenticalFrames(first="R1", second="R1 (2)", num_frames=500, other_session=True),
        IdenticalFrames(first="R1", second="R2", num_frames=3, other_session=False),
    ]
    (finding,) = findings.judge_duplicates(pairs, [make_clips()])
    assert finding.status == "warning"
    assert finding.text == "R1 and R1 (2) hold 500 identical frames, 1 more pair too"
    assert finding.detail == "one stretch under two names or stamps"


def test_copy_between_train_and_val_is_an_error() -> None:
    pair = IdenticalFrames(first="R1", second="R9", num_frames=70, other_session=False)
    (finding,) = findings.judge_duplicates([pair], [make_clips(num_copied=4)])
    assert finding.status == "error"
    assert finding.text == "4 of 10 val clips hold frames of train clips under another name or time"
    assert finding.detail == "R1 and R9 hold 70 identical frames: one stretch under two stamps"


def test_clips_that_look_like_train_clips_are_a_warning() -> None:
    (finding,) = findings.judge_duplicates([], [make_clips(num_near_apart=2)])
    assert finding.status == "warning"
    assert finding.text == "2 of 10 val clips look like a train clip, though they share no frame"
    assert finding.detail == "their mean pictures differ by less than 0.25 deg C, a pixel's noise"


@pytest.mark.parametrize(("num_conflicting", "status"), [(0, "ok"), (5, "ok"), (6, "warning")])
def test_more_than_five_percent_of_conflicting_keyframes_is_a_warning(num_conflicting: int, status: str) -> None:
    assert findings.judge_conflicting_labels(num_conflicting, 100).status == status


def test_absent_and_rare_classes_are_counted_and_those_only_judged_are_named() -> None:
    classes = [
        make_class("stand", {"train": 50, "val": 5}),
        make_class("kneel", {"train": 4, "val": 0}),
        make_class("fall", {"train": 0, "val": 2}),
        make_class("lean", {"train": 0, "val": 0}),
    ]
    finding = findings.judge_classes(classes)
    assert finding.status == "warning"
    assert finding.text == "2 of 4 never occur in train, 1 has fewer than 5 clips"
    assert finding.detail == "judged but never trained: fall"


def test_well_filled_classes_are_ok() -> None:
    finding = findings.judge_classes([make_class("stand", {"train": 50}), make_class("lie", {"train": 5})])
    assert (finding.status, finding.text) == ("ok", "every class has at least 5 train clips")


def test_small_split_is_told_its_interval_and_the_size_it_would_need() -> None:
    classes = [make_class("a", {"val": 71}), make_class("b", {"val": 1}), make_class("c", {"val": 1})]
    finding = findings.judge_split_size("val", 73, classes)
    # 1.96 * sqrt(0.7 * 0.3 / 73) = 10.5 points; 1.96^2 * 0.21 / 0.05^2 = 322.7 clips.
    assert finding.text == "73 clips: a top-1 of 70 % means 70 ± 11 at best"
    assert finding.detail == "2 of its 3 classes have a single clip"
    assert finding.fix == "judge on more clips: 323 give ± 5"


@pytest.mark.parametrize(("num_clips", "status"), [(322, "warning"), (323, "ok")])
def test_split_that_tells_five_points_apart_is_ok(num_clips: int, status: str) -> None:
    assert findings.judge_split_size("val", num_clips, [make_class("a", {"val": num_clips})]).status == status


def test_train_alone_is_a_warning() -> None:
    assert findings.judge_splits(("train",)).status == "warning"
    assert findings.judge_splits(("train", "val")).status == "ok"


def test_keyframes_stamped_otherwise_than_their_frames_are_an_error() -> None:
    assert findings.judge_keyframe_times(0, 9).status == "ok"
    finding = findings.judge_keyframe_times(2, 9)
    assert (finding.status, finding.text) == ("error", "2 of 9 keyframes are over 50 ms from their frame")
