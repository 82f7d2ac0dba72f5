"""Names of recordings: they become file names in a dataset, so that they must be plain and tell recordings apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from thermalctl.errors import RecordingError

#: A file name has at most 255 bytes on every common system; the rest is for suffixes.
MAX_NAME_BYTES = 200


def is_plain_name(name: str) -> bool:
    """Return whether a text can name a recording: a file name without a folder, on every system."""
    if name in ("", ".", "..") or name != name.strip():
        return False
    # A lone surrogate is not printable either, and so never reaches the encoding below.
    return (
        name.isprintable() and not any(sign in name for sign in '/\\:*?"<>|') and len(name.encode()) <= MAX_NAME_BYTES
    )


def name_recording(path: Path) -> str:
    """Return a recording's name, its file's stem or its folder's name.

    Raises:
        RecordingError: if that cannot name a recording.
    """
    name = path.name if path.is_dir() else path.stem
    if not is_plain_name(name):
        raise RecordingError(
            f"{path.parent / ascii(path.name)}: cannot name a recording; expected a plain file name",
            hint=f'rename it: no separators, no : * ? " < > |, no space at an end, at most {MAX_NAME_BYTES} bytes',
        )
    return name


def sort_naturally(paths: Iterable[Path]) -> list[Path]:
    """Return paths with numbers in their names in the order of the numbers: R2 before R10."""
    return sorted(paths, key=_split_numbers)


def check_names_differ(paths: Sequence[Path]) -> None:
    """Check that no two recordings get the same name; capital letters make no difference, as on some file systems.

    Raises:
        RecordingError: naming the first two that do.
    """
    seen: dict[str, Path] = {}
    for path in paths:
        name = name_recording(path)
        other = seen.setdefault(name.casefold(), path)
        if other is not path:
            raise RecordingError(
                f'{other} and {path} would both be the recording "{name}"; expected a name of its own for each',
                hint="rename one of them; annotations name recordings by their file's name without its ending",
            )


def _split_numbers(path: Path) -> tuple[str, list[tuple[int, int, str]], str]:
    # Numbers sort before words, as digits do before letters.
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return (
        str(path.parent),
        [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part],
        path.name,
    )
