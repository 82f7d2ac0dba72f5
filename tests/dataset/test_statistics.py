from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.dataset.clips import find_clip_spans
from thermalctl.dataset.frames import look_at_frames
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.dataset.statistics import (
    RecordingStatistics,
    count_conflicting_keyframes,
    summarise_classes,
    summarise_recording,
)
from thermalctl.recordings.scan import ScanRequest, scan_recordings

Folder = Any
LOST_C = np.float32(-273.2)


def summarise(
    folder: Folder, name: str, keyframes: list[int] | None = None, window_frames: int = 8
) -> RecordingStatistics:
    recording = load_dataset(folder.layout).recordings[name]
    clips = find_clip_spans(keyframes or [], window_frames, recording.num_frames)
    request = ScanRequest(path=recording.path, frame_size=recording.frame_size, clips=clips)
    (scan,) = scan_recordings([request], temperature_range_c=(5.0, 45.0))
    return summarise_recording(name, recording, scan, session="s", clips=clips, window_frames=window_frames)


def make_noise(num_frames: int) -> np.ndarray:
    return (20 + np.random.default_rng(6).normal(0, 0.25, (num_frames, 4, 6))).astype(np.float32)


def test_recording_without_a_complete_frame_has_no_temperatures(folder: Folder) -> None:
    folder.add_recording("dead", start_ms=0, frames_c=np.full((9, 4, 6), LOST_C))
    found = summarise(folder, "dead", [4])
    assert found.temperatures is None
    assert (found.num_incomplete, found.num_lost_clips) == (9, 1)
    assert (found.motion_c, found.share_still_clips, found.trend) == (None, None, None)
    assert (found.faulty_pixels, found.hot_spots, found.num_noisy_pixels) == ((), (), 0)


def test_clip_is_lost_only_if_none_of_its_frames_is_complete(folder: Folder) -> None:
    frames = np.full((70, 4, 6), 20, dtype=np.float32)
    frames[20:28, 0, 0] = LOST_C
    folder.add_recording("gap", start_ms=0, frames_c=frames)
    assert summarise(folder, "gap", [23, 24, 25]).num_lost_clips == 1  # windows 19..26, 20..27, 21..28


def test_recording_of_one_frame_has_no_timing(folder: Folder) -> None:
    folder.add_recording("one", start_ms=0, num_frames=1)
    found = summarise(folder, "one")
    assert found.timing is None
    assert found.arrival is None


def test_timing_is_of_clips_of_the_asked_length(folder: Folder) -> None:
    timing = summarise(folder, "lab", window_frames=11).timing
    assert timing is not None
    assert timing.median_gap_ms == 100
    assert timing.clip_span is not None
    assert timing.clip_span.median_s == 1.0


def test_motion_is_the_mean_change_from_frame_to_frame(folder: Folder) -> None:
    frames = np.full((70, 4, 6), 20, dtype=np.float32)
    frames[35:] = 22.76  # one change of 2.76 in 69
    folder.add_recording("step", start_ms=0, frames_c=frames)
    assert summarise(folder, "step").motion_c == pytest.approx(2.76 / 69, rel=1e-5)


def test_clip_is_still_if_it_changes_little_more_than_the_stillest_frames(folder: Folder) -> None:
    frames = np.full((70, 4, 6), 20, dtype=np.float32)
    frames[::2] += 0.3  # the same change everywhere, but twice as much in the end
    frames[50::2] += 0.3
    folder.add_recording("calm", start_ms=0, frames_c=frames)
    assert summarise(folder, "calm", [10, 20, 60]).share_still_clips == pytest.approx(2 / 3)


def test_faults_of_all_kinds_are_brought_together(folder: Folder) -> None:
    frames = make_noise(200)
    frames[:, 1, 1] = 20.0
    frames[50] = frames[49]
    frames[120] += 4
    frames += np.linspace(0, 3, 200, dtype=np.float32)[:, None, None]
    frames[50] = frames[49]
    folder.add_recording("bad", start_ms=0, frames_c=frames)
    found = summarise(folder, "bad")
    assert [(pixel.row, pixel.column, pixel.kind) for pixel in found.faulty_pixels] == [(1, 1, "stuck")]
    assert (found.repeated.num_frozen, found.repeated.freeze_at) == (1, 49)
    assert found.glitches == (120,)
    assert found.trend is not None
    assert found.trend.shift_c == pytest.approx(3.0, abs=0.4)
    assert found.arrival is not None
    assert found.arrival.longest_gap_ms == 100


def test_classes_are_counted_by_split_as_keyframes_and_as_people(folder: Folder) -> None:
    stand, lie, fall = summarise_classes(load_dataset(folder.layout))
    assert (stand.keyframes, stand.people) == ({"train": 2, "val": 1}, {"train": 2, "val": 1})
    assert (lie.keyframes, lie.people) == ({"train": 1, "val": 1}, {"train": 3, "val": 1})
    assert (fall.keyframes, fall.people) == ({"train": 0, "val": 0}, {"train": 0, "val": 0})
    # 3 train keyframes, 3 classes: 3 / (3 * count), an unseen class counted as 1.
    assert (stand.weight, lie.weight, fall.weight) == (0.5, 1.0, 1.0)


def test_share_of_a_class_is_by_split(folder: Folder) -> None:
    stand, lie, fall = summarise_classes(load_dataset(folder.layout))
    assert stand.shares == {"train": pytest.approx(2 / 3), "val": 0.5}
    assert lie.shares == {"train": pytest.approx(1 / 3), "val": 0.5}
    assert fall.shares == {"train": 0.0, "val": 0.0}


def test_motion_of_a_class_is_the_median_of_its_clips(folder: Folder) -> None:
    motion_c = {"hall_1_10": 0.1, "lab_35": 0.2, "lab_50": 0.7, "hall_1_40": 0.4}  # hall_2_35, lie, is not known
    stand, lie, fall = summarise_classes(load_dataset(folder.layout), motion_c)
    assert (stand.motion_c, lie.motion_c, fall.motion_c) == (0.2, 0.4, None)


def test_keyframes_conflict_if_people_differ_not_if_there_are_several(folder: Folder) -> None:
    dataset = load_dataset(folder.layout)
    assert count_conflicting_keyframes(dataset.splits["train"]) == 1
    assert count_conflicting_keyframes(dataset.splits["val"]) == 0


@pytest.mark.real
def test_real_keyframes_with_conflicting_labels_are_94(real_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(real_dataset))
    assert sum(count_conflicting_keyframes(annotations) for annotations in dataset.splits.values()) == 94


@pytest.mark.real
def test_real_classes_are_as_the_dataset_counts_them_itself(real_dataset: Path) -> None:
    counted = json.loads((real_dataset / "statistics" / "dataset_stats.json").read_text())
    classes = summarise_classes(load_dataset(DatasetLayout(real_dataset)))
    assert len(classes) == counted["total_classes"]
    for split in ("train", "val"):
        people = {entry.name: entry.people[split] for entry in classes if entry.people[split]}
        assert people == counted[split]["class_distribution"]
        assert sum(people.values()) == counted[split]["annotations"]
        assert sum(entry.keyframes[split] for entry in classes) == counted[split]["images"]
    in_val = sorted((entry.keyframes["val"] for entry in classes if entry.keyframes["val"]), reverse=True)
    assert in_val == [37, 25, 4, 3, 2, 1, 1]
    assert sum(entry.keyframes["train"] == 0 for entry in classes) == 3


@pytest.mark.real
def test_real_incomplete_frames_are_all_in_one_session(real_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(real_dataset))
    frames = look_at_frames(dataset, [], window_frames=64, temperature_range_c=(5.0, 45.0))
    shares = {entry.recording: 100 * entry.num_incomplete / entry.num_frames for entry in frames.recordings}
    assert {name: round(share, 1) for name, share in shares.items() if share} == {
        "SL14_R1": 7.8,
        "SL14_R2": 10.6,
        "SL14_R3": 11.2,
        "SL14_R4": 13.1,
    }
    assert not any(entry.trend and (entry.trend.is_drifting or entry.trend.warm_up_c) for entry in frames.recordings)
