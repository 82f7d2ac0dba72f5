from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.annotations.segments import Clock, Segment, read_segments
from thermalctl.errors import DatasetError

HEADER = "file,start,end,action,person"


def write(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "who.csv"
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


def make_segment(path: Path, line: int, **changes: object) -> Segment:
    values = {"recording": "R1", "clock": "seconds", "start": 0.0, "end": 2.5, "action": "walking"} | changes
    return Segment(path=path, line=line, **values)  # type: ignore[arg-type]


def test_lines_become_segments(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, "R1,0,2.5,walking,anna", "", "R1,2.5,4,sitting,anna", '"R2",1,2,"lying, at risk",')
    assert read_segments(path) == (
        make_segment(path, 2, person="anna"),
        make_segment(path, 4, start=2.5, end=4.0, action="sitting", person="anna"),
        make_segment(path, 5, recording="R2", start=1.0, end=2.0, action="lying, at risk"),
    )


@pytest.mark.parametrize(
    ("line", "clock", "start", "end"),
    [
        ("start,end\n0,2.5", "seconds", 0.0, 2.5),
        ("start_s,end_s\n0,2.5", "seconds", 0.0, 2.5),
        ("start_ms,end_ms\n1760482260170,1760482260500", "epoch_ms", 1760482260170.0, 1760482260500.0),
        ("Start_Frame, End_Frame\n0,64", "frames", 0.0, 64.0),
    ],
)
def test_columns_tell_what_start_and_end_count(
    tmp_path: Path, line: str, clock: Clock, start: float, end: float
) -> None:
    header, values = line.split("\n")
    path = write(tmp_path, f"ACTION,{header},file", f"walking,{values},R1")
    assert read_segments(path) == (make_segment(path, 2, clock=clock, start=start, end=end),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_spreadsheets_of_other_countries(tmp_path: Path, delimiter: str, encoding: str) -> None:
    lines = ("file start end action", "R1 0 2,5 walking")
    path = write(tmp_path, *(line.replace(" ", delimiter) for line in lines), encoding=encoding)
    assert read_segments(path) == (make_segment(path, 2),)


@pytest.mark.parametrize("file", ["R1.h5", "frames/R1.h5", "D:\\data\\R1.NPY", "R1.csv", "../R1", "R1"])
def test_recording_is_named_by_its_file_wherever_it_is(tmp_path: Path, file: str) -> None:
    path = write(tmp_path, HEADER, f"{file},0,2.5,walking,")
    assert read_segments(path) == (make_segment(path, 2),)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("R1,0,walking,", "line 3 has 4 values, expected 5: file, start, end, action, person"),
        (",0,1,walking,", 'line 3 has "file": "", expected a recording\'s name'),
        ("..,0,1,walking,", 'line 3 has "file": "..", expected a recording\'s name'),
        ("R?.h5,0,1,walking,", 'line 3 has "file": "R?.h5", expected a recording\'s name'),
        ("R1,soon,1,walking,", 'line 3 has "start": "soon", expected seconds, 0 or more'),
        ("R1,-1,1,walking,", 'line 3 has "start": "-1", expected seconds, 0 or more'),
        ("R1,0,nan,walking,", 'line 3 has "end": "nan", expected seconds, 0 or more'),
        ("R1,0,,walking,", 'line 3 has "end": "", expected seconds, 0 or more'),
        ("R1,0,1e30,walking,", 'line 3 has "end": "1e30", expected seconds, 0 or more'),
        ("R1,5,5,walking,", 'line 3 has "end": 5, expected more than "start", 5'),
        ("R1,5,1,walking,", 'line 3 has "end": 1, expected more than "start", 5'),
        ("R1,0,1, ,", 'line 3 has "action": "", expected an action\'s name'),
        ("R1,0,1,wal\x1bking,", "line 3 has \"action\": 'wal\\x1bking', expected an action's name"),
        ("R1,0,2.5,walking,anna", "line 3 says the same as line 2; expected each segment once"),
        (
            "R1,2,3,sitting,anna",
            'line 3 has "anna" in "sitting" from 2, but line 2 has them in "walking" until 2.5; '
            "expected one action at a time",
        ),
    ],
)
def test_problem_names_line_field_found_and_expected(tmp_path: Path, line: str, problem: str) -> None:
    path = write(tmp_path, HEADER, "R1,0,2.5,walking,anna", line)
    with pytest.raises(DatasetError) as error:
        read_segments(path)
    assert error.value.message.splitlines() == [f"{path}: {problem}"]


def test_frames_are_whole_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "file,start_frame,end_frame,action", "R1,0,2.5,walking")
    with pytest.raises(DatasetError, match=r'line 2 has "end_frame": "2\.5", expected a whole number, 0 or more'):
        read_segments(path)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("start,end,action", 'line 1 has no column "file"; it has "start", "end", "action"'),
        ("file,start,end", 'line 1 has no column "action"'),
        ("file,start,action", 'line 1 has no column "start" and "end" (or start_ms and end_ms, or start_frame'),
        ("file,start,end,end,action", 'line 1 has the column "end" twice'),
        ("file,start,end,start_ms,end_ms,action", "line 1 has start/end and start_ms/end_ms; expected one of them"),
    ],
)
def test_columns_that_are_missing_or_too_many_are_named(tmp_path: Path, header: str, problem: str) -> None:
    path = write(tmp_path, header, "1,2,3,4,5,6")
    with pytest.raises(DatasetError) as error:
        read_segments(path)
    assert f"{path}: {problem}" in error.value.message


def test_all_problems_are_raised_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, "R1,x,y,walking,", "R1,0,1,,")
    with pytest.raises(DatasetError) as error:
        read_segments(path)
    assert [line.split(" has ")[0] for line in error.value.message.splitlines()] == [
        f"{path}: line 2", f"{path}: line 2", f"{path}: line 3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\n", "the file is empty"),
        (HEADER.encode(), "holds no segment below its header"),
        (b"\x89PNG\r\n", r"is not text in UTF-8 \(byte 0\)"),
        (f"{HEADER}\nR1,0,1,{'x' * 200_000},".encode(), "line 2 has 1 values, expected 5"),
    ],
    ids=["empty", "mark only", "header only", "binary", "one endless cell"],
)
def test_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "who.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"who\.csv: {message}"):
        read_segments(tmp_path / "who.csv")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"who\.csv: no such file"):
        read_segments(tmp_path / "who.csv")
