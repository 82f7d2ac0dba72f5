"""Segment tables: who did what from when to when, as labelling tools export it.

file,start,end,action,person
SL14_R1,0,12.5,walking,anna

`start` and `end` are seconds from the recording's first frame; `start_ms` and `end_ms` ms since 1970; `start_frame` and
`end_frame` places of frames, from 0. The end itself is not part of a segment. `person` may be left out.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Literal

from thermalctl.annotations.json_records import MAX_INTEGER, quote
from thermalctl.errors import DatasetError, summarise_problems
from thermalctl.recordings.names import is_plain_name
from thermalctl.recordings.text_lines import parse_number, quote_cell, read_text_lines

Clock = Literal["seconds", "epoch_ms", "frames"]

#: The columns that a table may tell times in.
CLOCKS: dict[tuple[str, str], Clock] = {
    ("start", "end"): "seconds",
    ("start_s", "end_s"): "seconds",
    ("start_ms", "end_ms"): "epoch_ms",
    ("start_frame", "end_frame"): "frames",
}
_DELIMITERS = ",;\t"
#: Endings that recordings have; a table may name them with or without.
_SUFFIXES = (".h5", ".hdf5", ".npy", ".npz", ".csv", ".tsv", ".txt")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one person did for a while.

    Attributes:
        path: the table.
        line: where it is in it, from 1.
        recording: the recording's name.
        clock: what `start` and `end` count.
        start: the first moment or frame.
        end: the first one after.
        action: the class's name.
        person: who it is, as the table says; "" where it does not.
    """

    path: Path
    line: int
    recording: str
    clock: Clock
    start: float
    end: float
    action: str
    person: str = ""

    @property
    def where(self) -> str:
        """The file and the line, as a message begins."""
        return f"{self.path}: line {self.line}"


def read_segments(path: Path) -> tuple[Segment, ...]:
    """Return the segments of a table, in its order.

    Raises:
        DatasetError: with every problem found, each naming the line and the field: a missing column or value, an end
            before its start, a segment that is there twice, a named person who does two things at once.
    """
    problems: list[str] = []
    segments = parse_segments(path, problems)
    if segments is None:
        raise DatasetError(
            summarise_problems(problems), hint="expected columns: file, start, end, action and, if known, person"
        )
    return segments


def parse_segments(path: Path, problems: list[str]) -> tuple[Segment, ...] | None:
    """Return the segments of a table; None, and what is wrong added to `problems`, if anything is."""
    try:
        lines = read_text_lines(path, kind=DatasetError)
    except DatasetError as error:
        problems.append(error.message)
        return None
    found: list[str] = []
    header_at = next(place for place, line in enumerate(lines) if line.strip())
    delimiter = max(_DELIMITERS, key=lines[header_at].count)
    columns = [cell.strip().casefold() for cell in _split(lines[header_at], delimiter)]
    clock = _find_clock(path, header_at + 1, columns, found)
    segments = []
    if clock is not None:
        for number, line in enumerate(lines[header_at + 1 :], header_at + 2):
            if line.strip().strip(delimiter):
                segment = _parse_line(path, number, _split(line, delimiter), columns, clock, found)
                segments += [] if segment is None else [segment]
        if not segments and not found:
            found.append(f"{path}: holds no segment below its header; expected at least one line")
    found += _find_contradictions(segments)
    if found:
        problems.extend(found)
        return None
    return tuple(segments)


def find_clock_columns(columns: Sequence[str]) -> tuple[str, str] | None:
    """Return which columns of a table, casefolded, tell start and end; None if there are none."""
    return next((names for names in CLOCKS if set(names) <= set(columns)), None)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # a cell of more than 128 KiB: nothing that a table holds
        return [line]


def _find_clock(path: Path, number: int, columns: Sequence[str], problems: list[str]) -> tuple[str, str] | None:
    names = find_clock_columns(columns)
    missing = [quote(name) for name in ("file", "action") if name not in columns]
    missing += [] if names else ['"start" and "end" (or start_ms and end_ms, or start_frame and end_frame)']
    given = [pair for pair in CLOCKS if set(pair) <= set(columns)]
    held = ", ".join(quote_cell(column) for column in columns[:8])
    problems.extend(f"{path}: line {number} has no column {name}; it has {held}" for name in missing)
    repeated = sorted({column for column in columns if column and columns.count(column) > 1})
    problems.extend(f"{path}: line {number} has the column {quote_cell(column)} twice" for column in repeated)
    if len(given) > 1:
        problems.append(f"{path}: line {number} has {' and '.join(map('/'.join, given))}; expected one of them")
    return None if missing or repeated or len(given) > 1 else names


def _parse_line(
    path: Path, number: int, cells: Sequence[str], columns: Sequence[str], clock: tuple[str, str], problems: list[str]
) -> Segment | None:
    where = f"{path}: line {number}"
    if len(cells) != len(columns):
        problems.append(f"{where} has {len(cells)} values, expected {len(columns)}: {', '.join(columns)}")
        return None
    values = {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    recording, action, person = _strip_name(values["file"]), values["action"], values.get("person", "")
    start, end = (_parse_moment(values[name], CLOCKS[clock]) for name in clock)
    unit = {"seconds": "seconds, 0 or more", "epoch_ms": "ms since 1970", "frames": "a whole number, 0 or more"}
    wrong = [
        (field, values[field], expected)
        for field, holds, expected in (
            ("file", is_plain_name(recording), "a recording's name"),
            ("action", bool(action) and action.isprintable(), "an action's name"),
            ("person", person.isprintable(), "a name or a number"),
            (clock[0], start is not None, unit[CLOCKS[clock]]),
            (clock[1], end is not None, unit[CLOCKS[clock]]),
        )
        if not holds
    ]
    problems.extend(
        f'{where} has "{field}": {quote_cell(value)}, expected {expected}' for field, value, expected in wrong
    )
    if wrong or start is None or end is None:
        return None
    if end <= start:
        problems.append(f'{where} has "{clock[1]}": {end:g}, expected more than "{clock[0]}", {start:g}')
        return None
    return Segment(
        path=path, line=number, recording=recording, action=action, person=person,
        clock=CLOCKS[clock], start=start, end=end,
    )  # fmt: skip


def _strip_name(file: str) -> str:
    """Return the recording that a table names: `frames/SL14_R1.h5` is SL14_R1. Folders before it do not matter."""
    name = PurePosixPath(file.replace("\\", "/")).name
    return next((name[: -len(end)] for end in _SUFFIXES if name.casefold().endswith(end)), name)


def _parse_moment(cell: str, clock: Clock) -> float | None:
    value = parse_number(cell)
    if value is None or not math.isfinite(value) or not 0 <= value <= MAX_INTEGER:
        return None
    return value if clock == "seconds" or value.is_integer() else None


def _find_contradictions(segments: Sequence[Segment]) -> list[str]:
    problems = []
    seen: dict[tuple[object, ...], Segment] = {}
    for segment in segments:
        first = seen.setdefault(
            (segment.recording, segment.start, segment.end, segment.action, segment.person), segment
        )
        if first is not segment:
            problems.append(f"{segment.where} says the same as line {first.line}; expected each segment once")
    by_person: dict[tuple[str, str], list[Segment]] = {}
    for segment in seen.values():
        if segment.person:
            by_person.setdefault((segment.recording, segment.person), []).append(segment)
    for theirs in by_person.values():
        theirs.sort(key=lambda segment: (segment.start, segment.end))
        for before, after in pairwise(theirs):
            if after.start < before.end:
                problems.append(
                    f'{after.where} has {quote(after.person)} in "{after.action}" from {after.start:g}, but line '
                    f'{before.line} has them in "{before.action}" until {before.end:g}; expected one action at a time'
                )
    return problems
