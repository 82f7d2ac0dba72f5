"""Files that are no recordings, or damaged ones: each is refused with the file and the place in it, never otherwise."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thermalctl.errors import RecordingError, ThermalctlError
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.recordings.importing import ImportOptions, import_recording
from thermalctl.recordings.units import Unit

MakeScene = Callable[..., np.ndarray]
START_MS = 1_736_154_000_000
TOLD = ImportOptions(frame_rate_hz=8.0, start_ms=START_MS)
ROW = ",".join(f"{21 + place / 10:.1f}" for place in range(64))
ROWS = [ROW, ROW.replace("21.0", "21.5"), ROW.replace("21.0", "21.7")]
BLOCK = [" ".join(f"{21 + row / 4 + column:.1f}" for column in range(6)) for row in range(4)]
SCENE = np.array([row.split(",") for row in ROWS], np.float32).reshape(3, 8, 8)


def npy(values: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def lines(*texts: str) -> bytes:
    return "\n".join(texts).encode()


def change(row: int, cell: int, text: str) -> bytes:
    """The table with one cell of one line replaced; both from 0."""
    cells = [line.split(",") for line in ROWS]
    cells[row][cell] = text
    return lines(*(",".join(line) for line in cells))


def timed(*times: str) -> bytes:
    return lines("time," + ",".join(f"p{place}" for place in range(64)), *(f"{time},{ROW}" for time in times))


NONE = ImportOptions()
MALFORMED: dict[str, tuple[str, bytes, str, ImportOptions]] = {
    # arrays
    "npy: empty file": ("a.npy", b"", "cannot be read as a numpy array", TOLD),
    "npy: binary junk": ("a.npy", bytes(range(256)), "cannot be read as a numpy array", TOLD),
    "npy: cut short in the header": ("a.npy", npy(SCENE)[:40], "cannot be read as a numpy array", TOLD),
    "npy: cut short in the frames": ("a.npy", npy(SCENE)[:-4], "header promises 3 x 8 x 8 .*768 bytes, but 764", TOLD),
    "npy: a pickle": ("a.npy", b"\x80\x04K\x01.", "cannot be read as a numpy array", TOLD),
    "npy: Python objects": ("a.npy", npy(np.array([None]), allow_pickle=True), "holds Python objects", TOLD),
    "npy: one frame": ("a.npy", npy(SCENE[0]), "frames are 8 x 8, expected 3 dimensions: frames, height, width", TOLD),
    "npy: channels": ("a.npy", npy(SCENE[..., None]), "frames are 3 x 8 x 8 x 1, expected 3 dimensions", TOLD),
    "npy: a single value": ("a.npy", npy(21.5), "frames are a single value, expected 3 dimensions", TOLD),
    "npy: no frames": ("a.npy", npy(SCENE[:0]), "frames are 0 x 8 x 8: no frame or no pixel", TOLD),
    "npy: no pixels": ("a.npy", npy(SCENE[:, :0]), "frames are 3 x 0 x 8: no frame or no pixel", TOLD),
    "npy: texts": ("a.npy", npy(SCENE.astype("U4")), "frames are <U4, expected real numbers", TOLD),
    "npy: complex numbers": ("a.npy", npy(SCENE + 1j), "frames are complex64, expected real numbers", TOLD),
    "npy: true and false": ("a.npy", npy(SCENE > 22), "frames are bool, expected real numbers", TOLD),
    "npy: named fields": ("a.npy", npy(np.zeros(3, "f4,f4")), r"frames are \[\('f0'.*expected real numbers", TOLD),
    "npy: not a number": (
        "a.npy", npy(np.where(SCENE[1, 0, 0] == SCENE, np.nan, SCENE)), "frame 0, row 0, column 5 is nan", TOLD,
    ),
    "npy: infinite": ("a.npy", npy(SCENE + np.float32(np.inf)), r"frame 0, row 0, column 0 is inf.*192 such", TOLD),
    "npy: nothing says when": ("a.npy", npy(SCENE), r"a\.timestamps\.npy beside it.*expected a time for each", NONE),
    "npy: another size than was told": (
        "a.npy", npy(SCENE), r"frames are 8x8, expected 16x4 \(--frame-size", ImportOptions(frame_size=(16, 4)),
    ),
    "npy: a unit nobody knows": ("a.npy", npy(SCENE * 100_000), "no known unit makes a scene", TOLD),
    "npy: another unit than was told": (
        "a.npy", npy(SCENE), "in kelvin is -249.* deg C",
        ImportOptions(unit=Unit.KELVIN, frame_rate_hz=8.0, start_ms=0),
    ),
    "npz: empty file": ("a.npz", b"", r"is not a \.npz archive, or damaged", TOLD),
    "npz: an npy": ("a.npz", npy(SCENE), r"is not a \.npz archive, or damaged", TOLD),
    "npz: cut short": ("a.npz", npz(frames=SCENE)[:-30], r"is not a \.npz archive, or damaged", TOLD),
    "npz: no frames in it": ("a.npz", npz(pixels=SCENE), r"holds no frames \(it holds: pixels\)", TOLD),
    "npz: nothing says when": ("a.npz", npz(frames=SCENE), "without an array timestamps.*a time for each", NONE),
    "npz: fewer times than frames": ("a.npz", npz(frames=SCENE, times_ms=[1, 2]), "3 frames but 2 timestamps", TOLD),
    "npz: times in a table": (
        "a.npz", npz(frames=SCENE, times=np.ones((3, 1))), 'array "times": is 3 x 1, expected one dimension', TOLD,
    ),
    "npz: times of texts": (
        "a.npz", npz(frames=SCENE, times=["a", "b", "c"]), 'array "times": times are <U1, expected numbers', TOLD,
    ),
    "npz: all times the same": (
        "a.npz", npz(frames=SCENE, times=np.full(3, START_MS)), "all 3 frames have the same time", TOLD,
    ),
    "npz: a time that is no number": (
        "a.npz", npz(frames=SCENE, times=[0.0, np.nan, 1.0]), 'array "times": the time of frame 1 is nan', TOLD,
    ),
    "npz: times in nanoseconds": (
        "a.npz", npz(frames=SCENE, times=START_MS * 1_000_000 + np.arange(3)), "the time of frame 0 is 1736154", TOLD,
    ),
    "npz: a counter of another length": (
        "a.npz", npz(frames=SCENE, times_ms=[1, 2, 3], seq=[1]), 'array "seq" is 1 x int64, expected 3 whole', TOLD,
    ),
    # a frame in each line
    "csv: empty file": ("a.csv", b"", "the file is empty", TOLD),
    "csv: blank lines only": ("a.csv", b"\n \n\r\n", "the file is empty", TOLD),
    "csv: a byte order mark only": ("a.csv", b"\xef\xbb\xbf", "the file is empty", TOLD),
    "csv: binary junk": ("a.csv", bytes(range(128, 256)), r"is not text in UTF-8 \(byte 0\)", TOLD),
    "csv: UTF-16 without its mark": ("a.csv", ROW.encode("utf-16-le"), r"is not text in UTF-8 \(byte 1 is zero", TOLD),
    "csv: half a UTF-16 character": ("a.csv", ROW.encode("utf-16")[:-1], "is not text in UTF-8", TOLD),
    "csv: prose": ("a.csv", b"These are not\nthe numbers, sorry.\n", "holds no line of numbers", TOLD),
    "csv: header only": ("a.csv", lines("time,p0,p1,p2"), "holds no line of numbers", TOLD),
    "csv: a short line": ("a.csv", lines(ROW, ROW, ROW[5:]), "line 3 holds 63 values, expected 64", TOLD),
    "csv: a long line": ("a.csv", lines(ROW, ROW, ROW + ",1.0"), "line 3 holds 65 values, expected 64", TOLD),
    "csv: the first line is short": ("a.csv", lines(ROW[5:], ROW, ROW), "line 1 holds 63 values, expected 64", TOLD),
    "csv: cut short": ("a.csv", lines(*ROWS)[:-100], "line 3 holds 44 values, expected 64", TOLD),
    "csv: a text among numbers": ("a.csv", change(1, 6, "warm"), 'line 2, column 7: "warm", expected a number', TOLD),
    "csv: an empty cell": ("a.csv", change(2, 62, " "), 'line 3, column 63: "", expected a number', TOLD),
    "csv: nan": ("a.csv", change(0, 9, "nan"), 'line 1, column 10: "nan", expected a number', TOLD),
    "csv: infinite": ("a.csv", change(0, 9, "-inf"), 'line 1, column 10: "-inf", expected a number', TOLD),
    "csv: too large a number": ("a.csv", change(0, 9, "1e99"), 'line 1, column 10: "1e99", expected a number', TOLD),
    "csv: hexadecimal": ("a.csv", change(0, 9, "0x1f"), 'line 1, column 10: "0x1f", expected a number', TOLD),
    "csv: grouped digits": ("a.csv", change(0, 9, "1_0"), 'line 1, column 10: "1_0", expected a number', TOLD),
    "csv: control characters": ("a.csv", change(0, 9, "\x1b[2J"), r"line 1, column 10: '\\x1b\[2J', expected", TOLD),
    "csv: a remark between frames": ("a.csv", lines(ROW, "cleaned", ROW), "line 2 holds 1 values, expected 64", TOLD),
    "csv: a sensor nobody knows": ("a.csv", lines("1,2,3", "4,5,6"), "lines hold 3 values, which is no known", TOLD),
    "csv: another size than was told": (
        "a.csv", lines(*ROWS), "lines hold 64 values, but frames are 5x5; expected 5 values .* or 25",
        ImportOptions(frame_size=(5, 5)),
    ),
    "csv: height or width first": ("a.csv", lines("Size: 12x4", ROW), 'the preamble says "12x4", which may', TOLD),
    "csv: nothing says when": ("a.csv", lines(*ROWS), "without a column of times.*expected a time for each", NONE),
    "csv: no rate": ("a.csv", lines(*ROWS), "or --frame-rate HZ", ImportOptions(start_ms=0)),
    "csv: a time that is none": ("a.csv", timed("0.0", "soon"), 'line 3, time: "soon", expected a number or', TOLD),
    "csv: times of two kinds": (
        "a.csv", timed("2025-01-06T09:00:00Z", "0.5"), 'line 3, time: "0.5", expected an ISO 8601', TOLD,
    ),
    "csv: a date that is none": ("a.csv", timed("2025-02-30T09:00:00Z"), 'line 2, time: "2025-02-30', TOLD),
    "csv: times before 1970": (
        "a.csv", timed("1960-01-01T00:00:00Z", "1960-01-01T00:00:01Z"), "time of frame 0 is -3156", TOLD,
    ),
    "csv: all times the same": ("a.csv", timed("5", "5"), "all 2 frames have the same time", TOLD),
    "csv: the start is not known": ("a.csv", timed("0.0", "0.5"), "counted from the recording's start", NONE),
    "csv: times in no clear unit": ("a.csv", timed("0", "165"), "unclear in which unit", TOLD),
    "csv: a counter that is none": (
        "a.csv", timed("-1", "2").replace(b"time", b"frame"), 'line 2, column 1: "-1", expected a whole number', TOLD,
    ),
    "csv: either end may be the time": (
        "a.csv", lines(*(f"{place},{ROW[:-4]}3{place}.5" + f",{40 + place}" for place in range(3))),
        "unclear whether the first or the last", ImportOptions(frame_size=(5, 13), start_ms=0),
    ),
    # a frame in each block of lines
    "txt: a short row": (
        "a.txt", lines(*BLOCK, "", BLOCK[0], BLOCK[1][5:], *BLOCK[2:]), "line 7 holds 5 values, expected 6", TOLD,
    ),
    "txt: a row is missing": (
        "a.txt", lines(*[*BLOCK, ""] * 9, *BLOCK[1:]), r"frame 9 \(lines 46 to 48\) has 3 rows, expected 4", TOLD,
    ),
    "txt: a row too many": (
        "a.txt", lines(*[*BLOCK, ""] * 9, *BLOCK, BLOCK[0]), r"frame 10 \(lines 50 to 50\) has 1 rows", TOLD,
    ),
    "txt: a text among numbers": (
        "a.txt", lines(*BLOCK, "", *BLOCK[:3], BLOCK[3].replace("24.8", "warm")),
        'line 9, column 4: "warm", expected a number', TOLD,
    ),
    "txt: a remark between frames": (
        "a.txt", lines(*BLOCK, "cleaned", *BLOCK), 'line 5: "cleaned", expected 6 numbers or a time', TOLD,
    ),
    "txt: a frame without its time": (
        "a.txt", lines("time: 0.5", *BLOCK, "time: 0.7", *BLOCK, "", *BLOCK), r"frame 2 \(line 12\) has no time", TOLD,
    ),
    "txt: a time that is none": (
        "a.txt", lines("2025-01-06 09:00:00", *BLOCK, "2025-01-06 09:99:00", *BLOCK),
        'line 6, time: "2025-01-06 09:99', TOLD,
    ),
    "txt: nothing says when": ("a.txt", lines(*BLOCK, "", *BLOCK), "without a line of time above each frame", NONE),
    # HDF5
    "h5: empty file": ("a.h5", b"", "cannot be read as HDF5", TOLD),
    "h5: text": ("a.h5", lines(*ROWS), "cannot be read as HDF5", TOLD),
}  # fmt: skip


def test_there_are_enough_kinds() -> None:
    assert len(MALFORMED) >= 45


@pytest.mark.parametrize(("name", "content", "message", "options"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_file_is_refused_by_name_and_place(
    tmp_path: Path, name: str, content: bytes, message: str, options: ImportOptions
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=message) as caught:
        import_recording(tmp_path / name, options)
    assert caught.value.message.startswith(f"{tmp_path / name}")
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("change_file", "message"),
    [
        (lambda file: file["timestamps"].write_direct(np.full(3, 7)), "all 3 frames have the same time, 7 ms"),
        (lambda file: file["timestamps"].write_direct(np.array([-5, 1, 2])), "the time of frame 0 is -5 ms"),
        (lambda file: file.pop("frames"), 'holds no dataset "frames"'),
    ],
    ids=["all times the same", "a time before 1970", "no frames"],
)
def test_malformed_hdf5_is_refused(tmp_path: Path, change_file: Callable[[h5py.File], None], message: str) -> None:
    path = tmp_path / "a.h5"
    write_recording(path, make_recording())
    with h5py.File(path, "a") as file:
        change_file(file)
    with pytest.raises(RecordingError, match=rf"a\.h5: {message}"):
        import_recording(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"hall: holds no text file"),
        ({"f1.txt": BLOCK, "f2.txt": BLOCK[1:]}, r"f2\.txt: holds a frame of 3x6, expected 4x6 as in f1\.txt"),
        ({"f1.txt": BLOCK, "f2.txt": [BLOCK[0], "21 warm"]}, r'f2\.txt: line 2, column 2: "warm"'),
        ({"f1.txt": BLOCK, "f2.txt": [*BLOCK, "21 22"]}, r"f2\.txt: line 5 holds 2 values, expected 6"),
        ({"f1.txt": BLOCK, "f01.txt": BLOCK}, r"f0?1\.txt and f0?1\.txt have the same number or time"),
        ({"f1.txt": BLOCK, "readme.txt": BLOCK}, r"readme\.txt: the name ends in no number and no time"),
        ({"f1.txt": BLOCK, "f2.txt": ["nothing"]}, r"f2\.txt: holds no line of numbers; expected a frame"),
        ({"f1.txt": BLOCK, "f2.txt": [*BLOCK, "", *BLOCK]}, r"f2\.txt: holds more than one block of numbers"),
        ({"f1.txt": ["1 2 3"], "f2.txt": ["1 2 3"]}, r"f1\.txt: holds 1 lines of 3 numbers, expected a known sensor's"),
    ],
    ids=["no file", "sizes", "text", "ragged", "same number", "no number", "prose", "two frames", "unknown sensor"],
)
def test_malformed_folder_of_frames_is_refused(tmp_path: Path, files: dict[str, list[str]], message: str) -> None:
    folder = tmp_path / "hall"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(lines(*content))
    with pytest.raises(RecordingError, match=message):
        import_recording(folder, TOLD)


@pytest.mark.parametrize("name", [" a.csv", "a|b.csv", "a\nb.npy", "a\\b.h5", "x" * 201 + ".npz"], ids=ascii)
def test_name_that_cannot_name_a_recording_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(lines(*ROWS))
    with pytest.raises(RecordingError, match="cannot name a recording; expected a plain file name"):
        import_recording(tmp_path / name, TOLD)


@pytest.mark.parametrize(
    "line", [" " * 20_000 + "x", "frame" + " " * 20_000 + "x", "time" + ":" * 20_000, "start" + "a" * 20_000 + "!"]
)
def test_endless_lines_are_refused_at_once(tmp_path: Path, line: str) -> None:
    for place in (0, 5):
        content = [*BLOCK, "", *BLOCK]
        content.insert(place, line)
        (tmp_path / "a.txt").write_bytes(lines(*content))
        with pytest.raises(RecordingError, match=r"a\.txt"):
            import_recording(tmp_path / "a.txt")


def test_encrypted_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(npz(frames=SCENE))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(RecordingError, match=r"a\.npz: cannot be read as a numpy array .*encrypted"):
        import_recording(tmp_path / "a.npz", TOLD)


def make_recording() -> Recording:
    return Recording(
        sensor_id="a", mac_address="", frames_c=SCENE, timestamps_ms=START_MS + np.arange(3), frame_seqs=np.arange(3)
    )


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    write_recording(folder / "a.h5", make_recording())
    packed = io.BytesIO()
    np.savez_compressed(packed, frames=SCENE, timestamps_ms=START_MS + np.arange(3))
    return {
        "a.h5": (folder / "a.h5").read_bytes(),
        "a.npy": npy(SCENE),
        "a.npz": npz(frames=SCENE, timestamps_ms=START_MS + np.arange(3)),
        "b.npz": packed.getvalue(),
        "a.csv": timed("2025-01-06T09:00:00Z", "2025-01-06T09:00:01Z"),
        "b.csv": lines("Size: 4x16", *ROWS).replace(b",", b";"),
        "a.txt": lines("# time_ms: 12", *BLOCK, "# time_ms: 165", *BLOCK),
        "b.txt": lines(*BLOCK, "", *BLOCK),
    }


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["a.h5", "a.npy", "a.npz", "b.npz", "a.csv", "b.csv", "a.txt", "b.txt"]),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.none() | st.integers(0, 3000),
)
def test_damaged_bytes_give_a_recording_or_a_named_error(
    tmp_path: Path,
    whole_files: dict[str, bytes],
    name: str,
    changes: list[tuple[int, int]],
    cut: int | None,
) -> None:
    content = bytearray(whole_files[name][:cut])
    for place, value in changes:
        if content:
            content[place % len(content)] = value
    (tmp_path / name).write_bytes(content)
    try:
        recording = import_recording(tmp_path / name, TOLD)
    except ThermalctlError as error:
        assert f"{tmp_path / name}" in error.message
    else:
        assert recording.frames_c.ndim == 3
        assert len(recording.frames_c) == len(recording.timestamps_ms) == len(recording.frame_seqs) > 0
        assert name.endswith(".h5") or np.isfinite(recording.frames_c).all()


def test_header_of_python_2_is_read_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy(SCENE).replace(b"(3, 8, 8), }  ", b"(3L, 8, 8), } "))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert import_recording(tmp_path / "a.npy", TOLD).frames_c.shape == (3, 8, 8)


def test_member_of_an_archive_that_lies_is_refused(tmp_path: Path) -> None:
    true, lie = b"(3, 8, 8), }", b"(30, 8, 8), }"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("frames.npy", npy(SCENE).replace(true + b" ", lie))
    with pytest.raises(RecordingError, match='array "frames": its header promises 30 x 8 x 8'):
        import_recording(tmp_path / "a.npz", TOLD)
