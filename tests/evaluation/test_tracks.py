from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.evaluation.tracks import find_flicker, find_neighbours, list_tracks

MakeDataset = Any


def make_track(
    make_dataset: MakeDataset, labels: Sequence[int], *, step: int = 10, gap_ms: int = 100
) -> ThermalDataset:
    """A keyframe every `step` frames with one person, number 3, who is labelled as told; every other one is val."""
    frames_c = np.full((step * (len(labels) + 1), 4, 6), 20.0)
    entries = [("a", step * (number + 1), [(label, 0.5, 0.5, 3)]) for number, label in enumerate(labels)]
    return make_dataset({"a": frames_c}, {"train": entries[::2], "val": entries[1::2]}, gap_ms=gap_ms)  # type: ignore[no-any-return]


def list_keyframes(dataset: ThermalDataset, target: Any = "person") -> list[list[tuple[int, float]]]:
    samples = dataset.samples("all", target)
    return [
        [(samples[place].keyframe, samples[place].boxes[0].cx) for place in track]
        for track in list_tracks(dataset, samples, target)
    ]


def test_people_are_followed_by_their_number_through_all_splits(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(
        {"a": np.full((40, 4, 6), 20.0)},
        {
            "train": [("a", 30, [(0, 0.2, 0.5, 7), (1, 0.8, 0.5, 9)])],
            "val": [("a", 10, [(1, 0.7, 0.5, 9), (0, 0.3, 0.5, 7)]), ("a", 20, [(0, 0.25, 0.5, 7)])],
        },
    )
    assert list_keyframes(dataset) == [[(10, 0.3), (20, 0.25), (30, 0.2)], [(10, 0.7), (30, 0.8)]]


def test_unnumbered_person_is_followed_only_where_nobody_else_is_seen(make_dataset: MakeDataset) -> None:
    keyframes = [("a", 10, [(0, 0.2)]), ("a", 20, [(0, 0.3), (1, 0.8)]), ("a", 30, [(0, 0.4)])]
    dataset = make_dataset({"a": np.full((40, 4, 6), 20.0)}, {"train": keyframes})
    assert list_keyframes(dataset) == [[(10, 0.2), (30, 0.4)]]


def test_same_number_in_another_recording_is_another_person(make_dataset: MakeDataset) -> None:
    frames_c = np.full((40, 4, 6), 20.0)
    keyframes = [("a", 10, [(0, 0.2, 0.5, 1)]), ("b", 20, [(0, 0.3, 0.5, 1)])]
    assert list_keyframes(make_dataset({"a": frames_c, "b": frames_c}, {"train": keyframes})) == [
        [(10, 0.2)],
        [(20, 0.3)],
    ]


def test_whole_frames_follow_one_another_in_their_recording(make_dataset: MakeDataset) -> None:
    dataset = make_track(make_dataset, [0, 1, 2])
    assert list_keyframes(dataset, "frame") == [[(10, 0.5), (20, 0.5), (30, 0.5)]]


def test_neighbours_are_the_nearest_within_a_clip(make_dataset: MakeDataset) -> None:
    dataset = make_track(make_dataset, [0] * 7)
    samples = dataset.samples("all", "person")
    tracks = list_tracks(dataset, samples, "person")
    found = find_neighbours(samples, tracks, num_frames=30, most=3)
    by_keyframe = {
        sample.keyframe: [samples[place].keyframe for place in near]
        for sample, near in zip(samples, found, strict=True)
    }
    assert by_keyframe[10] == [20, 30]
    assert by_keyframe[40] == [30, 50, 20]


@pytest.mark.parametrize(
    ("labels", "flicker"),
    [
        ([0, 0, 1, 0, 0], [(30, 0)]),
        ([0, 1, 0, 1, 1], [(20, 0), (30, 1)]),
        ([0, 1, 1, 0, 0], []),
        ([0, 1, 2, 1, 1], [(30, 1)]),
        ([0, 1, 2, 2, 2], []),
        ([1, 0], []),
    ],
)
def test_flicker_is_a_label_that_both_neighbours_contradict(
    make_dataset: MakeDataset, labels: list[int], flicker: list[tuple[int, int]]
) -> None:
    dataset = make_track(make_dataset, labels)
    samples = dataset.samples("all", "person")
    found = find_flicker(dataset, samples, list_tracks(dataset, samples, "person"))
    assert [(samples[place].keyframe, suggested) for place, suggested in found] == flicker


@pytest.mark.parametrize(("gap_ms", "num_found"), [(150, 1), (151, 0)])
def test_what_takes_longer_than_three_seconds_is_no_flicker(
    make_dataset: MakeDataset, gap_ms: int, num_found: int
) -> None:
    # The keyframes before and after are 20 frames apart: 3.0 s and 3.02 s.
    dataset = make_track(make_dataset, [0, 1, 0], gap_ms=gap_ms)
    samples = dataset.samples("all", "person")
    assert len(find_flicker(dataset, samples, list_tracks(dataset, samples, "person"))) == num_found
