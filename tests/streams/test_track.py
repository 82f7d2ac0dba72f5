from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.annotations.coco import Box
from thermalctl.streams.answers import WindowAnswer
from thermalctl.streams.track import NONE, AnswerTrack, Stretch

CLASSES = ("a", "b")


def make_answer(window: int, share: float | None, **values: Any) -> WindowAnswer:
    scores = None if share is None else np.array([1 - share, share], dtype=np.float32)
    fields = {"segment": 0, "first_frame": 0, "keyframe": 0, "last_frame": 0, "start_ms": 0, "end_ms": 0,
              "keyframe_ms": 1000 * window, "probabilities": scores}  # fmt: skip
    return WindowAnswer(recording="R1", window=window, **(fields | values))


def make_track(answers: list[WindowAnswer]) -> AnswerTrack:
    track = AnswerTrack()
    for answer in answers:
        track.append(answer)
    return track


def test_stretch_lasts_while_the_answer_stays_the_same() -> None:
    track = make_track([make_answer(0, 0.9), make_answer(1, 0.7), make_answer(2, 0.2), make_answer(3, None)])
    first, second, third = track.find_stretches(CLASSES)
    assert (first.start_ms, first.end_ms, first.class_name, first.num_windows) == (0, 1000, "b", 2)
    assert first.probability == pytest.approx(0.8)
    assert (second.class_name, second.probability) == ("a", pytest.approx(0.8))
    assert third == Stretch(start_ms=3000, end_ms=3000, person=None, class_name=None, probability=0.0, num_windows=1)


def test_interruption_ends_a_stretch() -> None:
    track = make_track([make_answer(0, 0.9), make_answer(1, 0.9, segment=1)])
    assert [stretch.num_windows for stretch in track.find_stretches(CLASSES)] == [1, 1]


def test_people_have_stretches_of_their_own() -> None:
    answers = [
        make_answer(window, share, person=person) for window in range(3) for person, share in ((0, 0.9), (4, 0.1))
    ]
    found = make_track(answers).find_stretches(CLASSES)
    assert [(stretch.person, stretch.class_name, stretch.num_windows) for stretch in found] == [
        (0, "b", 3),
        (4, "a", 3),
    ]


def test_track_keeps_what_pictures_need() -> None:
    track = make_track([make_answer(0, 0.75, person=2, box=Box(0.5, 0.25, 0.5, 0.125)), make_answer(1, None)])
    assert track.times_ms.tolist() == [0, 1000]
    assert track.people.tolist() == [2, NONE]
    assert track.class_ids.tolist() == [1, NONE]
    assert track.probabilities.tolist() == [0.75, 0]
    np.testing.assert_array_equal(track.boxes, [[0.5, 0.25, 0.5, 0.125], [np.nan] * 4])
    assert len(track) == 2


def test_empty_track_has_no_stretches() -> None:
    assert AnswerTrack().find_stretches(CLASSES) == []
