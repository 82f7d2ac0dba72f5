from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.frame_hashes import ClipHashes, hash_clips
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, find_clip, load_dataset


@pytest.fixture(scope="module")
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


NUM_FRAMES = 8


def hash_split(dataset: ThermalDataset, split: str, known: np.ndarray | None = None, context: int = 0) -> ClipHashes:
    samples = dataset.samples(split)
    spec = ClipSpec(classes=dataset.classes, num_frames=NUM_FRAMES, input_size=(16, 24))
    indices = [find_clip(sample, dataset, spec, context_frames=context) for sample in samples]
    return hash_clips(dataset, samples, indices, num_frames=NUM_FRAMES, known=known)


def test_clips_are_told_apart_and_known_again(dataset: ThermalDataset) -> None:
    samples = dataset.samples("val")
    found = hash_split(dataset, "val")
    assert len(np.unique(found.clips)) == len(np.unique(found.keyframes)) == len(samples)
    assert not found.overlaps.any()
    assert not found.recordings
    again = hash_split(dataset, "val", known=found.frames)
    assert np.array_equal(again.clips, found.clips)
    assert again.overlaps.all()
    assert again.recordings == {sample.recording for sample in samples}
    # Another session shares nothing.
    assert not hash_split(dataset, "train", known=found.frames).overlaps.any()


def test_what_was_shown_beside_a_clip_counts_as_shown(dataset: ThermalDataset) -> None:
    plain, wide = hash_split(dataset, "val"), hash_split(dataset, "val", context=3)
    assert len(np.setdiff1d(wide.frames, plain.frames)) > 0
    assert len(np.setdiff1d(plain.frames, wide.frames)) == 0
    assert np.array_equal(plain.clips, wide.clips)


def copy_with(dataset: ThermalDataset, folder: Path, change: Callable[[np.ndarray], None]) -> ThermalDataset:
    """Return a copy of the dataset with the frames of its first val recording changed."""
    shutil.copytree(dataset.layout.root, folder)
    name = dataset.samples("val")[0].recording
    with h5py.File(folder / "frames" / f"{name}.h5", "r+") as file:
        frames = file["frames"][:]
        change(frames)
        file["frames"][:] = frames
    return load_dataset(DatasetLayout(folder))


def test_frame_is_known_by_its_temperatures(dataset: ThermalDataset, tmp_path: Path) -> None:
    keyframe = dataset.samples("val")[0].keyframe

    def warm_a_pixel(frames: np.ndarray) -> None:
        frames[keyframe, 3, 3] += 0.01

    before, after = hash_split(dataset, "val"), hash_split(copy_with(dataset, tmp_path / "copy", warm_a_pixel), "val")
    assert before.keyframes[0] != after.keyframes[0]
    assert len(np.setdiff1d(before.frames, after.frames)) == 1
    assert before.clips[0] != after.clips[0]


def test_frames_that_could_be_from_anywhere_tell_nothing(dataset: ThermalDataset, tmp_path: Path) -> None:
    first, second = (sample.keyframe for sample in dataset.samples("val")[:2])

    def freeze(frames: np.ndarray) -> None:
        frames[first] = frames[first - 1]  # held twice
        frames[second] = 21.0  # of one temperature

    found = hash_split(copy_with(dataset, tmp_path / "copy", freeze), "val")
    assert found.keyframes[:2].tolist() == [0, 0]
    incomplete = hash_split(dataset, "train")  # whose recordings have some
    shown = NUM_FRAMES * len(dataset.samples("train"))
    assert len(incomplete.frames) < shown
