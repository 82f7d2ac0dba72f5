"""Which checkpoints lie in a run's folder."""

from __future__ import annotations

from pathlib import Path

#: Names the checkpoint that was written last; MMEngine's.
LAST_FILE = "last_checkpoint"
#: Written in the middle of an epoch.
STEP_CHECKPOINTS = "iter_*.pth"


def find_best(folder: Path) -> Path | None:
    """Return the checkpoint that validation chose, the newest of several; None where there is none."""
    return _find_newest(folder, "best_*.pth")


def find_last(folder: Path) -> Path | None:
    """Return the checkpoint that was written last, chosen by validation or not; None where there is none."""
    pointer = folder / LAST_FILE
    if pointer.is_file():
        # Only the name: a run that was moved or copied still points to where it was written.
        named = folder / Path(pointer.read_text(encoding="utf-8").strip()).name
        if named.is_file():
            return named
    return _find_newest(folder, "*.pth")


def _find_newest(folder: Path, pattern: str) -> Path | None:
    found = [path for path in folder.glob(pattern) if not path.name.startswith(".")]  # those are half-written
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)
