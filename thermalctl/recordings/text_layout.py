"""How a text file holds its frames: a frame in each line, or a frame in each block of lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from thermalctl.errors import RecordingError
from thermalctl.recordings.frame_sizes import WELL_KNOWN_SIZES, find_told_size, find_well_known_size
from thermalctl.recordings.text_lines import Delimiter, count_numbers, read_text_lines, sniff_delimiter, split_cells

#: A block of more lines than this many times its columns is a table with a frame in each line.
MAX_BLOCK_RATIO = 3
#: Of a file's blocks so many have the usual number of lines, even where some are damaged.
_USUAL_SHARE = 0.8
#: A line needs no more numbers than this at its ends to count as one of numbers.
_LOOKED_AT = 4


@dataclass(frozen=True, kw_only=True)
class TextLayout:
    """A text file, and how it holds frames.

    Attributes:
        path: the file.
        lines: all of them.
        delimiter: between cells.
        kind: "rows": a frame in each line; "blocks": a frame in `frame_size[0]` lines.
        frame_size: (height, width) in pixels.
        first_row: index of the first line of numbers; the ones before are the preamble and the header.
        num_cells: how many cells a line of numbers has.
        columns: the header's cells, casefolded; none where it has none.
    """

    path: Path
    lines: Sequence[str]
    delimiter: Delimiter
    kind: Literal["rows", "blocks"]
    frame_size: tuple[int, int]
    first_row: int
    num_cells: int
    columns: tuple[str, ...]

    @property
    def preamble(self) -> Sequence[str]:
        """The lines before the first one of numbers."""
        return self.lines[: self.first_row]


def read_layout(path: Path, told_size: tuple[int, int] | None) -> TextLayout:
    """Return a text file and how it holds frames.

    Args:
        path: the file.
        told_size: (height, width) that the user told; None: the preamble's, or a well-known sensor's.

    Raises:
        RecordingError: if the file is no such text, holds no numbers, or it is unclear what size its frames have.
    """
    lines = read_text_lines(path)
    delimiter = sniff_delimiter(lines)
    counts = [count_cells(line, delimiter) for line in lines]
    by_count = Counter(count for count in counts if count)
    if not by_count:
        raise RecordingError(
            f"{path}: holds no line of numbers; expected a frame in each line, or one in each block of lines",
            hint="if it is not a recording, leave it out",
        )
    # Most numbers, not most lines: a file may hold one frame below ten lines of settings.
    num_cells = max(by_count, key=lambda count: (count * by_count[count], count))
    first_row = counts.index(num_cells)
    for index in range(first_row):
        if counts[index] > num_cells / 2:
            raise RecordingError(
                f"{path}: line {index + 1} holds {counts[index]} values, expected {num_cells} as in the other lines",
                hint="correct the line in the file, or write the file again from its source",
            )
    columns = _find_columns(lines[:first_row], delimiter, num_cells)
    size = told_size or find_told_size(f"{path}", lines[:first_row])
    kind, frame_size = _decide(path, counts[first_row:], num_cells, columns, size)
    return TextLayout(
        path=path,
        lines=lines,
        delimiter=delimiter,
        kind=kind,
        frame_size=frame_size,
        first_row=first_row,
        num_cells=num_cells,
        columns=columns,
    )


def count_cells(line: str, delimiter: Delimiter) -> int:
    """Return how many cells a line of numbers has; 0 for any other line."""
    if not line.strip() or line.lstrip().startswith("#"):
        return 0
    cells = split_cells(line, delimiter)
    ends = cells if len(cells) <= 2 * _LOOKED_AT else cells[:_LOOKED_AT] + cells[-_LOOKED_AT:]
    return len(cells) if len(cells) > 1 and count_numbers(ends) * 2 > len(ends) else 0


def _find_columns(preamble: Sequence[str], delimiter: Delimiter, num_cells: int) -> tuple[str, ...]:
    named = [line for line in preamble if line.strip()]
    cells = split_cells(named[-1].lstrip("# "), delimiter) if named else []
    return tuple(cell.casefold() for cell in cells) if len(cells) == num_cells else ()


def _decide(
    path: Path, counts: Sequence[int], num_cells: int, columns: Sequence[str], size: tuple[int, int] | None
) -> tuple[Literal["rows", "blocks"], tuple[int, int]]:
    named = sum(is_time_column(name) or is_counter_column(name) for name in columns)
    heights = measure_blocks(counts)
    height, times_seen = Counter(heights).most_common(1)[0]
    if size is not None:
        if num_cells - named == size[1] and size[0] > 1:
            return "blocks", size
        if num_cells - named - size[0] * size[1] in (0, 1):
            return "rows", size
        raise RecordingError(
            f"{path}: lines hold {num_cells} values, but frames are {size[0]}x{size[1]}; expected {size[1]} values "
            f"(a row of a frame) or {size[0] * size[1]} (a whole frame), with a time 1 more",
            hint="correct --frame-size (height x width), or the size in the file's preamble",
        )
    is_block = 1 < height <= MAX_BLOCK_RATIO * num_cells
    if is_block and len(heights) > 1 and times_seen >= _USUAL_SHARE * len(heights):
        return "blocks", (height, num_cells)
    if len(heights) == 1 and (height, num_cells) in WELL_KNOWN_SIZES:
        return "blocks", (height, num_cells)
    known = find_well_known_size(num_cells - named)
    if known is None and not named:
        known = find_well_known_size(num_cells - 1)
    if known is not None:
        return "rows", known
    if is_block and len(heights) > 1:
        return "blocks", (height, num_cells)
    raise RecordingError(
        f"{path}: lines hold {num_cells} values, which is no known sensor's frame; "
        f"expected {', '.join(str(rows * columns) for rows, columns in WELL_KNOWN_SIZES)}, with a time 1 more",
        hint="say how large a frame is, height x width: --frame-size 40x60",
    )


def measure_blocks(counts: Sequence[int]) -> list[int]:
    """Return how many lines of numbers there are between the other lines."""
    heights = [0]
    for count in counts:
        if count:
            heights[-1] += 1
        elif heights[-1]:
            heights.append(0)
    return [height for height in heights if height]


def is_time_column(name: str) -> bool:
    """Return whether a column's casefolded name says that it holds times."""
    word = name.replace("-", "_").replace(" ", "_").split("[")[0].split("(")[0].strip("_")
    return word.removesuffix("_ms").removesuffix("_s").removesuffix("_utc") in _TIME_WORDS


def is_counter_column(name: str) -> bool:
    """Return whether a column's casefolded name says that it counts frames."""
    return name.replace("-", "_").replace(" ", "_") in _COUNTER_WORDS


_TIME_WORDS = {"time", "times", "timestamp", "timestamps", "datetime", "date_time", "date", "t", "data_time", "epoch",
               "unix_time", "elapsed", "seconds", "millis"}  # fmt: skip
_COUNTER_WORDS = {
    "frame",
    "frame_idx",
    "frame_no",
    "frame_number",
    "frame_seq",
    "frame_seqs",
    "seq",
    "index",
    "counter",
}
