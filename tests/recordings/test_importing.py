from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from thermalctl.errors import RecordingError, RequestError
from thermalctl.recordings.hdf5 import Recording, RecordingFile, write_recording
from thermalctl.recordings.importing import ImportOptions, import_recording, list_recordings
from thermalctl.recordings.units import Unit

MakeScene = Callable[..., np.ndarray]


def make_recording(frames_c: np.ndarray) -> Recording:
    return Recording(
        sensor_id="from_the_file",
        mac_address="02:00",
        frames_c=frames_c,
        timestamps_ms=1000 + 165 * np.arange(len(frames_c)),
        frame_seqs=7 + np.arange(len(frames_c)),
    )


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_hdf5_is_read_as_it_is_but_named_by_its_file(tmp_path: Path, make_scene: MakeScene) -> None:
    expected = make_recording(make_scene())
    expected.frames_c[2, 4:] = -273.2
    expected.frames_c[3, 0, 0] = np.nan  # incomplete, as the format has it
    write_recording(tmp_path / "hall.hdf5", expected)
    recording = import_recording(tmp_path / "hall.hdf5")
    assert (recording.sensor_id, recording.mac_address) == ("hall", "02:00")
    np.testing.assert_array_equal(recording.frames_c, expected.frames_c)
    assert recording.timestamps_ms.tolist() == expected.timestamps_ms.tolist()
    assert recording.frame_seqs.tolist() == expected.frame_seqs.tolist()
    assert import_recording(tmp_path / "hall.hdf5", ImportOptions(mac_address="04")).mac_address == "04"


def test_hdf5_in_another_unit_is_told_of_and_converted_on_request(tmp_path: Path, make_scene: MakeScene) -> None:
    write_recording(tmp_path / "hall.h5", make_recording(make_scene() + np.float32(273.15)))
    with pytest.raises(RecordingError, match=r"hall\.h5: frames look like kelvin; expected deg C in HDF5"):
        import_recording(tmp_path / "hall.h5")
    recording = import_recording(tmp_path / "hall.h5", ImportOptions(unit=Unit.KELVIN))
    np.testing.assert_allclose(recording.frames_c, make_scene(), atol=1e-4)


def test_hdf5_that_needs_too_much_memory_is_not_read(
    tmp_path: Path, make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recording(tmp_path / "hall.h5", make_recording(make_scene()))
    monkeypatch.setattr("thermalctl.recordings.import_options.MAX_FRAMES_BYTES", 5 * 8 * 8 * 4 - 1)
    monkeypatch.setattr(RecordingFile, "read_all", lambda self: pytest.fail("the frames were read"))
    with pytest.raises(RecordingError, match=r"hall\.h5: frames are 5 x 8 x 8, .*GiB; expected at most"):
        import_recording(tmp_path / "hall.h5")


def test_folder_stands_for_the_recordings_in_it_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "R10.h5", "R2.npy", "R2.timestamps.npy", "R1.CSV", "notes.json", ".R3.h5", "sub/R4.h5")
    assert [path.name for path in list_recordings([tmp_path])] == ["R1.CSV", "R2.npy", "R10.h5"]


def test_file_that_is_named_twice_is_one_recording(tmp_path: Path) -> None:
    [path] = touch(tmp_path, "R1.h5")
    assert list_recordings([path, tmp_path, path]) == [path]


def test_folders_of_text_frames_are_recordings_of_their_own(tmp_path: Path, make_scene: MakeScene) -> None:
    for name in ("R1", "R2"):
        (tmp_path / name).mkdir()
        for place, frame in enumerate(make_scene(frame_size=(5, 7))):
            np.savetxt(tmp_path / name / f"frame_{place}.txt", frame, fmt="%.1f")
    touch(tmp_path, "R3.h5")
    assert [path.name for path in list_recordings([tmp_path])] == ["R1", "R2", "R3.h5"]
    assert list_recordings([tmp_path / "R2"]) == [tmp_path / "R2"]


def test_numbered_tables_are_recordings_and_no_frames(tmp_path: Path, make_scene: MakeScene) -> None:
    for place in range(3):
        np.savetxt(tmp_path / f"{place}.csv", make_scene(9).reshape(9, -1), fmt="%.1f", delimiter=",")
    assert [path.name for path in list_recordings([tmp_path])] == ["0.csv", "1.csv", "2.csv"]


def test_numbered_files_of_many_blocks_are_recordings_and_no_frames(tmp_path: Path, make_scene: MakeScene) -> None:
    for place in range(3):
        blocks = [" ".join(map(str, row)) for frame in make_scene(frame_size=(5, 7)) for row in [*frame, ""]]
        (tmp_path / f"{place}.txt").write_text("\n".join(blocks))
    assert [path.name for path in list_recordings([tmp_path])] == ["0.txt", "1.txt", "2.txt"]


def test_times_are_no_recording(tmp_path: Path) -> None:
    paths = touch(tmp_path, "R1.timestamps.npy")
    with pytest.raises(RecordingError, match=r"R1\.timestamps\.npy: holds times, no frames"):
        list_recordings(paths)


@pytest.mark.parametrize("second", ["b/R1.h5", "b/R1.npy", "b/r1.csv"])
def test_two_recordings_of_one_name_are_both_named(tmp_path: Path, second: str) -> None:
    paths = touch(tmp_path, "a/R1.h5", second)
    with pytest.raises(RecordingError, match=r'would both be the recording "[rR]1"') as caught:
        list_recordings(paths)
    assert all(f"{path}" in caught.value.message for path in paths)


def test_folder_without_a_recording_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "notes.json")
    with pytest.raises(RecordingError, match=r"holds no recording; expected \.h5, \.hdf5, \.npy, \.npz"):
        list_recordings([tmp_path])


@pytest.mark.parametrize("read", [list_recordings, lambda paths: import_recording(paths[0])], ids=["list", "import"])
@pytest.mark.parametrize(
    ("name", "message"), [("R1.h5", "no such file"), ("R1.avi", r'no recording has the ending "\.avi"')]
)
def test_missing_and_unknown_files_are_named(
    tmp_path: Path, read: Callable[[list[Path]], object], name: str, message: str
) -> None:
    if name.endswith(".avi"):
        touch(tmp_path, name)
    with pytest.raises(RecordingError, match=rf"{name}: {message}"):
        read([tmp_path / name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame_size": (0, 60)}, "--frame-size is 0x60"),
        ({"frame_rate_hz": 0.0}, "--frame-rate is 0"),
        ({"frame_rate_hz": float("nan")}, "--frame-rate is nan"),
        ({"start_ms": -1}, "--start is -1 ms"),
        ({"start_ms": 10**15}, "--start is 1000000000000000 ms"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        replace(ImportOptions(), **options)
