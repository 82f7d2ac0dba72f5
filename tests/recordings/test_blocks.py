from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from thermalctl.errors import RecordingError
from thermalctl.recordings import blocks
from thermalctl.recordings.blocks import read_blocks
from thermalctl.recordings.hdf5 import Recording, write_recording


def write(path: Path, num_frames: int, frame_size: tuple[int, int] = (4, 6)) -> np.ndarray:
    frames_c = np.random.default_rng(num_frames).uniform(10, 30, (num_frames, *frame_size)).astype(np.float32)
    stamps_ms = np.arange(num_frames, dtype=np.int64)
    write_recording(
        path,
        Recording(
            sensor_id=path.stem, mac_address="", frames_c=frames_c, timestamps_ms=stamps_ms, frame_seqs=stamps_ms
        ),
    )
    return frames_c


def test_all_frames_come_in_order_recording_after_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_FRAMES", 10)
    paths = [tmp_path / "b.h5", tmp_path / "a.h5"]
    frames = [write(path, num_frames) for path, num_frames in zip(paths, (25, 10), strict=True)]
    found = list(read_blocks(paths))
    assert [(block.path, block.start, len(block.frames_c)) for block in found] == [
        (paths[0], 0, 10),
        (paths[0], 10, 10),
        (paths[0], 20, 5),
        (paths[1], 0, 10),
    ]
    assert (np.concatenate([block.frames_c for block in found]) == np.concatenate(frames)).all()


def test_large_frames_are_read_fewer_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 200 * 4 * 4 * 6)  # 200 frames of 4x6: three chunks of 64
    write(tmp_path / "a.h5", 300)
    assert [len(block.frames_c) for block in read_blocks([tmp_path / "a.h5"])] == [192, 108]


def test_frames_larger_than_a_block_are_read_chunk_by_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    write(tmp_path / "a.h5", 100)
    assert [len(block.frames_c) for block in read_blocks([tmp_path / "a.h5"])] == [64, 36]


def test_damage_in_a_later_recording_is_told_when_it_is_reached(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", 5)
    (tmp_path / "b.h5").write_bytes(b"no HDF5")
    found = read_blocks([tmp_path / "a.h5", tmp_path / "b.h5"])
    assert next(found).path.stem == "a"
    with pytest.raises(RecordingError, match=r"b\.h5: cannot be read as HDF5"):
        next(found)


def test_reader_ends_with_the_one_it_reads_for(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", 5)
    write(tmp_path / "b.h5", 5)
    before = threading.active_count()
    found = read_blocks([tmp_path / "a.h5", tmp_path / "b.h5"])
    next(found)
    assert threading.active_count() == before + 1
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
