from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.dataset import duplicates
from thermalctl.dataset.duplicates import (
    DuplicateClips,
    IdenticalFrames,
    find_duplicate_clips,
    find_identical_frames,
    measure_distances,
)
from thermalctl.dataset.frames import Frames, look_at_frames
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ALL_SPLITS, ThermalDataset, load_dataset

Folder = Any
DAY_MS = 86_400_000
START_MS = 1_700_000_000_000
LOST_C = np.float32(-273.2)


def make_noise(seed: int, num_frames: int = 70) -> np.ndarray:
    return (20 + np.random.default_rng(seed).normal(0, 0.25, (num_frames, 4, 6))).astype(np.float32)


@pytest.fixture
def rooms(folder: Folder) -> Folder:
    """The tiny dataset with frames of its own in each room; the hall's two recordings share their 20 frames."""
    hall_c = make_noise(1, 120)
    folder.add_recording("hall_1", start_ms=START_MS, frames_c=hall_c[:70])
    folder.add_recording("hall_2", start_ms=START_MS + 5000, frames_c=hall_c[50:])
    folder.add_recording("lab", start_ms=START_MS + DAY_MS, frames_c=make_noise(2) + 3)
    return folder


def look(folder: Folder, window_frames: int = 8) -> tuple[ThermalDataset, Frames]:
    dataset = load_dataset(folder.layout)
    samples = dataset.samples(ALL_SPLITS)
    frames = look_at_frames(dataset, samples, window_frames=window_frames, temperature_range_c=(5.0, 45.0))
    return dataset, frames


def judge(folder: Folder, window_frames: int = 8) -> DuplicateClips:
    dataset, frames = look(folder, window_frames)
    return find_duplicate_clips(
        dataset, "val", digests=frames.digests, pictures_c=frames.pictures_c, window_frames=window_frames
    )


def identical(folder: Folder) -> tuple[IdenticalFrames, ...]:
    dataset, frames = look(folder)
    return find_identical_frames(dataset, frames.digests)


def test_frames_shared_by_arrival_time_are_no_copies(rooms: Folder) -> None:
    assert identical(rooms) == ()


def test_copy_under_another_name_and_day_is_found_with_its_frames(rooms: Folder) -> None:
    rooms.add_recording("porch", start_ms=START_MS + 9 * DAY_MS, frames_c=make_noise(1, 120)[10:40])
    assert identical(rooms) == (IdenticalFrames(first="hall_1", second="porch", num_frames=30, other_session=True),)


def test_copy_stamped_alike_by_another_device_is_found(rooms: Folder) -> None:
    rooms.add_recording("porch", start_ms=START_MS, frames_c=make_noise(1, 120)[:70], mac_address="02:00:00:00:00:09")
    first, second = identical(rooms)
    assert first == IdenticalFrames(first="hall_1", second="porch", num_frames=70, other_session=True)
    # hall_2 has the last 20 of them too.
    assert second == IdenticalFrames(first="hall_2", second="porch", num_frames=20, other_session=True)


def test_stretch_stamped_anew_within_a_session_is_found(rooms: Folder) -> None:
    hall_c = make_noise(1, 120)[50:].copy()
    hall_c[40:50] = make_noise(1, 120)[5:15]
    rooms.add_recording("hall_2", start_ms=START_MS + 5000, frames_c=hall_c)
    assert identical(rooms) == (IdenticalFrames(first="hall_1", second="hall_2", num_frames=10, other_session=False),)


def test_incomplete_and_frozen_frames_tell_nothing(rooms: Folder) -> None:
    lab_c, porch_c = make_noise(2) + 3, make_noise(3)
    lab_c[5], porch_c[9] = LOST_C, LOST_C
    lab_c[20:23], porch_c[30:33] = 25.0, 25.0
    rooms.add_recording("lab", start_ms=START_MS + DAY_MS, frames_c=lab_c)
    rooms.add_recording("porch", start_ms=START_MS + 9 * DAY_MS, frames_c=porch_c)
    assert identical(rooms) == ()


def test_val_clip_copied_from_a_train_clip_is_counted(rooms: Folder) -> None:
    # lab@35 is in train, lab@50 in val; with 8 frames a clip they share none. Copy lab@35's last frame, 38, to 46.
    assert judge(rooms).num_copied == 0
    lab_c = make_noise(2) + 3
    lab_c[46] = lab_c[38]
    rooms.add_recording("lab", start_ms=START_MS + DAY_MS, frames_c=lab_c)
    assert judge(rooms).num_copied == 1


def test_val_clip_that_overlaps_by_time_is_no_copy(rooms: Folder) -> None:
    found = judge(rooms, window_frames=32)  # lab@50 begins at 34, lab@35 ends at 50
    assert (found.num_clips, found.num_copied, found.num_near_apart) == (2, 0, 1)  # hall_2@35 looks like hall_1


def test_clips_look_alike_if_their_mean_pictures_differ_by_less_than_noise(rooms: Folder) -> None:
    # Means of 8 frames of noise 0.25 differ by 0.25 * sqrt(2 / 8) = 0.125; lab is 3 deg C warmer than the hall.
    found = judge(rooms)
    assert (found.num_near, found.num_near_apart) == (2, 2)
    assert found.median_distance_c == pytest.approx(0.125, abs=0.05)
    rooms.add_recording("hall_2", start_ms=START_MS + 5000, frames_c=make_noise(1, 120)[50:] + 1)
    assert judge(rooms).num_near == 1


def test_clip_without_a_complete_frame_looks_like_none(rooms: Folder) -> None:
    hall_c = make_noise(1, 120)[50:].copy()
    hall_c[31:39] = LOST_C
    rooms.add_recording("hall_2", start_ms=START_MS + 5000, frames_c=hall_c)
    found = judge(rooms)
    assert found.num_near == 1
    assert found.median_distance_c == pytest.approx(0.125, abs=0.05)


def test_distances_are_those_to_the_nearest_whatever_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    pictures, others = (rng.normal(20, 2, (num, 15)).astype(np.float32) for num in (11, 7))
    others[2, 3] = np.nan
    pictures[4] = np.nan
    pictures[5] = others[6]
    apart = np.delete(others, 2, axis=0)[None].astype(np.float64) - pictures[:, None]
    expected = np.sqrt((apart**2).mean(axis=2)).min(axis=1)
    expected[4] = np.inf
    monkeypatch.setattr(duplicates, "_BLOCK_CLIPS", 3)
    assert measure_distances(pictures, others) == pytest.approx(expected, abs=1e-6)


def test_nothing_is_near_where_there_is_no_other() -> None:
    assert measure_distances(np.zeros((2, 3), np.float32), np.zeros((0, 3), np.float32)).tolist() == [np.inf, np.inf]


@pytest.mark.real
def test_real_frames_are_held_twice_only_under_their_own_stamps(real_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(real_dataset))
    samples = dataset.samples(ALL_SPLITS)
    frames = look_at_frames(dataset, samples, window_frames=64, temperature_range_c=(5.0, 45.0))
    assert find_identical_frames(dataset, frames.digests) == ()
    found = find_duplicate_clips(dataset, "val", digests=frames.digests, pictures_c=frames.pictures_c, window_frames=64)
    assert (found.num_clips, found.num_copied, found.num_near, found.num_near_apart) == (73, 0, 73, 0)
    # By content alone, too, neighbours share as many frames as their stamps say: incomplete ones have no content.
    first, second = (set(frames.digests[name].tolist()) - {0} for name in ("SL18_R1", "SL18_R2"))
    assert 140 <= len(first & second) <= 151
