"""What the tests of damaged recordings do in a process of their own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from thermalctl.errors import DatasetError, RecordingError
from thermalctl.recordings.hdf5 import RecordingFile, listeners

OnProgress = Callable[[int, int], None]


def count(limit: int, *, on_progress: OnProgress) -> int:
    for number in range(1, limit + 1):
        on_progress(number, limit)
    return limit


def refuse() -> None:
    raise DatasetError("x.json: is wrong", hint="mend it")


def crash(path: Path) -> None:
    for listener in listeners:
        listener(path)
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(path: Path) -> None:
    for listener in listeners:
        listener(path)
    time.sleep(600)


def read_flipped(original: Path, folder: Path, seeds: range) -> dict[int, str]:
    """Return what became of a recording with a few bytes changed, by seed: "refused", "same", or what differs."""
    with RecordingFile(original) as file:
        good = file.read_all()
    content = original.read_bytes()
    outcomes = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        flipped = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 9)):
            flipped[place] = rng.integers(0, 256)
        path = folder / f"{seed}.h5"
        path.write_bytes(flipped)
        outcomes[seed] = _read(path, good)
        path.unlink()
    return outcomes


def _read(path: Path, good: object) -> str:
    try:
        with RecordingFile(path) as file:
            found = file.read_all()
    except RecordingError:
        return "refused"
    differing = [
        name
        for name in ("frames_c", "timestamps_ms", "frame_seqs")
        if not np.array_equal(getattr(found, name), getattr(good, name))
    ]
    return ", ".join(differing) or "same"
