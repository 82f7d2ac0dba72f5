from __future__ import annotations

import multiprocessing
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from thermalctl.errors import RecordingError
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.recordings.pool import RecordingPool


@pytest.fixture
def frames_dir(tmp_path: Path) -> Path:
    """Two recordings of 10 frames of 2x3; frame i of "hall" is i deg C throughout, of "lab" 20 + i."""
    for name, first_c in (("hall", 0), ("lab", 20)):
        frames_c = np.broadcast_to(first_c + np.arange(10, dtype=np.float32)[:, None, None], (10, 2, 3))
        recording = Recording(
            sensor_id=name,
            mac_address="",
            frames_c=frames_c,
            timestamps_ms=np.arange(10, dtype=np.int64),
            frame_seqs=np.arange(10, dtype=np.int64),
        )
        write_recording(tmp_path / f"{name}.h5", recording)
    return tmp_path


def test_frames_come_in_the_order_they_are_asked_for(frames_dir: Path) -> None:
    pool = RecordingPool(frames_dir)
    assert pool.read("lab", [4, 2, 2])[:, 0, 0].tolist() == [24, 22, 22]
    assert pool.read("hall", np.array([9]))[:, 1, 2].tolist() == [9]


def test_each_recording_is_opened_once(frames_dir: Path) -> None:
    pool = RecordingPool(frames_dir)
    pool.read("lab", [0])
    first = pool._files["lab"]
    pool.read("hall", [0])
    pool.read("lab", [1])
    assert pool._files["lab"] is first


def test_closed_pool_opens_again(frames_dir: Path) -> None:
    pool = RecordingPool(frames_dir)
    pool.read("hall", [0])
    file = pool._files["hall"]._file
    pool.close()
    assert not file
    assert pool.read("hall", [3])[0, 0, 0] == 3


def test_pickled_pool_leaves_its_open_files_behind(frames_dir: Path) -> None:
    pool = RecordingPool(frames_dir)
    pool.read("hall", [0])
    copy = pickle.loads(pickle.dumps(pool))
    assert not copy._files
    assert copy.read("hall", [5])[0, 0, 0] == 5
    assert pool.read("hall", [6])[0, 0, 0] == 6  # the original goes on


def _read_in_child(pool: RecordingPool, queue: multiprocessing.Queue[tuple[float, bool]]) -> None:
    inherited = pool._files["hall"]
    value = float(pool.read("hall", [7])[0, 0, 0])
    queue.put((value, pool._files["hall"] is inherited))


def test_forked_process_opens_files_of_its_own(frames_dir: Path) -> None:
    pool = RecordingPool(frames_dir)
    pool.read("hall", [0])
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[tuple[float, bool]] = context.Queue()
    child = context.Process(target=_read_in_child, args=(pool, queue))
    child.start()
    value, shared = queue.get(timeout=60)
    child.join(60)
    assert (value, shared) == (7.0, False)
    assert pool.read("hall", [8])[0, 0, 0] == 8


def test_recordings_unread_for_longest_are_closed(frames_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thermalctl.recordings.pool.MAX_OPEN", 2)
    for name in ("a", "b"):
        shutil.copy(frames_dir / "hall.h5", frames_dir / f"{name}.h5")
    pool = RecordingPool(frames_dir)
    for name in ("a", "hall", "a", "b"):
        assert pool.read(name, [3])[0, 0, 0] == 3
    assert list(pool._files) == ["a", "b"]
    assert pool.read("hall", [4])[0, 0, 0] == 4


def test_missing_recording_and_frame_are_errors(frames_dir: Path) -> None:
    pool = RecordingPool(frames_dir)
    with pytest.raises(RecordingError, match=r"attic\.h5: no such file"):
        pool.read("attic", [0])
    with pytest.raises(RecordingError, match=r"hall\.h5: frames 9 to 10 were asked for, but it holds 10 frames"):
        pool.read("hall", [9, 10])


def test_recordings_are_held_while_there_is_room_and_read_alike(frames_dir: Path) -> None:
    one_recording = 10 * 2 * 3 * 4
    pool, plain = RecordingPool(frames_dir, held_bytes=one_recording), RecordingPool(frames_dir)
    for name, indices in (("lab", [4, 2, 2]), ("hall", [9]), ("lab", [0, 9]), ("hall", [3, 4])):
        assert np.array_equal(pool.read(name, indices), plain.read(name, indices))
        assert np.array_equal(pool.read_all(name), plain.read_all(name))
    assert list(pool._held) == ["lab"]
    pool.close()
    assert pool.read("hall", [1])[0, 0, 0] == 1
    assert list(pool._held) == ["hall"]


def test_held_recording_is_not_read_again_nor_written_to(frames_dir: Path) -> None:
    pool = RecordingPool(frames_dir, held_bytes=2**20)
    clip = pool.read("hall", [5, 6])
    (frames_dir / "hall.h5").unlink()
    pool._files.clear()
    clip[:] = -1
    assert pool.read("hall", [5])[0, 0, 0] == 5
    with pytest.raises(ValueError, match="read-only"):
        pool.read_all("hall")[0] = 0


def test_frame_outside_a_held_recording_is_the_same_error(frames_dir: Path) -> None:
    pool = RecordingPool(frames_dir, held_bytes=2**20)
    with pytest.raises(RecordingError, match=r"hall\.h5: frames -1 to 10 were asked for, but it holds 10 frames"):
        pool.read("hall", [10, -1])
    assert pool.read("hall", []).shape == (0, 2, 3)


def test_pickled_pool_leaves_what_it_holds_behind_but_not_its_room(frames_dir: Path) -> None:
    pool = RecordingPool(frames_dir, held_bytes=2**20)
    pool.read("hall", [0])
    copy = pickle.loads(pickle.dumps(pool))
    assert (copy._held, copy._room_bytes) == ({}, 2**20)
    assert copy.read("hall", [5])[0, 0, 0] == 5
