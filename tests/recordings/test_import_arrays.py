from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from thermalctl.errors import RecordingError
from thermalctl.recordings.import_arrays import FRAMES_NAMES, TIMES_NAMES
from thermalctl.recordings.importing import ImportOptions, import_recording
from thermalctl.recordings.units import Unit

MakeScene = Callable[..., np.ndarray]
TIMES_MS = 1_736_154_000_000 + np.array([0, 170, 330, 330, 320])


def test_array_takes_its_times_from_the_file_beside_it(tmp_path: Path, make_scene: MakeScene) -> None:
    np.save(tmp_path / "hall_1.npy", np.round(make_scene() * 10).astype(np.int16))
    np.save(tmp_path / "hall_1.timestamps.npy", TIMES_MS)
    recording = import_recording(tmp_path / "hall_1.npy", ImportOptions(mac_address="02"))
    assert (recording.sensor_id, recording.mac_address) == ("hall_1", "02")
    np.testing.assert_array_equal(recording.frames_c, make_scene())
    assert recording.timestamps_ms.tolist() == TIMES_MS.tolist()  # repeated and decreasing ones are kept
    assert recording.frame_seqs.tolist() == [0, 1, 2, 3, 4]


def test_array_without_times_takes_the_told_rate_and_start(tmp_path: Path, make_scene: MakeScene) -> None:
    np.save(tmp_path / "a.npy", make_scene())
    recording = import_recording(tmp_path / "a.npy", ImportOptions(frame_rate_hz=4.0, start_ms=1000))
    assert recording.timestamps_ms.tolist() == [1000, 1250, 1500, 1750, 2000]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
def test_layout_and_byte_order_make_no_difference(
    tmp_path: Path, make_scene: MakeScene, order: str, dtype: str
) -> None:
    np.save(tmp_path / "a.npy", np.array(make_scene(frame_size=(3, 5)), dtype=dtype, order=order))
    recording = import_recording(tmp_path / "a.npy", ImportOptions(frame_rate_hz=4.0, start_ms=0))
    assert recording.frames_c.dtype == np.float32
    np.testing.assert_allclose(recording.frames_c, make_scene(frame_size=(3, 5)), atol=0.01)


@pytest.mark.parametrize("frames_name", FRAMES_NAMES)
def test_archive_names_its_frames_in_many_ways(tmp_path: Path, make_scene: MakeScene, frames_name: str) -> None:
    np.savez_compressed(tmp_path / "a.npz", **{frames_name: make_scene() + 273.15, "times": TIMES_MS})
    recording = import_recording(tmp_path / "a.npz")
    np.testing.assert_allclose(recording.frames_c, make_scene(), atol=1e-4)


@pytest.mark.parametrize("times_name", TIMES_NAMES)
def test_archive_names_its_times_in_many_ways(tmp_path: Path, make_scene: MakeScene, times_name: str) -> None:
    scale = 1000 if times_name.endswith("_s") else 1
    np.savez(
        tmp_path / "a.npz", **{"frames": make_scene(), times_name: TIMES_MS / scale, "frame_seqs": np.arange(7, 12)}
    )
    recording = import_recording(tmp_path / "a.npz")
    assert recording.timestamps_ms.tolist() == TIMES_MS.tolist()
    assert recording.frame_seqs.tolist() == [7, 8, 9, 10, 11]


def test_told_unit_is_used_where_the_values_are_ambiguous(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.tile(np.linspace(285, 305, 64).round().reshape(8, 8), (3, 1, 1)))
    told = {"frame_rate_hz": 4.0, "start_ms": 0}
    with pytest.raises(RecordingError, match=r"a\.npy: .*fits decicelsius .* or kelvin"):
        import_recording(tmp_path / "a.npy", ImportOptions(**told))
    recording = import_recording(tmp_path / "a.npy", ImportOptions(unit=Unit.KELVIN, **told))
    assert recording.frames_c[0, 0, 0] == np.float32(285 - 273.15)


def test_array_of_python_objects_is_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("a file ran code",))

    np.save(tmp_path / "a.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(RecordingError, match=r"a\.npy: holds Python objects .*never loaded"):
        import_recording(tmp_path / "a.npy")


def test_header_that_lies_about_the_shape_reserves_no_memory(tmp_path: Path, make_scene: MakeScene) -> None:
    np.save(tmp_path / "a.npy", make_scene())
    content = (tmp_path / "a.npy").read_bytes()

    def claim(num_frames: int) -> None:
        true, lie = b"(5, 8, 8), }", b"(%d, 8, 8), }" % num_frames
        (tmp_path / "a.npy").write_bytes(content.replace(true.ljust(len(lie)), lie))

    claim(99999)
    message = r"a\.npy: its header promises 99999 x 8 x 8 float32, 25599744 bytes, but 1280 follow"
    with pytest.raises(RecordingError, match=message):
        import_recording(tmp_path / "a.npy")
    claim(999_999_999)
    with pytest.raises(RecordingError, match=r"999999999 x 8 x 8, 238 GiB; expected at most 4 GiB"):
        import_recording(tmp_path / "a.npy")
