from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermalctl.errors import RecordingError
from thermalctl.recordings.hdf5 import Recording, RecordingFile, write_recording

NUM_FRAMES = 130
#: What the real recorder writes beside the datasets.
ATTRIBUTES = {
    "sensor_id", "mac_address", "total_frames", "corrupted_count", "frame_width", "frame_height", "min_timestamp",
    "max_timestamp", "compression", "compression_level", "created_at",
}  # fmt: skip


def make_recording(num_frames: int = NUM_FRAMES) -> Recording:
    """A recording whose every pixel tells frame, row and column: 20 + frame / 10 + row / 100 + column / 1000."""
    frame, row, column = np.meshgrid(np.arange(num_frames), np.arange(4), np.arange(6), indexing="ij")
    return Recording(
        sensor_id="hall_1",
        mac_address="02:00:00:00:00:07",
        frames_c=(20 + frame / 10 + row / 100 + column / 1000).astype(np.float32),
        timestamps_ms=1_700_000_000_000 + 165 * np.arange(num_frames, dtype=np.int64),
        frame_seqs=7 + np.arange(num_frames, dtype=np.int64),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "hall_1.h5"
    write_recording(path, make_recording())
    return path


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A file to be changed by the test."""
    path = tmp_path / "damaged.h5"
    write_recording(path, make_recording())
    return path


def test_recording_is_read_as_it_was_written(written: Path) -> None:
    expected = make_recording()
    with RecordingFile(written) as file:
        found = file.read_all()
    assert (found.sensor_id, found.mac_address) == ("hall_1", "02:00:00:00:00:07")
    for name, dtype in (("frames_c", np.float32), ("timestamps_ms", np.int64), ("frame_seqs", np.int64)):
        assert getattr(found, name).dtype == dtype
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_file_tells_its_size_without_reading_frames(written: Path) -> None:
    with RecordingFile(written) as file:
        assert (file.num_frames, file.frame_size) == (NUM_FRAMES, (4, 6))
        assert file.timestamps_ms[[0, -1]].tolist() == [1_700_000_000_000, 1_700_000_000_000 + 165 * 129]


def test_written_file_has_the_recorders_layout(written: Path) -> None:
    with h5py.File(written) as file:
        assert set(file) == {"frames", "timestamps", "frame_seqs"}
        assert (file["frames"].dtype, file["frames"].chunks) == (np.float32, (64, 4, 6))
        assert (file["frames"].compression, file["frames"].compression_opts) == ("gzip", 4)
        assert set(file.attrs) == ATTRIBUTES
        assert (file.attrs["frame_width"], file.attrs["frame_height"], file.attrs["total_frames"]) == (6, 4, NUM_FRAMES)
        assert file.attrs["max_timestamp"] - file.attrs["min_timestamp"] == 165 * 129


@settings(deadline=None)  # opening a file takes as long as the disk takes
@given(indices=st.lists(st.integers(0, NUM_FRAMES - 1), max_size=20))
def test_frames_come_in_the_order_asked_for_and_as_often(written: Path, indices: list[int]) -> None:
    with RecordingFile(written) as file:
        frames_c = file.read(indices)
    assert frames_c.shape == (len(indices), 4, 6)
    assert frames_c.dtype == np.float32
    np.testing.assert_allclose(frames_c[:, 2, 3], 20.023 + np.array(indices) / 10, rtol=1e-6)


@pytest.mark.parametrize("indices", [[-1, 0], [5, NUM_FRAMES]])
def test_frames_outside_the_recording_are_refused(written: Path, indices: list[int]) -> None:
    with RecordingFile(written) as file, pytest.raises(RecordingError, match=r"it holds 130 frames \(0 to 129\)"):
        file.read(indices)


def test_missing_file_is_named() -> None:
    with pytest.raises(RecordingError, match=r"nowhere/hall_1\.h5: no such file"):
        RecordingFile(Path("nowhere/hall_1.h5"))


def test_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.h5"
    path.write_text("not HDF5 at all\n")
    with pytest.raises(RecordingError, match="cannot be read as HDF5"):
        RecordingFile(path)


def test_file_cut_short_is_refused(damaged: Path) -> None:
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match="cannot be read as HDF5") as caught:
        RecordingFile(damaged)
    assert caught.value.hint is not None
    assert "cut short" in caught.value.hint


def test_damaged_chunk_is_refused_when_it_is_read(damaged: Path) -> None:
    with h5py.File(damaged) as file:
        chunk = file["frames"].id.get_chunk_info(1)
    content = bytearray(damaged.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    damaged.write_bytes(content)
    with RecordingFile(damaged) as file:
        assert file.read([0, 63]).shape == (2, 4, 6)
        with pytest.raises(RecordingError, match=r'dataset "/frames" is damaged'):
            file.read([64])


@pytest.mark.parametrize("name", ["frames", "timestamps"])
def test_missing_dataset_is_named_with_what_there_is(damaged: Path, name: str) -> None:
    with h5py.File(damaged, "a") as file:
        file["pixels"] = file[name]
        del file[name]
    with pytest.raises(RecordingError, match=rf'holds no dataset "{name}" \(it holds: .*pixels'):
        RecordingFile(damaged)


def test_group_in_place_of_frames_is_refused(damaged: Path) -> None:
    with h5py.File(damaged, "a") as file:
        del file["frames"]
        file.create_group("frames")
    with pytest.raises(RecordingError, match='holds no dataset "frames"'):
        RecordingFile(damaged)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("frames", np.zeros((130, 24), np.float32), r"float32 of shape \(130, 24\), expected numbers in 3 dimensions"),
        ("frames", np.zeros((130, 4, 6), "S3"), r"\|S3 of shape \(130, 4, 6\), expected numbers"),
        ("timestamps", np.zeros((130, 2), np.int64), r"int64 of shape \(130, 2\), expected numbers in 1 dimensions"),
        ("timestamps", np.zeros(129, np.int64), "130 frames but 129 timestamps"),
    ],
)
def test_wrong_dataset_is_described(damaged: Path, name: str, values: np.ndarray, message: str) -> None:
    with h5py.File(damaged, "a") as file:
        del file[name]
        file[name] = values
    with pytest.raises(RecordingError, match=message):
        RecordingFile(damaged)


def test_names_that_the_file_lacks_come_from_its_path(damaged: Path) -> None:
    with h5py.File(damaged, "a") as file:
        del file.attrs["sensor_id"], file.attrs["mac_address"], file["frame_seqs"]
    with RecordingFile(damaged) as file:
        recording = file.read_all()
    assert (recording.sensor_id, recording.mac_address) == ("damaged", "")
    assert recording.frame_seqs.tolist() == list(range(NUM_FRAMES))


def test_failed_writing_leaves_the_old_file(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = damaged.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", fail)
    with pytest.raises(OSError, match="no space left"):
        write_recording(damaged, make_recording())
    assert damaged.read_bytes() == before
    assert [path.name for path in damaged.parent.iterdir()] == ["damaged.h5"]


@pytest.mark.real
def test_real_recording_has_the_layout_that_we_write(real_dataset: Path) -> None:
    with h5py.File(real_dataset / "frames" / "SL14_R1.h5", "r", locking=False) as file:
        assert set(file) == {"frames", "timestamps", "frame_seqs"}
        assert file["frames"].chunks == (64, 40, 60)
        assert set(file.attrs) == ATTRIBUTES
    with RecordingFile(real_dataset / "frames" / "SL14_R1.h5") as recording:
        assert (recording.sensor_id, recording.num_frames, recording.frame_size) == ("SL14_R1", 498, (40, 60))
