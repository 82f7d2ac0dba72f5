"""Text files from other programs: their encoding, their delimiter and the numbers in a line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError, ThermalctlError

#: A table's delimiter; None: any white space.
Delimiter = str | None

#: Recordings as text are read whole; this is about 2 hours of 40x60 at 6 frames a second.
MAX_TEXT_BYTES = 2**29
#: The delimiter is judged by so many long lines among so many.
_LINES_TRIED, _LINES_SNIFFED = 20, 200
#: How much of a wrong value a message quotes.
_MAX_QUOTED = 24
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DATE_BEFORE_TIME = re.compile(r"^(\s*\d{4}-\d{2}-\d{2}) +(?=\d{2}:)", re.ASCII)


def read_text_lines(path: Path, *, kind: type[ThermalctlError] = RecordingError) -> list[str]:
    """Return a text file's lines without their ends: UTF-8, or UTF-16 with a byte order mark.

    Args:
        path: the file.
        kind: the error that is raised.

    Raises:
        ThermalctlError: of that kind, if the file is missing, empty, too large or no such text.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise kind(
                f"{path}: {path.stat().st_size / 2**20:.0f} MiB of text, expected at most {MAX_TEXT_BYTES / 2**20:.0f}",
                hint="cut it into parts, or save it as .npy or HDF5",
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise kind(f"{path}: no such file", hint="check the path") from None
    except OSError as error:
        raise kind(f"{path}: cannot be read ({error.strerror})", hint="check the path and its permissions") from error
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise kind(f"{path}: is not text in UTF-8 (byte {error.start})", hint=_SAVE_AS_TEXT) from error
    if "\0" in text:
        place = content.index(b"\0")
        raise kind(
            f"{path}: is not text in UTF-8 (byte {place} is zero, as in binary files and UTF-16)", hint=_SAVE_AS_TEXT
        )
    if not text.strip():
        raise kind(f"{path}: the file is empty", hint="copy or write it again, or leave it out")
    # Not splitlines(), which also splits at characters that editors do not count as line ends.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def sniff_delimiter(lines: Sequence[str]) -> Delimiter:
    """Return what separates the cells of a table of numbers: `;`, tab, `,` or, as None, white space.

    It is the one that makes the most numbers of the longest of the first lines; of two, the one named first, so that
    a comma between digits is a decimal comma if something else can be the delimiter.
    """
    longest = sorted(lines[:_LINES_SNIFFED], key=len, reverse=True)[:_LINES_TRIED]

    def count(delimiter: Delimiter) -> int:
        rows = [split_cells(line, delimiter) for line in longest]
        return sum(count_numbers(cells) for cells in rows if len(cells) > 1)

    candidates: tuple[Delimiter, ...] = (";", "\t", None, ",")
    return max(candidates, key=count)


def split_cells(line: str, delimiter: Delimiter) -> list[str]:
    """Return a line's cells without quotes and surrounding space; a delimiter at the end makes no cell."""
    if delimiter is None:
        # The space inside a date is no delimiter.
        return _DATE_BEFORE_TIME.sub(r"\1T", line).split()
    line = line.strip(" \r\n")
    if not line.strip():
        return []
    cells = [cell.strip().strip('"').strip() for cell in line.removesuffix(delimiter).split(delimiter)]
    return cells if delimiter == "," else [_replace_decimal_comma(cell) for cell in cells]


def parse_number(cell: str) -> float | None:
    """Return a cell's number, also `nan` and `inf`; None if it is none."""
    try:
        # Python's own separator of thousands is nobody's data.
        return None if "_" in cell else float(cell.replace(",", "."))
    except ValueError:
        return None


def parse_numbers(cells: Sequence[str], *, where: str) -> NDArray[np.float32]:
    """Return the numbers of one line's cells, float32, all finite.

    Raises:
        RecordingError: naming the column, from 1, of the first cell that is no finite number.
    """
    values = np.array([np.nan if value is None else value for value in map(parse_number, cells)])
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite, and is refused
        numbers = values.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if wrong.size:
        raise RecordingError(
            f"{where}, column {wrong[0] + 1}: {quote_cell(cells[wrong[0]])}, expected a number",
            hint="correct it, leave the frame out, or write a lost pixel as 0 K: its frame then counts as incomplete",
        )
    return numbers


def count_numbers(cells: Sequence[str]) -> int:
    """Return how many cells are numbers."""
    return sum(parse_number(cell) is not None for cell in cells)


def quote_cell(cell: str) -> str:
    """Return a cell as a message shows it: quoted, shortened, whatever is in it."""
    shown = cell if len(cell) <= _MAX_QUOTED else cell[: _MAX_QUOTED - 3] + "..."
    return f'"{shown}"' if shown.isprintable() else ascii(shown)


def _replace_decimal_comma(cell: str) -> str:
    return cell.replace(",", ".", 1)


_SAVE_AS_TEXT = "save it as text in UTF-8; a recording in another format needs its own ending, .npy or .h5"
