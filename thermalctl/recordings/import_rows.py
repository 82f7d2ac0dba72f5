"""Recordings as tables: a frame in each line, its pixels row by row, its time in a column of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.arrival_times import MIN_EPOCH_S, count_times, find_time_scale, parse_iso_time, read_times
from thermalctl.recordings.hdf5 import Recording
from thermalctl.recordings.import_options import ImportOptions, build_recording
from thermalctl.recordings.names import name_recording
from thermalctl.recordings.text_layout import TextLayout, is_counter_column, is_time_column
from thermalctl.recordings.text_lines import parse_number, parse_numbers, quote_cell, split_cells

_START = re.compile(r"^\W*(?:start|recorded|begin|first)\w*[ _]?\w*\W+(\d{4}-?\d{2}-?\d{2}.*?)\W*$", re.IGNORECASE)

_MAX_START_LINE = 200


def import_rows(layout: TextLayout, options: ImportOptions) -> Recording:
    """Return a recording from a table with a frame in each line.

    Raises:
        RecordingError: naming the line and the column that is wrong, or what is missing.
    """
    where = f"{layout.path}"
    rows = [
        (number, line)
        for number, line in enumerate(layout.lines[layout.first_row :], layout.first_row + 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    counter_column = next((place for place, name in enumerate(layout.columns) if is_counter_column(name)), None)
    time_column = _find_time_column(layout, rows, counter_column)
    others = [column for column in (time_column, counter_column) if column is not None]
    height, width = layout.frame_size
    if layout.num_cells - len(others) != height * width:
        raise RecordingError(
            f"{where}: lines hold {layout.num_cells} values, expected {height * width} pixels ({height}x{width})"
            f"{f' and {len(others)} more' if others else ''}",
            hint="say how large a frame is, height x width: --frame-size 40x60",
        )
    frames = np.empty((len(rows), height, width), dtype=np.float32)
    times: list[str] = []
    counters: list[int] = []
    for frame, (number, line) in enumerate(rows):
        cells = _split_row(layout, number, line)
        if time_column is not None:
            times.append(cells[time_column])
        if counter_column is not None:
            counters.append(
                _parse_counter(cells[counter_column], f"{where}: line {number}, column {counter_column + 1}")
            )
        # What is no pixel stays in its place as a 0, so that a message counts columns as an editor does.
        pixels = ["0" if column in others else cell for column, cell in enumerate(cells)]
        values = parse_numbers(pixels, where=f"{where}: line {number}")
        frames[frame] = np.delete(values, others).reshape(height, width)
    start_ms = options.start_ms if options.start_ms is not None else find_start_ms(layout.preamble)
    if time_column is None:
        timestamps_ms = count_times(
            np.arange(len(rows)),
            where=f"{where} (without a column of times)",
            frame_rate_hz=options.frame_rate_hz,
            start_ms=start_ms,
        )
    else:
        timestamps_ms = parse_times(
            times,
            [number for number, _ in rows],
            where=where,
            name=layout.columns[time_column] if layout.columns else "time",
            start_ms=start_ms,
        )
    return build_recording(
        where,
        sensor_id=name_recording(layout.path),
        frames=frames,
        timestamps_ms=timestamps_ms,
        frame_seqs=np.array(counters, dtype=np.int64) if counters else None,
        options=options,
    )


def parse_times(
    cells: Sequence[str], line_numbers: Sequence[int], *, where: str, name: str, start_ms: int | None
) -> NDArray[np.int64]:
    """Return texts as times in ms since 1970, (N,) int64: all numbers, or all ISO 8601.

    Args:
        cells: (N,) texts.
        line_numbers: (N,) where each is, from 1.
        where: the file.
        name: the field's name, which may tell the unit; "time" where it has none.
        start_ms: the recording's start, for times counted from it.

    Raises:
        RecordingError: naming the line whose time is none.
    """
    iso_times = [parse_iso_time(cell) for cell in cells]
    is_iso = iso_times[0] is not None
    values = iso_times if is_iso else [parse_number(cell) for cell in cells]
    if None in values:
        place = values.index(None)
        raise RecordingError(
            f"{where}: line {line_numbers[place]}, {name}: {quote_cell(cells[place])}, expected "
            f"{'an ISO 8601 date and time' if is_iso else 'a number or an ISO 8601 date and time'}",
            hint="write all times of a file in the same way",
        )
    if is_iso:
        return np.array(values, dtype=np.int64)
    return read_times(
        np.array(values, dtype=np.float64), where=f"{where}: {name}", scale=find_time_scale(name), start_ms=start_ms
    )


def find_start_ms(preamble: Sequence[str]) -> int | None:
    """Return the start that a preamble tells, `start: 2025-01-06T09:00:00Z`, in ms since 1970; None if it does not."""
    for line in preamble:
        found = _START.match(line[:_MAX_START_LINE])
        start_ms = None if found is None else parse_iso_time(found[1])
        if start_ms is not None:
            return start_ms
    return None


def _split_row(layout: TextLayout, number: int, line: str) -> list[str]:
    cells = split_cells(line, layout.delimiter)
    if len(cells) != layout.num_cells:
        raise RecordingError(
            f"{layout.path}: line {number} holds {len(cells)} values, expected {layout.num_cells} as in the "
            f"other lines",
            hint="correct the line in the file, or write the file again from its source",
        )
    return cells


def _find_time_column(layout: TextLayout, rows: Sequence[tuple[int, str]], counter_column: int | None) -> int | None:
    named = next((place for place, name in enumerate(layout.columns) if is_time_column(name)), None)
    num_pixels = layout.frame_size[0] * layout.frame_size[1]
    if named is not None or layout.num_cells - (counter_column is not None) == num_pixels:
        return named
    # One value too many and no name: the column at an end whose values look like times, as no pixel's do.
    cells = [_split_row(layout, number, line) for number, line in rows]
    ends = {0: [row[0] for row in cells], layout.num_cells - 1: [row[-1] for row in cells]}
    clear = [column for column, values in ends.items() if _is_since_1970(values[0])]
    rising = [column for column, values in ends.items() if _is_rising(values)]
    for found in (clear, rising):
        if len(found) == 1 and found[0] != counter_column:
            return found[0]
    raise RecordingError(
        f"{layout.path}: lines hold {layout.num_cells} values, expected {num_pixels} pixels and a time, but it is "
        f"unclear whether the first or the last is the time",
        hint='name the columns in a line above the first: "time" for the time',
    )


def _is_since_1970(cell: str) -> bool:
    value = parse_number(cell)
    return parse_iso_time(cell) is not None or (value is not None and value >= MIN_EPOCH_S)


def _is_rising(cells: Sequence[str]) -> bool:
    values = [parse_number(cell) for cell in cells]
    known = [value for value in values if value is not None]
    return len(known) == len(values) and known[-1] > known[0] and all(a <= b for a, b in pairwise(known))


def _parse_counter(cell: str, where: str) -> int:
    if cell.isascii() and cell.isdecimal() and len(cell) < 19:  # fits into int64
        return int(cell)
    raise RecordingError(
        f"{where}: {quote_cell(cell)}, expected a whole number, 0 or more",
        hint="it counts the frames; correct it, or leave the column out",
    )
