"""Recordings kept open between reads, for datasets that jump between them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermalctl.recordings.hdf5 import RecordingFile


class RecordingPool:
    """The recordings of one folder, each opened when first read.

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
        if sensor_id not in self._files:
            self._files[sensor_id] = RecordingFile(self.frames_dir / f"{sensor_id}.h5")
        return self._files[sensor_id].read(indices)

    def close(self) -> None:
        """Close what is open; reading again opens it again."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_files": {}}
