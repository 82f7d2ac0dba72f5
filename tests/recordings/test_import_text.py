from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermalctl.recordings.hdf5 import Recording
from thermalctl.recordings.importing import ImportOptions, import_recording

MakeScene = Callable[..., np.ndarray]
START_MS = 1_736_154_000_000  # 2025-01-06 09:00 UTC
TOLD = ImportOptions(frame_rate_hz=8.0, start_ms=START_MS)
EIGHTHS_MS = [START_MS + 125 * place for place in range(5)]


def write_rows(frames: np.ndarray, *, before: Iterable[object] | None = None, delimiter: str = ",") -> list[str]:
    """A line for each frame: its time, if any, and its pixels."""
    lines = [delimiter.join(f"{value:.1f}" for value in frame.ravel()) for frame in frames]
    return lines if before is None else [f"{time}{delimiter}{line}" for time, line in zip(before, lines, strict=True)]


def write_blocks(frames: np.ndarray, above: Iterable[str]) -> list[str]:
    lines = []
    for line, frame in zip(above, frames, strict=True):
        lines += [line, *(" ".join(f"{value:.1f}" for value in row) for row in frame)]
    return lines


def import_lines(folder: Path, lines: list[str], options: ImportOptions = TOLD, name: str = "hall.csv") -> Recording:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return import_recording(folder / name, options)


def expect(recording: Recording, scene_c: np.ndarray, times_ms: list[int]) -> None:
    assert recording.sensor_id == "hall"
    np.testing.assert_array_equal(recording.frames_c, scene_c)
    assert recording.timestamps_ms.tolist() == times_ms


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " ", ", "], ids=["comma", "semicolon", "tab", "space", "both"])
def test_frames_in_lines_with_any_delimiter(tmp_path: Path, make_scene: MakeScene, delimiter: str) -> None:
    expect(import_lines(tmp_path, write_rows(make_scene(), delimiter=delimiter)), make_scene(), EIGHTHS_MS)


@pytest.mark.parametrize("delimiter", [";", "\t", " "], ids=["semicolon", "tab", "space"])
def test_decimal_commas(tmp_path: Path, make_scene: MakeScene, delimiter: str) -> None:
    lines = [line.replace(".", ",") for line in write_rows(make_scene(), delimiter=delimiter)]
    expect(import_lines(tmp_path, lines), make_scene(), EIGHTHS_MS)


@pytest.mark.parametrize(
    "times",
    [
        EIGHTHS_MS,
        [f"{time_ms / 1000:.3f}" for time_ms in EIGHTHS_MS],
        [f"2025-01-06T09:00:00.{125 * place:03}Z" for place in range(5)],
        [f'"2025-01-06 10:00:00.{125 * place:03}+01:00"' for place in range(5)],
        [0.125 * place for place in range(5)],
    ],
    ids=["ms", "seconds", "ISO", "ISO in quotes with a zone", "seconds from the start"],
)
@pytest.mark.parametrize("where", ["first", "last"])
def test_one_value_more_than_pixels_is_the_time(
    tmp_path: Path, make_scene: MakeScene, times: list[object], where: str
) -> None:
    lines = write_rows(make_scene(), before=times)
    if where == "last":
        lines = [",".join([*line.split(",")[1:], line.split(",")[0]]) for line in lines]
    expect(import_lines(tmp_path, lines, ImportOptions(start_ms=START_MS)), make_scene(), EIGHTHS_MS)


def test_header_names_the_columns_of_time_and_counter(tmp_path: Path, make_scene: MakeScene) -> None:
    cells = [f"{7 + place};{125 * place}" for place in range(5)]
    lines = write_rows(make_scene(), before=cells, delimiter=";")
    header = "frame;time_ms;" + ";".join(f"p{place}" for place in range(64))
    recording = import_lines(tmp_path, ["# recorded in the hall", header, *lines], ImportOptions(start_ms=START_MS))
    expect(recording, make_scene(), EIGHTHS_MS)
    assert recording.frame_seqs.tolist() == [7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    "size", [["Size: 4x12"], ["height,4", "width,12"], ["# rows = 4, columns = 12"]], ids=["4x12", "lines", "comment"]
)
def test_preamble_tells_the_size_and_the_start(tmp_path: Path, make_scene: MakeScene, size: list[str]) -> None:
    scene_c = make_scene(frame_size=(4, 12))
    preamble = ["Sensor report", "Emissivity,0.95", "Start time: 2025-01-06T09:00:00Z", *size, ""]
    recording = import_lines(tmp_path, preamble + write_rows(scene_c), ImportOptions(frame_rate_hz=8.0))
    expect(recording, scene_c, EIGHTHS_MS)


def test_told_size_is_used_for_a_sensor_nobody_knows(tmp_path: Path, make_scene: MakeScene) -> None:
    scene_c = make_scene(frame_size=(3, 7))
    options = ImportOptions(frame_size=(3, 7), frame_rate_hz=8.0, start_ms=START_MS)
    expect(import_lines(tmp_path, write_rows(scene_c), options), scene_c, EIGHTHS_MS)


@pytest.mark.parametrize(
    "frame_size", [(8, 8), (12, 16), (16, 16), (24, 32), (40, 60), (60, 80), (62, 80), (120, 160)], ids=str
)
def test_size_of_a_well_known_sensor_needs_no_telling(
    tmp_path: Path, make_scene: MakeScene, frame_size: tuple[int, int]
) -> None:
    scene_c = make_scene(2, frame_size)
    expect(import_lines(tmp_path, write_rows(scene_c)), scene_c, EIGHTHS_MS[:2])


@pytest.mark.parametrize(
    ("encoding", "line_end"),
    [("utf-8-sig", "\n"), ("utf-8", "\r\n"), ("utf-8", "\r"), ("utf-16", "\r\n")],
    ids=["BOM", "CRLF", "CR", "UTF-16"],
)
def test_encodings_and_line_ends(tmp_path: Path, make_scene: MakeScene, encoding: str, line_end: str) -> None:
    text = line_end.join(["# 22 °C", *write_rows(make_scene()), ""])
    (tmp_path / "hall.csv").write_bytes(text.encode(encoding))
    expect(import_recording(tmp_path / "hall.csv", TOLD), make_scene(), EIGHTHS_MS)


@pytest.mark.parametrize(
    ("above", "options"),
    [
        (["", "", "", "", ""], TOLD),
        ([f"{time_ms}" for time_ms in EIGHTHS_MS], ImportOptions()),
        ([f"# frame {place}, time: {0.125 * place}" for place in range(5)], ImportOptions(start_ms=START_MS)),
        ([f"time [ms] = {125 * place}" for place in range(5)], ImportOptions(start_ms=START_MS)),
        ([f"2025-01-06 09:00:00.{125 * place:03}" for place in range(5)], ImportOptions()),
        ([f"Frame {place}" for place in range(5)], TOLD),
        ([f"# {place}" for place in range(5)], TOLD),
    ],
    ids=["blank lines", "ms", "comments with seconds", "named ms", "ISO", "frame numbers", "numbers in comments"],
)
@pytest.mark.parametrize("frame_size", [(8, 8), (5, 7), (6, 64)], ids=str)
def test_frames_in_blocks(
    tmp_path: Path, make_scene: MakeScene, above: list[str], options: ImportOptions, frame_size: tuple[int, int]
) -> None:
    scene_c = make_scene(frame_size=frame_size)
    lines = ["Emissivity: 0.95", "", *write_blocks(scene_c, above)]
    expect(import_lines(tmp_path, lines, options, "hall.txt"), scene_c, EIGHTHS_MS)


def test_blocks_need_nothing_between_them_where_the_size_is_told(tmp_path: Path, make_scene: MakeScene) -> None:
    lines = [line for line in write_blocks(make_scene(frame_size=(5, 7)), [""] * 5) if line]
    options = ImportOptions(frame_size=(5, 7), frame_rate_hz=8.0, start_ms=START_MS)
    expect(import_lines(tmp_path, lines, options, "hall.txt"), make_scene(frame_size=(5, 7)), EIGHTHS_MS)


def test_a_single_frame_of_a_known_sensor_is_a_block(tmp_path: Path, make_scene: MakeScene) -> None:
    scene_c = make_scene(1, (24, 32))
    expect(import_lines(tmp_path, write_blocks(scene_c, [""]), name="hall.txt"), scene_c, EIGHTHS_MS[:1])


@pytest.mark.parametrize(
    ("names", "options", "times_ms"),
    [
        (["f1", "f2", "f3", "f5", "f10"], TOLD, [START_MS + 125 * place for place in (0, 1, 2, 4, 9)]),
        ([f"{time_ms}" for time_ms in EIGHTHS_MS], ImportOptions(), EIGHTHS_MS),
        ([f"t_{time_ms / 1000:.3f}" for time_ms in EIGHTHS_MS], ImportOptions(), EIGHTHS_MS),
        ([f"cam_2025-01-06T09-00-00.{125 * place:03}" for place in range(5)], ImportOptions(), EIGHTHS_MS),
        ([f"20250106_090000_{125 * place:03}" for place in range(5)], ImportOptions(), EIGHTHS_MS),
    ],
    ids=["numbers", "ms", "seconds", "ISO", "compact ISO"],
)
@pytest.mark.parametrize("shape", ["block", "line"])
def test_folder_of_frames_is_a_recording(
    tmp_path: Path, make_scene: MakeScene, names: list[str], options: ImportOptions, times_ms: list[int], shape: str
) -> None:
    folder = tmp_path / "hall"
    folder.mkdir()
    for name, frame in zip(names, make_scene(), strict=True):
        rows = frame if shape == "block" else frame.reshape(1, -1)
        np.savetxt(folder / f"{name}.txt", rows, fmt="%.1f", delimiter=";")
    recording = import_recording(folder, options)
    expect(recording, make_scene(), times_ms)
    assert recording.frame_seqs.tolist() == ([1, 2, 3, 5, 10] if names[0] == "f1" else [0, 1, 2, 3, 4])


@settings(max_examples=40, deadline=None)
@given(
    frame_size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    num_frames=st.integers(1, 4),
    delimiter=st.sampled_from([",", ";", "\t", " "]),
    timed=st.booleans(),
    kind=st.sampled_from(["rows", "blocks"]),
)
def test_whatever_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    make_scene: MakeScene,
    frame_size: tuple[int, int],
    num_frames: int,
    delimiter: str,
    timed: bool,
    kind: str,
) -> None:
    scene_c = make_scene(num_frames, frame_size)
    times = [START_MS + 165 * place for place in range(num_frames)]
    if kind == "rows":
        lines = write_rows(scene_c, before=times if timed else None, delimiter=delimiter)
    else:
        lines = [
            line.replace(" ", delimiter)
            for line in write_blocks(scene_c, map(str, times) if timed else [""] * num_frames)
        ]
    options = ImportOptions(frame_size=frame_size, frame_rate_hz=1000 / 165, start_ms=START_MS)
    expect(import_lines(tmp_path_factory.mktemp("any"), lines, options), scene_c, times)
