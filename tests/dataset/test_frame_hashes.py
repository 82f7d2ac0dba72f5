from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.frame_hashes import hash_clips
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset


@pytest.fixture(scope="module")
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


def make_spec(dataset: ThermalDataset) -> ClipSpec:
    return ClipSpec(classes=dataset.classes, num_frames=8, input_size=(16, 24))


def test_equal_frames_have_equal_hashes_and_others_have_not(dataset: ThermalDataset) -> None:
    samples = dataset.samples("val")
    spec = make_spec(dataset)
    found = hash_clips(dataset, samples, spec)
    assert found.frames.shape == (len(samples), 8)
    assert len(np.unique(found.clips)) == len(samples)
    again = hash_clips(dataset, samples[:2], spec)
    assert np.array_equal(again.frames, found.frames[:2])
    # Clips of one recording that overlap share just the frames in which they do.
    first = samples[0]
    shifted = [sample for sample in samples if sample.recording == first.recording and sample is not first]
    for sample in shifted:
        overlap = max(0, 8 - abs(sample.keyframe - first.keyframe))
        index = samples.index(sample)
        assert len(np.intersect1d(found.frames[0], found.frames[index])) == overlap


def test_incomplete_frame_is_like_none(dataset: ThermalDataset) -> None:
    samples = dataset.samples("train")  # whose recordings have some
    hashes = hash_clips(dataset, samples, make_spec(dataset))
    assert (hashes.frames == 0).any()
    assert (hashes.frames != 0).any()


def test_frame_is_known_by_its_temperatures_and_not_by_its_file(dataset: ThermalDataset, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(dataset.layout.root, copy)
    changed = dataset.samples("val")[0].recording
    with h5py.File(copy / "frames" / f"{changed}.h5", "r+") as file:
        file["frames"][50, 3, 3] += 0.01
    spec = make_spec(dataset)
    samples = dataset.samples("val")
    before, after = hash_clips(dataset, samples, spec), hash_clips(load_dataset(DatasetLayout(copy)), samples, spec)
    differing = np.argwhere(before.frames != after.frames)
    assert {samples[row].recording for row, _ in differing} <= {changed}
    assert len(np.setdiff1d(before.frames, after.frames)) <= 1
