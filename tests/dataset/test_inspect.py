from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from thermalctl.dataset.inspect import Inspection, inspect_dataset
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.errors import RecordingError

Folder = Any


def status_of(inspection: Inspection, topic: str) -> str:
    return next(finding.status for finding in inspection.findings if finding.topic == topic)


def test_tiny_dataset_by_hand(folder: Folder) -> None:
    inspection = inspect_dataset(folder.layout, window_frames=32)
    assert (inspection.num_frames, inspection.frame_size, inspection.sample_shape) == (210, (4, 6), (32, 4, 6))
    assert [(split.split, split.num_keyframes, split.num_people, split.num_classes) for split in inspection.splits] == [
        ("train", 3, 5, 2),
        ("val", 2, 2, 2),
    ]
    assert inspection.sessions == ("hall", "lab")
    assert [(pair.first, pair.second, pair.num_frames) for pair in inspection.shared_frames] == [
        ("hall_1", "hall_2", 20)
    ]
    assert inspection.label_range == (0, 1)
    assert inspection.num_conflicting == 1
    assert inspection.num_files == 5
    assert inspection.num_bytes == sum(
        path.stat().st_size for path in folder.root.rglob("*") if path.is_file() and path.stem != "class_mapping"
    )
    assert [entry.num_keyframes for entry in inspection.recordings] == [2, 1, 2]


def test_frame_range_is_of_complete_frames(folder: Folder) -> None:
    frames = np.full((70, 4, 6), 21.5, dtype=np.float32)
    frames[5] = -273.2
    frames[6, 0, 0] = 37.25
    for name in ("hall_1", "hall_2", "lab"):
        with h5py.File(folder.layout.recording_file(name), "r+") as recording:
            recording["frames"][:] = frames
    assert inspect_dataset(folder.layout).frame_range_c == (21.5, 37.25)


def test_findings_come_worst_first(folder: Folder) -> None:
    order = ["error", "warning", "ok"]
    statuses = [finding.status for finding in inspect_dataset(folder.layout, window_frames=32).findings]
    assert statuses == sorted(statuses, key=order.index)
    assert statuses[0] == "error"


@pytest.mark.parametrize(("offset_ms", "status"), [(0, "ok"), (50, "ok"), (51, "error"), (-51, "error")])
def test_keyframe_stamped_otherwise_than_its_frame_is_found(folder: Folder, offset_ms: int, status: str) -> None:
    folder.documents["train"]["images"][0]["timestamp"] += offset_ms
    folder.write()
    assert status_of(inspect_dataset(folder.layout), "stamps") == status


def test_dataset_without_val_is_inspected_and_told_so(folder: Folder) -> None:
    folder.layout.annotation_file("val").unlink()
    inspection = inspect_dataset(folder.layout)
    assert inspection.leakage == ()
    assert status_of(inspection, "splits") == "warning"


def test_every_recording_is_reported_as_it_is_read(folder: Folder) -> None:
    calls: list[tuple[int, int]] = []
    inspect_dataset(folder.layout, on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_damaged_frames_are_a_recording_error(folder: Folder) -> None:
    file = folder.layout.recording_file("lab")
    with h5py.File(file) as recording:
        offset = recording["frames"].id.get_chunk_info(0).byte_offset
    with file.open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\0" * 16)
    with pytest.raises(RecordingError, match=r"lab\.h5.*frames.*damaged"):
        inspect_dataset(folder.layout)


def test_inspection_leaves_the_dataset_as_it_was(folder: Folder) -> None:
    def look() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in [folder.root, *folder.root.rglob("*")]}

    before = look()
    inspect_dataset(folder.layout)
    assert look() == before


@pytest.mark.real
def test_real_dataset_is_told_what_is_wrong_with_it(real_dataset: Path) -> None:
    inspection = inspect_dataset(DatasetLayout(real_dataset))
    assert (len(inspection.recordings), inspection.num_frames, inspection.frame_size) == (8, 3976, (40, 60))
    assert inspection.sample_shape == (64, 40, 60)
    assert inspection.label_range == (0, 12)
    assert sum(recording.num_incomplete for recording in inspection.recordings) / 3976 == pytest.approx(0.052, abs=5e-4)
    gaps = [recording.timing.median_gap_ms for recording in inspection.recordings if recording.timing]
    assert (min(gaps), max(gaps)) == (38, 164)
    assert [(finding.status, finding.topic) for finding in inspection.findings if finding.status != "ok"] == [
        ("error", "leakage"),
        ("warning", "frames"),
        ("warning", "labels"),
        ("warning", "classes"),
        ("warning", "val"),
        ("warning", "timing"),
    ]
