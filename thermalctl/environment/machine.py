"""The machine itself: disks, shared memory, open files, the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from thermalctl.environment.diagnosis import Check

_MIB, _GIB = 2**20, 2**30

#: A checkpoint of SlowFast R50 with momentum and an averaged copy has 0.4 GB; `train` keeps a handful.
LEAST_WORK_BYTES = 5 * _GIB
#: The largest weights of the catalog have 0.25 GB.
LEAST_CACHE_BYTES = 1 * _GIB
#: Loader workers hand clips over in shared memory: 4 for training and 4 for validation, each with 2 batches of 8 clips
#: in flight, and 64 x 40 x 60 float32 a clip.
SHARED_MEMORY_BYTES = (4 + 4) * 2 * 8 * 64 * 40 * 60 * 4
#: Each tensor in flight is an open file; 1024 is what Linux gives by default.
LEAST_OPEN_FILES = 1024
SHARED_MEMORY_FOLDER = Path("/dev/shm")
#: Tables and charts are laid out for this many columns.
LEAST_COLUMNS = 80


def check_folder(name: str, folder: Path, least_free_bytes: int, *, needed: bool) -> Check:
    """Return whether a folder can be written and its disk has room.

    Args:
        name: what to call it.
        folder: it need not exist: what counts is where it would be created.
        least_free_bytes: less than this is worth a warning.
        needed: whether `train` fails without it.
    """
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(
            name=name,
            status="failed" if needed else "warning",
            found=f"{place} cannot be written",
            fix="run where you may write" if needed else "set THERMALCTL_CACHE to a folder where you may write",
        )
    num_free = shutil.disk_usage(place).free
    found = f"{_format_bytes(num_free)} free in {_shorten(folder)}"
    if num_free < least_free_bytes:
        why = f"checkpoints and weights want {_format_bytes(least_free_bytes)}"
        return Check(name=name, status="warning", found=found, why=why, fix="free some space, or use another disk")
    return Check(name=name, status="ok", found=found)


def check_shared_memory(folder: Path = SHARED_MEMORY_FOLDER, needed_bytes: int = SHARED_MEMORY_BYTES) -> Check:
    """Return whether loader workers can hand over their clips; a container has 64 MiB unless told otherwise."""
    if not folder.is_dir():
        return Check(name="shared memory", status="skipped", found=f"no {folder} on this system")
    num_free = shutil.disk_usage(folder).free
    if num_free >= needed_bytes:
        return Check(name="shared memory", status="ok", found=f"{_format_bytes(num_free)} free")
    return Check(
        name="shared memory",
        status="warning",
        found=f"{_format_bytes(num_free)} free; 4 + 4 workers hold about {_format_bytes(needed_bytes)}",
        why="a worker that finds none left dies with a bus error",
        fix="docker run --shm-size=1g ...   or   --num-workers 0",
    )


def check_open_files() -> Check:
    """Return whether a process may open as many files as loader workers need."""
    try:
        import resource
    except ImportError:
        return Check(name="open files", status="skipped", found="no limit on this system")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= LEAST_OPEN_FILES:
        found = "no limit" if limit == resource.RLIM_INFINITY else f"{limit:,} for each process"
        return Check(name="open files", status="ok", found=found)
    return Check(
        name="open files",
        status="warning",
        found=f"{limit:,} for each process",
        why="loader workers keep one open for each tensor on its way",
        fix="ulimit -n 4096",
    )


def check_terminal() -> Check:
    """Return whether tables and progress can be drawn where this command runs."""
    stream = sys.__stdout__  # sys.stdout itself may be a progress display's stand-in
    if stream is None or not stream.isatty():
        return Check(name="terminal", status="skipped", found="the output is not a terminal")
    columns, encoding = shutil.get_terminal_size().columns, stream.encoding.lower()
    found = f"{columns} columns, {encoding}"
    if not encoding.startswith("utf"):
        fix = "export PYTHONUTF8=1"
        return Check(name="terminal", status="warning", found=found, why="bars and lines need UTF-8", fix=fix)
    if columns < LEAST_COLUMNS:
        why = f"tables are made for {LEAST_COLUMNS} columns and will be folded"
        return Check(name="terminal", status="warning", found=found, why=why, fix="widen the window")
    return Check(name="terminal", status="ok", found=found)


def _shorten(folder: Path) -> str:
    """Return a folder as a user writes it: "the current folder", or from their home, "~/.cache/thermalctl"."""
    whole, home = folder.resolve(), Path.home()
    if whole == Path.cwd():
        return "the current folder"
    return f"~/{whole.relative_to(home).as_posix()}" if whole.is_relative_to(home) else str(whole)


def _format_bytes(num_bytes: int) -> str:
    if num_bytes < _GIB:
        return f"{num_bytes / _MIB:,.0f} MiB"
    return f"{num_bytes / _GIB:,.{0 if num_bytes >= 10 * _GIB else 1}f} GiB"
