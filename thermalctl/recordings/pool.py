"""Recordings kept open between reads, for datasets that jump between them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermalctl.recordings.hdf5 import RecordingFile

#: Recordings open at once: each process may have 1,024 files open by default, and loader workers need theirs.
MAX_OPEN = 128


class RecordingPool:
    """The recordings of one folder, each opened when first read; those unread for longest are closed again.

    Every process opens its own: HDF5 handles cannot be shared with a forked worker or sent to a spawned one.

    Args:
        frames_dir: the folder of `<sensor_id>.h5` files.
    """

    def __init__(self, frames_dir: Path) -> None:
        self.frames_dir = frames_dir
        self._files: dict[str, RecordingFile] = {}
        self._owner = os.getpid()

    def read(self, sensor_id: str, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the frames of a recording at `indices` (T,): (T, H, W) float32, deg C.

        Raises:
            RecordingError: if the recording is missing or damaged, or an index lies outside it.
        """
        if self._owner != os.getpid():
            self._files, self._owner = {}, os.getpid()
        file = self._files.pop(sensor_id, None) or RecordingFile(self.frames_dir / f"{sensor_id}.h5")
        self._files[sensor_id] = file  # the last in order is the last that was read
        if len(self._files) > MAX_OPEN:
            self._files.pop(next(iter(self._files))).close()
        return file.read(indices)

    def close(self) -> None:
        """Close what is open; reading again opens it again."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_files": {}}
