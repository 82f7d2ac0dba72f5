from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from thermalctl.dataset.inspect import Inspection, inspect_dataset
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.errors import RecordingError
from thermalctl.recordings.simulate import SimulationOptions

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


def test_recording_under_two_names_is_an_error_where_it_joins_train_and_val(folder: Folder) -> None:
    # hall_1 and lab hold the same frames, a day apart. lab@50, which is val, reaches from 43 to 56: of train, lab@35
    # reaches from 28 to 41, but hall_1@40 from 33 to 46. hall_2@35, val too, looks as lab@35 does.
    findings = inspect_dataset(folder.layout, window_frames=14).findings
    finding = next(finding for finding in findings if finding.topic == "copies")
    assert (finding.status, finding.text[:19]) == ("error", "2 of 2 val clips ho")
    assert (
        finding.detail
        == "hall_1 and lab hold 70 identical frames, 2 more pairs too: one stretch under two names or stamps"
    )


def test_clips_are_measured_by_split_and_by_class(folder: Folder) -> None:
    inspection = inspect_dataset(folder.layout, window_frames=8)
    assert [split.clip_length.median_s for split in inspection.splits] == [0.7, 0.7]
    assert inspection.people.keyframes_by_people == (0, 3, 2)
    motion_c = [entry.motion_c for entry in inspection.classes]
    # Pixels rise by 0.24 from frame to frame. In hall_1@40, at frames 41 and 42, all 24 of them once fall by 9.76
    # instead: (24 * 7 - 24) * 0.24 + 24 * 9.76, over 24 * 7, is 1.6; the other clip of lying has 0.24.
    assert motion_c == [pytest.approx(0.24, abs=1e-4), pytest.approx((1.6 + 0.24) / 2, abs=1e-4), None]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_simulated_sensor_raises_no_false_alarm(seed: int, tmp_path: Path) -> None:
    options = SimulationOptions(
        num_sessions=4, recordings_per_session=2, frames_per_recording=250, keyframes_per_recording=8, seed=seed
    )
    simulate_dataset(tmp_path / "simulated", options)
    inspection = inspect_dataset(DatasetLayout(tmp_path / "simulated"))
    topics = {finding.topic: finding.status for finding in inspection.findings}
    assert not {"pixels", "frozen", "glitches", "drift", "warm-up"} & set(topics)
    assert (topics["sensor"], topics["room"], topics["copies"]) == ("ok", "ok", "ok")


def test_read_only_disk_is_enough(folder: Folder) -> None:
    """Root may write anywhere, so that modes prove nothing: every attempt to write is an error instead."""
    program = f"""
import os, sys
from pathlib import Path
import h5py
from thermalctl.dataset.inspect import inspect_dataset
from thermalctl.dataset.layout import DatasetLayout

def refuse(event, args):
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.utime", "os.truncate"):
        raise RuntimeError(f"{{event}} {{args}}")

class OnlyReading(h5py.File):
    def __init__(self, name, mode, **options):
        assert mode == "r", mode
        super().__init__(name, mode, **options)

h5py.File = OnlyReading
sys.addaudithook(refuse)
print(len(inspect_dataset(DatasetLayout(Path({str(folder.root)!r}))).recordings))
"""
    done = subprocess.run([sys.executable, "-B", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("3", "")


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
        ("warning", "pixels"),
        ("warning", "room"),
        ("warning", "labels"),
        ("warning", "classes"),
        ("warning", "val"),
        ("warning", "timing"),
        ("warning", "gaps"),
    ]
    texts = {finding.topic: f"{finding.text} {finding.detail}" for finding in inspection.findings}
    assert "row 29 column 7 is dead" in texts["pixels"]
    assert "44 deg C at row 9 column 52, 26 above the scene" in texts["room"]
    assert "up to 2.6 s without a frame, in 4 of 8 recordings" in texts["gaps"]


@pytest.mark.real
def test_real_dataset_is_counted_as_it_is_described(real_dataset: Path) -> None:
    inspection = inspect_dataset(DatasetLayout(real_dataset))
    (leakage,) = inspection.leakage
    assert (leakage.protocol.num_overlapping, leakage.protocol.num_clips) == (73, 73)
    assert leakage.median_distance_frames == 6
    assert (round(100 * leakage.copy_top1, 1), round(100 * leakage.copy_mean_class, 1)) == (84.9, 45.7)
    assert inspection.sessions == ("SL14", "SL18")
    assert len(inspection.shared_frames) == 6
    assert all(140 <= pair.num_frames <= 151 for pair in inspection.shared_frames)
    assert inspection.num_conflicting == 94
    assert [(split.num_keyframes, split.num_people) for split in inspection.splits] == [(314, 405), (73, 95)]
    motion_c = {entry.name: entry.motion_c for entry in inspection.classes if entry.motion_c is not None}
    assert min(motion_c, key=lambda name: motion_c[name]) == "lower position-kneeling"
    assert motion_c["walking"] > motion_c["lying down-lying with risk"]
