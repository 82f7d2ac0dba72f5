from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.annotations.class_choice import ClassChoice
from thermalctl.annotations.coco import Box
from thermalctl.annotations.keyframes import AnnotatedKeyframe, AnnotatedPerson, AnnotationSource, Skipped
from thermalctl.dataset.checks import RecordingInfo
from thermalctl.dataset.matching import WHOLE_FRAME, Matched, match_keyframes

CLASSES = ClassChoice(names=("sit", "walk"), merged={"stroll": "walk"}, origin="test")
#: Frames every 100 ms but for a burst: the last two arrived together.
TIMES = np.array([*range(1000, 2000, 100), 1900], dtype=np.int64)


def make_recording(mac_address: str = "02:00", times: Any = TIMES) -> RecordingInfo:
    return RecordingInfo(
        path=Path("R.h5"),
        mac_address=mac_address,
        num_frames=len(times),
        frame_size=(40, 60),
        timestamps_ms=times,
        num_bytes=1,
    )


def match(*keyframes: dict[str, Any], **options: Any) -> Matched:
    given: dict[str, Any] = {"recording": "R", "people": (AnnotatedPerson(action="walk"),)}
    annotated = tuple(
        AnnotatedKeyframe(where=f"a.json: line {number}", **(given | values))
        for number, values in enumerate(keyframes, start=1)
    )
    source = AnnotationSource(path=Path("a.json"), kind="test", keyframes=annotated)
    settings: dict[str, Any] = {"window_frames": 4, "tolerance_ms": 50} | options
    return match_keyframes([source], {"R": make_recording()}, CLASSES, **settings)


@pytest.mark.parametrize(("time_ms", "frame"), [(1500, 5), (1549, 5), (1551, 6), (1550, 5)])
def test_nearest_frame_is_taken_and_of_two_the_earlier(time_ms: int, frame: int) -> None:
    [keyframe] = match({"timestamp_ms": time_ms}).keyframes
    assert keyframe.image.frame_idx == frame
    assert keyframe.image.timestamp_ms == TIMES[frame]
    assert keyframe.image.id == f"R_{TIMES[frame]}"
    assert (keyframe.image.width, keyframe.image.height, keyframe.image.mac_address) == (60, 40, "02:00")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"recording": "S", "timestamp_ms": 1500}, 'no recording is named "S"'),
        ({"mac_address": "02:01", "timestamp_ms": 1500}, "of another device than the recording"),
        ({"timestamp_ms": 940}, "no frame within 50 ms"),
        ({"timestamp_ms": 1100}, "its window reaches past the recording"),
        ({"frame_idx": 10}, "its window reaches past the recording"),
        ({"frame_idx": 11}, "past the end of the recording"),
        ({"timestamp_ms": 1500, "people": ()}, "no person in it"),
    ],
)
def test_what_is_left_out_is_told_with_its_reason(values: dict[str, Any], reason: str) -> None:
    matched = match(values, {"timestamp_ms": 1500})
    assert len(matched.keyframes) == 1
    assert matched.skipped == (Skipped(where="a.json: line 1", reason=reason),)


def test_window_must_lie_inside_unless_edges_are_kept() -> None:
    """Of 11 frames, windows of 4 fit around frames 2 to 9."""
    every = [{"frame_idx": frame} for frame in range(11)]
    assert [keyframe.image.frame_idx for keyframe in match(*every).keyframes] == list(range(2, 10))
    assert len(match(*every, keep_edges=True).keyframes) == 11


def test_frames_that_arrived_together_have_ids_of_their_own() -> None:
    both = match({"frame_idx": 9}, {"frame_idx": 10}, keep_edges=True).keyframes
    assert [keyframe.image.id for keyframe in both] == ["R_1900_9", "R_1900_10"]
    assert all(person.image_id == keyframe.image.id for keyframe in both for person in keyframe.people)


def test_person_of_an_unknown_action_is_left_out_and_the_others_kept() -> None:
    box = Box(cx=0.1, cy=0.2, w=0.3, h=0.4)
    people = (
        AnnotatedPerson(action="stroll", box=box, object_id=7, attribute_obscured="25%"),
        AnnotatedPerson(action="sitt"),
        AnnotatedPerson(action="sit"),
    )
    matched = match({"timestamp_ms": 1500, "people": people})
    [keyframe] = matched.keyframes
    first, second = keyframe.people
    assert (first.category_id, first.category_name, first.box, first.object_id) == (1, "walk", box, 7)
    assert first.attribute_obscured == "25%"
    assert (second.category_id, second.box) == (0, WHOLE_FRAME)
    assert [entry.reason for entry in matched.skipped] == ['"sitt" is not among the classes; is "sit" meant?']


def test_keyframe_without_a_known_action_is_left_out() -> None:
    matched = match({"timestamp_ms": 1500, "people": (AnnotatedPerson(action="fly"),)})
    assert matched.keyframes == ()
    assert [entry.reason for entry in matched.skipped] == [
        '"fly" is not among the classes',
        "nobody in it does one of the classes",
    ]


def test_frame_that_was_annotated_twice_counts_once() -> None:
    matched = match({"timestamp_ms": 1500}, {"timestamp_ms": 1510})
    assert len(matched.keyframes) == 1
    assert matched.skipped == (Skipped(where="a.json: line 2", reason="its frame is annotated already"),)


def test_keyframes_come_in_order_of_time_with_the_split_they_were_given() -> None:
    matched = match({"timestamp_ms": 1700, "split": "val"}, {"timestamp_ms": 1500, "split": "train"}, {"frame_idx": 6})
    assert [keyframe.image.frame_idx for keyframe in matched.keyframes] == [5, 6, 7]
    assert matched.given_splits == ("train", None, "val")
