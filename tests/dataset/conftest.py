"""A tiny dataset folder that tests change before it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.statistics import RecordingStatistics
from thermalctl.recordings.arrival import Arrival
from thermalctl.recordings.faults import RepeatedFrames, Trend
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.recordings.temperatures import TemperatureStatistics
from thermalctl.recordings.timing import ClipSpan, Timing

#: Arrival of the first frame, ms since 1970.
START_MS = 1_700_000_000_000
GAP_MS = 100
DAY_MS = 86_400_000


class DatasetFolder:
    """Two recordings of one hall that share their last and first 20 frames, one of a lab a day later; 70 frames of 4x6.

    Whole-frame labels (stand 0, lie 1, fall 2): train hall_1@10 stand, hall_1@40 lie, lab@35 stand (of stand and lie);
    val hall_2@35 lie, lab@50 stand.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = DatasetLayout(root)
        self.classes = ["stand", "lie", "fall"]
        self.documents: dict[str, dict[str, Any]] = {}
        self.add_recording("hall_1", start_ms=START_MS)
        self.add_recording("hall_2", start_ms=START_MS + 50 * GAP_MS)
        self.add_recording("lab", start_ms=START_MS + DAY_MS)
        self.add_keyframe("train", "hall_1", 10, [0])
        self.add_keyframe("train", "hall_1", 40, [1, 1])
        self.add_keyframe("train", "lab", 35, [1, 0])
        self.add_keyframe("val", "hall_2", 35, [1])
        self.add_keyframe("val", "lab", 50, [0])
        self.write()

    def add_recording(
        self,
        name: str,
        *,
        start_ms: int,
        num_frames: int = 70,
        mac_address: str = "02:00:00:00:00:01",
        frames_c: np.ndarray | None = None,
    ) -> None:
        """Write a recording whose pixels rise from 20 deg C by 0.01 from one to the next."""
        if frames_c is None:
            frames_c = 20 + 0.01 * np.arange(num_frames * 24, dtype=np.float32).reshape(num_frames, 4, 6) % 10
        recording = Recording(
            sensor_id=name,
            mac_address=mac_address,
            frames_c=frames_c,
            timestamps_ms=start_ms + GAP_MS * np.arange(len(frames_c), dtype=np.int64),
            frame_seqs=np.arange(len(frames_c), dtype=np.int64),
        )
        write_recording(self.layout.recording_file(name), recording)

    def add_keyframe(self, split: str, recording: str, frame: int, labels: list[int]) -> None:
        """Add a keyframe with one person per label, side by side."""
        document = self.documents.setdefault(
            split,
            {
                "images": [],
                "annotations": [],
                "categories": [{"id": class_id, "name": name} for class_id, name in enumerate(self.classes)],
            },
        )
        start_ms = {"hall_1": 0, "hall_2": 50 * GAP_MS, "lab": DAY_MS}[recording] + START_MS
        image_id = f"{recording}_{frame}"
        document["images"].append(
            {
                "id": image_id,
                "sensor_id": recording,
                "mac_address": "02:00:00:00:00:01",
                "timestamp": start_ms + GAP_MS * frame,
                "width": 6,
                "height": 4,
                "frame_idx": frame,
            }
        )
        for person, label in enumerate(labels):
            document["annotations"].append(
                {
                    "id": 100 * len(document["images"]) + person,
                    "image_id": image_id,
                    "bbox": [0.25 + 0.25 * person, 0.5, 0.2, 0.4],
                    "category_id": label,
                    "category_name": self.classes[label],
                    "object_id": person,
                    "attribute_obscured": "0%",
                }
            )

    def write(self) -> None:
        """Write the annotation files and the class mapping."""
        self.layout.annotations_dir.mkdir(parents=True, exist_ok=True)
        for split, document in self.documents.items():
            self.layout.annotation_file(split).write_text(json.dumps(document))
        mapping = {"classes": self.classes, "class_to_id": {name: i for i, name in enumerate(self.classes)}}
        self.layout.class_mapping_file.write_text(json.dumps(mapping))


@pytest.fixture
def folder(tmp_path: Path) -> DatasetFolder:
    return DatasetFolder(tmp_path / "tiny")


#: 1,000 frames in which nothing is wrong.
_HEALTHY = RecordingStatistics(
    recording="R1",
    session="s",
    num_frames=1000,
    num_keyframes=10,
    num_bytes=1,
    num_incomplete=0,
    num_lost_clips=0,
    temperatures=TemperatureStatistics(min_c=10.0, max_c=30.0, mean_c=20.0, std_c=2.0, share_clipped=0.0),
    timing=Timing(
        num_frames=1000,
        median_gap_ms=160.0,
        gap_p5_ms=150.0,
        gap_p95_ms=170.0,
        largest_gap_ms=200.0,
        num_out_of_order=0,
        frame_rate_hz=6.25,
        window_frames=64,
        clip_span=ClipSpan(median_s=10.5, min_s=10.0, max_s=11.0),
    ),
    arrival=Arrival(
        longest_gap_ms=200.0,
        longest_gap_at=7,
        num_long_gaps=0,
        share_in_bursts=0.0,
        num_backwards=0,
        num_simultaneous=0,
    ),
    motion_c=0.3,
    share_still_clips=0.5,
    faulty_pixels=(),
    num_noisy_pixels=0,
    hot_spots=(),
    repeated=RepeatedFrames(num_frozen=0, longest_freeze=0, freeze_at=None, num_duplicates=0),
    glitches=(),
    trend=Trend(drift_c_per_hour=0.0, shift_c=0.0, warm_up_c=0.0, warm_up_s=0.0),
)


@pytest.fixture
def make_recording() -> Callable[..., RecordingStatistics]:
    """A function that returns a healthy recording's statistics, changed as its keywords say: `arrival__num_long_gaps=3`
    changes that field of `arrival`."""

    def make(recording: str = "R1", **changes: Any) -> RecordingStatistics:
        made = replace(_HEALTHY, recording=recording)
        for name, value in changes.items():
            outer, _, inner = name.partition("__")
            made = replace(made, **{outer: replace(getattr(made, outer), **{inner: value}) if inner else value})
        return made

    return make
