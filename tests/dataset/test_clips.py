from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.clips import (
    count_repeating_clips,
    find_clip_spans,
    measure_clip_lengths,
    measure_clip_motion,
)
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.recordings.scan import RecordingScan

Folder = Any


def make_scan(changes_c: list[float]) -> RecordingScan:
    changes = np.array(changes_c, dtype=np.float32)
    return RecordingScan(
        incomplete=np.isnan(changes),
        digests=np.arange(len(changes), dtype=np.uint64),
        changes_c=changes,
        glitches=(),
        level_frames=np.zeros(0, dtype=np.intp),
        levels_c=np.zeros(0, dtype=np.float32),
        temperatures=None,
        pixels=None,
        clip_pictures_c=np.zeros((0, 1, 1), dtype=np.float32),
    )


def test_clips_end_where_the_recording_does() -> None:
    # Eight frames: [k - 4, k + 4).
    assert find_clip_spans([1, 10, 18], 8, 20).tolist() == [[0, 5], [6, 14], [14, 20]]
    assert find_clip_spans([], 8, 20).shape == (0, 2)


def test_clips_last_from_their_first_frame_to_their_last(folder: Folder) -> None:
    folder.add_keyframe("val", "lab", 68, [0])
    folder.write()
    found = measure_clip_lengths(load_dataset(folder.layout), "val", 8)
    # A frame each 100 ms: 0.7 s; from lab@68 only frames 64 to 69 are there.
    assert (found.min_s, found.median_s, found.max_s) == (0.5, 0.7, 0.7)


def test_motion_of_a_clip_leaves_out_the_change_from_the_frame_before_it() -> None:
    nan = float("nan")
    scan = make_scan([nan, 1.0, 2.0, nan, 4.0, nan, nan])
    found = measure_clip_motion(scan, np.array([[0, 3], [1, 5], [5, 7], [4, 5]]))
    assert found == [1.5, 3.0, None, None]


@pytest.mark.real
def test_real_clips_last_9_to_15_seconds(real_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(real_dataset))
    lengths = [measure_clip_lengths(dataset, split, 64) for split in ("train", "val")]
    assert min(length.min_s for length in lengths) == pytest.approx(9.3, abs=0.05)
    assert max(length.max_s for length in lengths) == pytest.approx(14.7, abs=0.05)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Frames 10, 40 and 35 of 70, a tenth of a second apart.
        ({"num_frames": 64}, 0),
        ({"num_frames": 140}, 0),  # 70 of 140 is half
        ({"num_frames": 142}, 3),
        ({"num_frames": 8, "time_sampling": "uniform", "window_s": 0.8}, 0),
        ({"num_frames": 8, "time_sampling": "uniform", "window_s": 0.3}, 0),  # 4 different frames
        ({"num_frames": 8, "time_sampling": "uniform", "window_s": 0.2}, 3),  # 3 of them
        (
            {"num_frames": 8, "time_sampling": "uniform", "window_s": 12.0},
            0,
        ),  # 1.5 s apart: 10 has 0, 10, 25, 40, 55, 69
        ({"num_frames": 8, "time_sampling": "uniform", "window_s": 32.0}, 2),  # 4 s apart: 10 has 0, 10, 50, 69
    ],
)
def test_clips_that_mostly_repeat_frames_are_counted(folder: Folder, options: dict[str, Any], expected: int) -> None:
    dataset = load_dataset(folder.layout)
    assert count_repeating_clips(dataset, "train", ClipSpec(classes=dataset.classes, **options)) == expected
