from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from thermalctl.annotations.coco import Box
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.leakage import (
    describe_protocol,
    find_nearest_keyframes,
    find_overlapping,
    measure_leakage,
    nearest_keyframe_labels,
    score_labels,
)
from thermalctl.dataset.samples import Sample, ThermalDataset, load_dataset
from thermalctl.dataset.sessions import shared_frames

Folder = Any


@pytest.fixture
def dataset(folder: Folder) -> ThermalDataset:
    return load_dataset(folder.layout)


@pytest.fixture(scope="module")
def real(real_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(real_dataset))


def make_sample(recording: str, keyframe: int, label: int = 0, *, cx: float = 0.5) -> Sample:
    return Sample(
        sample_id=f"{recording}_{keyframe}",
        recording=recording,
        keyframe=keyframe,
        timestamp_ms=keyframe,
        label=label,
        session="hall" if recording.startswith("hall") else recording,
        boxes=(Box(cx, 0.5, 0.1, 0.1),),
    )


@pytest.mark.parametrize(("distance", "overlaps"), [(0, True), (7, True), (8, False), (-7, True), (-8, False)])
def test_windows_of_one_recording_overlap_if_keyframes_are_nearer_than_a_window(
    dataset: ThermalDataset, distance: int, overlaps: bool
) -> None:
    found = find_overlapping(dataset, [make_sample("lab", 30)], [make_sample("lab", 30 + distance)], window_frames=8)
    assert found.tolist() == [overlaps]


@pytest.mark.parametrize(("keyframe", "overlaps"), [(3, True), (16, False), (15, True), (60, False)])
def test_windows_overlap_through_frames_that_two_recordings_share(
    dataset: ThermalDataset, keyframe: int, overlaps: bool
) -> None:
    # hall_2 begins at frame 50 of hall_1: the window of hall_1@58 is 54..61, frames 4..11 of hall_2.
    found = find_overlapping(dataset, [make_sample("hall_1", 58)], [make_sample("hall_2", keyframe)], window_frames=8)
    assert found.tolist() == [overlaps]


def test_recordings_of_different_sessions_never_overlap(dataset: ThermalDataset) -> None:
    found = find_overlapping(dataset, [make_sample("lab", 30)], [make_sample("hall_1", 30)], window_frames=64)
    assert found.tolist() == [False]


def test_uniform_clip_covers_the_frames_between_those_it_takes(dataset: ThermalDataset) -> None:
    # 4 frames over 2 s take every fifth frame: 20, 25, 30, 35 and 12, 17, 22, 27; no frame in common, 20 to 27 is.
    found = find_overlapping(dataset, [make_sample("lab", 30)], [make_sample("lab", 22)], window_frames=4, window_s=2.0)
    assert found.tolist() == [True]


def test_nothing_overlaps_an_empty_training_set(dataset: ThermalDataset) -> None:
    assert find_overlapping(dataset, [], [make_sample("lab", 30)], window_frames=8).tolist() == [False]


def test_nearest_keyframe_is_sought_in_the_same_recording() -> None:
    trained = [make_sample("a", 10, 1), make_sample("a", 50, 2), make_sample("b", 20, 3)]
    nearest = find_nearest_keyframes(trained, [make_sample("a", 21), make_sample("a", 41), make_sample("b", 60)])
    assert nearest.labels.tolist() == [1, 2, 3]
    assert nearest.distances.tolist() == [11.0, 9.0, 40.0]


def test_of_two_people_in_the_nearest_keyframe_the_one_at_the_same_place_is_copied() -> None:
    trained = [make_sample("a", 10, 1, cx=0.2), make_sample("a", 10, 2, cx=0.8)]
    judged = [make_sample("a", 12, cx=0.7), make_sample("a", 12, cx=0.3)]
    assert nearest_keyframe_labels(trained, judged).tolist() == [2, 1]


def test_recording_without_training_keyframes_takes_the_most_frequent_class() -> None:
    trained = [make_sample("a", 10, 1), make_sample("a", 20, 2), make_sample("a", 30, 2)]
    nearest = find_nearest_keyframes(trained, [make_sample("b", 10)])
    assert nearest.labels.tolist() == [2]
    assert nearest.distances.tolist() == [np.inf]


def test_scores_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(5)
    labels, predicted = generator.integers(0, 4, 50), generator.integers(0, 4, 50)
    top1, mean_class = score_labels(predicted, labels)
    assert top1 == pytest.approx(accuracy_score(labels, predicted))
    assert mean_class == pytest.approx(balanced_accuracy_score(labels, predicted))


def test_protocol_names_split_rule_overlap_and_sessions(folder: Folder) -> None:
    folder.documents["train"]["info"] = {"split_rule": "recording"}
    folder.write()
    protocol = describe_protocol(load_dataset(folder.layout), 32)
    # lab@50 overlaps lab@35 (32 frames wide); hall_2@35 is frame 85 of the hall, hall_1@40 reaches to 55.
    assert (protocol.split_rule, protocol.num_clips, protocol.num_overlapping) == ("recording", 2, 1)
    assert protocol.share_overlapping == 0.5
    assert (protocol.num_sessions, protocol.shared_sessions) == (2, ("hall", "lab"))
    assert protocol.sessions_in_train == ("hall", "lab")


def test_protocol_of_uniform_clips_counts_what_they_cover(dataset: ThermalDataset) -> None:
    # 8 consecutive frames of lab@35 and lab@50 are 7 frames apart; spread over 2 s they reach 25..42 and 40..57.
    assert describe_protocol(dataset, 8).num_overlapping == 0
    assert describe_protocol(dataset, 8, window_s=2.0).num_overlapping == 1


def test_leakage_of_the_tiny_dataset_by_hand(dataset: ThermalDataset) -> None:
    leakage = measure_leakage(dataset, "val", window_frames=32)
    # val: hall_2@35 lie (no train keyframe in hall_2, so train's majority: stand), lab@50 stand (copies lab@35: stand).
    assert (leakage.copy_top1, leakage.copy_mean_class) == (0.5, 0.5)
    assert (leakage.majority_top1, leakage.majority_mean_class) == (0.5, 0.5)
    assert leakage.median_distance_frames == 15
    assert leakage.num_same_frames == 0


def test_same_frame_in_both_splits_is_counted_across_recordings(folder: Folder) -> None:
    folder.add_keyframe("train", "hall_1", 55, [0])
    folder.add_keyframe("val", "hall_2", 5, [1])  # hall_2 begins at frame 50 of hall_1
    folder.write()
    assert measure_leakage(load_dataset(folder.layout), "val", window_frames=8).num_same_frames == 1


@pytest.mark.real
def test_every_real_val_clip_overlaps_a_train_clip_and_copying_scores_high(real: ThermalDataset) -> None:
    leakage = measure_leakage(real, "val", window_frames=64)
    assert (leakage.protocol.num_overlapping, leakage.protocol.num_clips) == (73, 73)
    assert leakage.median_distance_frames == 6
    assert 100 * leakage.copy_top1 == pytest.approx(84.9, abs=0.05)
    assert 100 * leakage.copy_mean_class == pytest.approx(45.7, abs=0.05)
    assert 100 * leakage.majority_top1 == pytest.approx(50.7, abs=0.05)
    assert 100 * leakage.majority_mean_class == pytest.approx(14.3, abs=0.05)


@pytest.mark.real
def test_real_neighbours_share_140_to_151_frames(real: ThermalDataset) -> None:
    shared = shared_frames(
        {name: recording.timestamps_ms for name, recording in real.recordings.items()},
        {name: recording.mac_address for name, recording in real.recordings.items()},
    )
    neighbours = {(f"{session}_R{n}", f"{session}_R{n + 1}") for session in ("SL14", "SL18") for n in (1, 2, 3)}
    assert set(shared) == neighbours
    assert (min(shared.values()), max(shared.values())) == (140, 151)
