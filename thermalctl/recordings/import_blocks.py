"""Recordings as blocks of text: a frame is H lines of W numbers, set apart by a blank line or by its time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.arrival_times import count_times
from thermalctl.recordings.hdf5 import Recording
from thermalctl.recordings.import_options import ImportOptions, build_recording
from thermalctl.recordings.import_rows import find_start_ms, parse_times
from thermalctl.recordings.names import name_recording
from thermalctl.recordings.text_layout import TextLayout, is_time_column
from thermalctl.recordings.text_lines import parse_numbers, quote_cell, split_cells

#: `# frame 12, time_ms: 1760482260170`, or the time alone: one number, or one date and time.
_TIME_LINE = re.compile(
    r"[#\s]*(?:frame[\s:#=]{0,5}\d+[\s,;:]+)?(?:(?P<name>[a-z_]+(?:\s?[\[(]m?s[\])])?)[\s:=,;]{0,5})?"
    r"(?P<time>\d+(?:[.,]\d*)?|\d{4}-?\d\d-?\d\d[T_ ]\d[\d:.,]*\s*(?:Z|UTC|[+-][\d:]+)?)[\s,;]*",
    re.IGNORECASE | re.ASCII,
)
#: Lines that only set frames apart: blank, a comment, or `Frame 12`.
_APART_LINE = re.compile(r"(?:#.*|(?:frame|image|no)?[\s:#=]{0,5}\d{1,9})?", re.IGNORECASE | re.ASCII)
#: A bare number of fewer digits counts frames; with ten and more it is seconds or ms since 1970.
_MIN_TIME_DIGITS = 10


@dataclass(kw_only=True)
class _Block:
    first_line: int = 0  # from 1
    rows: list[NDArray[np.float32]] = field(default_factory=list)
    time: str | None = None
    time_name: str = "time"
    time_line: int = 0


def import_blocks(layout: TextLayout, options: ImportOptions) -> Recording:
    """Return a recording from blocks of H lines of W numbers, each with a line of its time above it, or none has one.

    Raises:
        RecordingError: naming the line and the column that is wrong, or what is missing.
    """
    where = f"{layout.path}"
    height, _ = layout.frame_size
    blocks = list(_split_blocks(layout))
    for frame, block in enumerate(blocks):
        last_line = block.first_line + len(block.rows) - 1
        if len(block.rows) != height:
            raise RecordingError(
                f"{where}: frame {frame} (lines {block.first_line} to {last_line}) has {len(block.rows)} rows, "
                f"expected {height}",
                hint="correct the file, or say how large a frame is, height x width: --frame-size 40x60",
            )
    return build_recording(
        where,
        sensor_id=name_recording(layout.path),
        frames=np.stack([np.stack(block.rows) for block in blocks]),
        timestamps_ms=_read_block_times(layout, blocks, options),
        options=options,
    )


def _split_blocks(layout: TextLayout) -> Iterator[_Block]:
    height, width = layout.frame_size
    block = _Block()
    for number, line in enumerate(layout.lines, 1):
        time, is_apart = _find_time(line), _APART_LINE.fullmatch(line.strip()) is not None
        cells = [] if time or is_apart or number <= layout.first_row else split_cells(line, layout.delimiter)
        if len(cells) > 1:
            if len(cells) != width:
                raise RecordingError(
                    f"{layout.path}: line {number} holds {len(cells)} values, expected {width} (a row of a frame)",
                    hint="correct the line in the file, or write the file again from its source",
                )
            if len(block.rows) == height and block.time is None:
                yield block  # frames that follow one another without a line between them
                block = _Block()
            block.first_line = block.first_line or number
            block.rows.append(parse_numbers(cells, where=f"{layout.path}: line {number}"))
            continue
        if block.rows:
            yield block
            block = _Block()
        if time is not None:
            block.time_name, block.time = time
            block.time_line = number
        elif number > layout.first_row and not is_apart:
            raise RecordingError(
                f"{layout.path}: line {number}: {quote_cell(line.strip())}, expected {width} numbers or a time",
                hint="correct the line in the file; a line that begins with # is passed over",
            )
    if block.rows:
        yield block


def _find_time(line: str) -> tuple[str, str] | None:
    """Return the name and the text of the time that a line holds; None if it holds none."""
    found = _TIME_LINE.fullmatch(line)
    bare = line.strip("# \t")
    if found is None or (bare.isdecimal() and len(bare) < _MIN_TIME_DIGITS):
        return None
    name = (found["name"] or "time").strip().casefold()
    return (name, found["time"].strip()) if is_time_column(name) else None


def _read_block_times(layout: TextLayout, blocks: list[_Block], options: ImportOptions) -> NDArray[np.int64]:
    where = f"{layout.path}"
    start_ms = options.start_ms if options.start_ms is not None else find_start_ms(layout.preamble)
    times = [block.time for block in blocks if block.time is not None]
    if not times:
        return count_times(
            np.arange(len(blocks)),
            where=f"{where} (without a line of time above each frame)",
            frame_rate_hz=options.frame_rate_hz,
            start_ms=start_ms,
        )
    for frame, block in enumerate(blocks):
        if block.time is None:
            raise RecordingError(
                f"{where}: frame {frame} (line {block.first_line}) has no time above it, {len(times)} others have; "
                f"expected all or none",
                hint="write the time of each frame in the line above it",
            )
    return parse_times(
        times,
        [block.time_line for block in blocks],
        where=where,
        name=blocks[0].time_name,
        start_ms=start_ms,
    )
