from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from thermalctl.errors import RecordingError
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.recordings.import_options import ImportOptions
from thermalctl.recordings.units import Unit
from thermalctl.streams import recorded
from thermalctl.streams.recorded import RecordedFrames


@pytest.fixture
def recording() -> Recording:
    rng = np.random.default_rng(1)
    return Recording(
        sensor_id="R1",
        mac_address="02:00:00:00:00:01",
        frames_c=rng.normal(22, 3, (150, 6, 8)).astype(np.float32),
        timestamps_ms=1_767_225_600_000 + np.arange(150, dtype=np.int64) * 160,
        frame_seqs=np.arange(150, dtype=np.int64),
    )


def test_frames_are_those_of_the_recording_across_blocks(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "BLOCK_FRAMES", 64)
    write_recording(tmp_path / "R1.h5", recording)
    frames = RecordedFrames(tmp_path / "R1.h5")
    for _ in range(2):  # they can be read again
        arrived = list(frames)
        np.testing.assert_array_equal(np.stack([frame.frame_c for frame in arrived]), recording.frames_c)
        assert [frame.timestamp_ms for frame in arrived] == recording.timestamps_ms.tolist()
    assert (frames.num_frames, frames.frame_size, frames.mac_address) == (150, (6, 8), "02:00:00:00:00:01")
    assert frames.seconds == pytest.approx(149 * 0.16)


def test_other_formats_are_read_too(recording: Recording, tmp_path: Path) -> None:
    np.savez(tmp_path / "R1.npz", frames=recording.frames_c, timestamps_ms=recording.timestamps_ms)
    arrived = list(RecordedFrames(tmp_path / "R1.npz"))
    np.testing.assert_array_equal(np.stack([frame.frame_c for frame in arrived]), recording.frames_c)


def test_kelvin_in_hdf5_is_refused_unless_it_is_told(recording: Recording, tmp_path: Path) -> None:
    write_recording(tmp_path / "R1.h5", replace(recording, frames_c=recording.frames_c + np.float32(273.15)))
    with pytest.raises(RecordingError, match="look like kelvin; expected deg C"):
        RecordedFrames(tmp_path / "R1.h5")
    [first, *_] = RecordedFrames(tmp_path / "R1.h5", ImportOptions(unit=Unit.KELVIN))
    np.testing.assert_allclose(first.frame_c, recording.frames_c[0], atol=1e-4)


def test_recording_larger_than_what_is_held_in_memory_is_read_in_blocks(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from thermalctl.recordings import import_options

    monkeypatch.setattr(import_options, "MAX_FRAMES_BYTES", 1000)
    write_recording(tmp_path / "R1.h5", recording)
    assert sum(1 for _ in RecordedFrames(tmp_path / "R1.h5")) == 150


def test_damaged_file_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "R1.h5", "w") as file:
        file["frames"] = np.zeros((3, 4), dtype=np.float32)
    with pytest.raises(RecordingError, match=r"R1\.h5"):
        RecordedFrames(tmp_path / "R1.h5")
