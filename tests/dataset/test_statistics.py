from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.dataset import statistics
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.dataset.statistics import (
    RecordingStatistics,
    count_conflicting_keyframes,
    summarise_classes,
    summarise_recording,
)

Folder = Any
LOST_C = np.float32(-273.2)


def summarise(
    folder: Folder, name: str, keyframes: list[int] | None = None, window_frames: int = 8
) -> RecordingStatistics:
    dataset = load_dataset(folder.layout)
    return summarise_recording(
        name,
        dataset.recordings[name],
        session="s",
        keyframes=keyframes or [],
        window_frames=window_frames,
        temperature_range_c=(5.0, 45.0),
    )


def test_temperatures_are_those_of_complete_frames_whatever_the_block_size(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.random.default_rng(1).uniform(0, 60, (70, 4, 6)).astype(np.float32)
    complete = frames[np.arange(70) % 7 != 3].astype(np.float64)
    frames[np.arange(70) % 7 == 3, 3:] = LOST_C
    folder.add_recording("noisy", start_ms=0, frames_c=frames)
    monkeypatch.setattr(statistics, "BLOCK_FRAMES", 16)
    found = summarise(folder, "noisy")
    assert found.num_incomplete == 10
    assert found.temperatures is not None
    assert found.temperatures.min_c == complete.min()
    assert found.temperatures.max_c == complete.max()
    assert found.temperatures.mean_c == pytest.approx(complete.mean(), rel=1e-9)
    assert found.temperatures.std_c == pytest.approx(complete.std(), rel=1e-9)
    assert found.temperatures.share_clipped == np.mean((complete < 5) | (complete > 45))


def test_recording_without_a_complete_frame_has_no_temperatures(folder: Folder) -> None:
    folder.add_recording("dead", start_ms=0, frames_c=np.full((9, 4, 6), LOST_C))
    found = summarise(folder, "dead", [4])
    assert found.temperatures is None
    assert (found.num_incomplete, found.num_lost_clips) == (9, 1)


def test_clip_is_lost_only_if_none_of_its_frames_is_complete(folder: Folder) -> None:
    frames = np.full((70, 4, 6), 20, dtype=np.float32)
    frames[20:28, 0, 0] = LOST_C
    folder.add_recording("gap", start_ms=0, frames_c=frames)
    assert summarise(folder, "gap", [23, 24, 25]).num_lost_clips == 1  # windows 19..26, 20..27, 21..28


def test_recording_of_one_frame_has_no_timing(folder: Folder) -> None:
    folder.add_recording("one", start_ms=0, num_frames=1)
    assert summarise(folder, "one").timing is None


def test_timing_is_of_clips_of_the_asked_length(folder: Folder) -> None:
    timing = summarise(folder, "lab", window_frames=11).timing
    assert timing is not None
    assert timing.median_gap_ms == 100
    assert timing.clip_span is not None
    assert timing.clip_span.median_s == 1.0


def test_classes_are_counted_by_split_as_keyframes_and_as_people(folder: Folder) -> None:
    stand, lie, fall = summarise_classes(load_dataset(folder.layout))
    assert (stand.keyframes, stand.people) == ({"train": 2, "val": 1}, {"train": 2, "val": 1})
    assert (lie.keyframes, lie.people) == ({"train": 1, "val": 1}, {"train": 3, "val": 1})
    assert (fall.keyframes, fall.people) == ({"train": 0, "val": 0}, {"train": 0, "val": 0})
    # 3 train keyframes, 3 classes: 3 / (3 * count), an unseen class counted as 1.
    assert (stand.weight, lie.weight, fall.weight) == (0.5, 1.0, 1.0)


def test_keyframes_conflict_if_people_differ_not_if_there_are_several(folder: Folder) -> None:
    dataset = load_dataset(folder.layout)
    assert count_conflicting_keyframes(dataset.splits["train"]) == 1
    assert count_conflicting_keyframes(dataset.splits["val"]) == 0


@pytest.mark.real
def test_real_keyframes_with_conflicting_labels_are_94(real_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(real_dataset))
    assert sum(count_conflicting_keyframes(annotations) for annotations in dataset.splits.values()) == 94
