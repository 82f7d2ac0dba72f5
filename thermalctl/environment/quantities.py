"""Sizes and places as a user reads them."""

from __future__ import annotations

import shlex
from pathlib import Path

MIB, GIB = 2**20, 2**30


def format_bytes(num_bytes: int) -> str:
    """Return a size in MiB or GiB: "64 MiB", "7.5 GiB", "1,024 GiB"."""
    if num_bytes < GIB:
        return f"{num_bytes / MIB:,.0f} MiB"
    return f"{num_bytes / GIB:,.{0 if num_bytes >= 10 * GIB else 1}f} GiB"


def shorten_home(path: Path) -> str:
    """Return a path as a user writes it, from their home if it lies there: "~/.cache/thermalctl"."""
    home = Path("~").expanduser() if _has_home() else None
    if home is not None and home != Path("/") and path.is_relative_to(home):
        return f"~/{path.relative_to(home).as_posix()}"
    return str(path)


def quote_path(path: Path) -> str:
    """Return a path for a command that is copied."""
    return shlex.quote(str(path))


def _has_home() -> bool:
    try:
        Path.home()
    except RuntimeError:  # no HOME, and a user id without an entry, as in many containers
        return False
    return True
