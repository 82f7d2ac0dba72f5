from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import Sample, ThermalDataset, load_dataset
from thermalctl.evaluation.time_folds import split_by_time

MakeDataset = Any


def list_frames(dataset: ThermalDataset, sample: Sample, num_frames: int) -> set[tuple[str, int]]:
    """The frames of a sample's clip by session and arrival time, counted one by one."""
    recording = dataset.recordings[sample.recording]
    first = sample.keyframe - num_frames // 2
    inside = [frame for frame in range(first, first + num_frames) if 0 <= frame < recording.num_frames]
    return {(sample.session, int(recording.timestamps_ms[frame])) for frame in inside}


@pytest.mark.parametrize("target", ["frame", "person"])
def test_no_frame_lies_on_both_sides_in_whichever_file(simulated_dataset: Path, target: Any) -> None:
    dataset = load_dataset(DatasetLayout(simulated_dataset))
    samples = dataset.samples("all", target)
    frames = [list_frames(dataset, sample, 8) for sample in samples]
    folds = split_by_time(dataset, samples, num_frames=8)
    assert len(folds) == 5
    for fold in folds:
        trained = set().union(*(frames[place] for place in fold.trained))
        judged = set().union(*(frames[place] for place in fold.judged))
        assert trained
        assert judged
        assert not trained & judged


def test_each_sample_is_judged_once_and_most_others_are_trained_on(simulated_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(simulated_dataset))
    samples = dataset.samples("all", "person")
    folds = split_by_time(dataset, samples, num_frames=8)
    assert sorted(np.concatenate([fold.judged for fold in folds]).tolist()) == list(range(len(samples)))
    assert sum(len(fold.trained) for fold in folds) > 0.5 * len(folds) * len(samples)


def test_same_instant_in_two_files_is_judged_in_the_same_fold(simulated_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(simulated_dataset))
    first, second = (dataset.recordings[name] for name in ("SIM01_R1", "SIM01_R2"))
    shared = np.intersect1d(first.timestamps_ms, second.timestamps_ms)[:: len(first.timestamps_ms) // 12]
    assert len(shared) > 2
    template = dataset.samples("train")[0]
    samples = [
        Sample(**(vars(template) | {"recording": name, "keyframe": int(np.flatnonzero(info.timestamps_ms == time)[0])}))
        for time in shared
        for name, info in (("SIM01_R1", first), ("SIM01_R2", second))
    ]
    for fold in split_by_time(dataset, [*samples, *dataset.samples("val")], num_frames=4):
        held = [place // 2 for place in fold.judged.tolist() if place < len(samples)]
        assert all(held.count(pair) == 2 for pair in held)


def test_sessions_of_many_recordings_are_cut_where_time_passes_not_where_files_end(make_dataset: MakeDataset) -> None:
    # Blocks of two clips of 4 frames: frames 0..7, 8..15, 16..23, ... in turn to folds 0, 1, 2, 0, ...
    keyframes = [("a", frame, [(0,)]) for frame in range(2, 48, 4)]
    dataset = make_dataset({"a": np.full((48, 4, 6), 20.0)}, {"train": keyframes})
    folds = split_by_time(dataset, dataset.samples("train"), num_frames=4, num_folds=3)
    judged = [[2 + 4 * place for place in fold.judged.tolist()] for fold in folds]
    assert judged == [[2, 6, 26, 30], [10, 14, 34, 38], [18, 22, 42, 46]]
    # Clips of 4 that start every 4 frames share none: nothing is purged.
    assert [len(fold.trained) for fold in folds] == [8, 8, 8]


def test_recording_too_short_to_be_cut_has_no_fold(make_dataset: MakeDataset) -> None:
    keyframes = [("a", frame, [(0,)]) for frame in (5, 10, 15)]
    dataset = make_dataset({"a": np.full((20, 4, 6), 20.0)}, {"train": keyframes})
    assert split_by_time(dataset, dataset.samples("train"), num_frames=16) == []


@pytest.mark.real
def test_most_real_samples_are_left_to_train_on(real_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(real_dataset))
    samples = dataset.samples("all", "person")
    folds = split_by_time(dataset, samples, num_frames=64)
    assert sum(len(fold.judged) for fold in folds) == 500
    assert np.mean([len(fold.trained) for fold in folds]) / 500 == pytest.approx(0.61, abs=0.02)
