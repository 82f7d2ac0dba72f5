"""Recordings kept open between reads, for datasets that jump between them."""

from __future__ import annotations

import math
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

    Every process opens its own: HDF5 handles cannot be shared with a forked worker or sent to a spawned one. Frames
    that are held in memory are shared with forked workers, whatever was read before they were forked.

    Args:
        frames_dir: the folder of `<sensor_id>.h5` files.
        held_bytes: how much memory may hold decoded recordings. Each is decoded whole when first read, while there is
            room; those for which there is none are read window by window. None makes room for another: where clips
            are drawn at random, what is thrown out is needed again as soon as what replaces it.
    """

    def __init__(self, frames_dir: Path, *, held_bytes: int = 0) -> None:
        self.frames_dir = frames_dir
        self._files: dict[str, RecordingFile] = {}
        self._owner = os.getpid()
        self._room_bytes = held_bytes
        self._held: dict[str, NDArray[np.float32]] = {}

    def read(self, sensor_id: str, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the frames of a recording at `indices` (T,): (T, H, W) float32, deg C.

        Raises:
            RecordingError: if the recording is missing or damaged, or an index lies outside it.
        """
        wanted = np.asarray(indices, dtype=np.intp)
        held = self._find_held(sensor_id)
        if held is not None and wanted.size and wanted.min() >= 0 and wanted.max() < len(held):
            return held[wanted]
        return self._open(sensor_id).read(wanted)  # which says what is wrong with indices that lie outside

    def read_all(self, sensor_id: str) -> NDArray[np.float32]:
        """Return all frames of a recording, (N, H, W) float32, deg C; not to be written to.

        Raises:
            RecordingError: if the recording is missing or damaged.
        """
        held = self._find_held(sensor_id)
        return self._open(sensor_id).read_all().frames_c if held is None else held

    def close(self) -> None:
        """Close what is open and give back what is held; reading again opens it again."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._room_bytes += sum(frames.nbytes for frames in self._held.values())
        self._held.clear()

    def _open(self, sensor_id: str) -> RecordingFile:
        if self._owner != os.getpid():
            self._files, self._owner = {}, os.getpid()
        file = self._files.pop(sensor_id, None) or RecordingFile(self.frames_dir / f"{sensor_id}.h5")
        self._files[sensor_id] = file  # the last in order is the last that was read
        if len(self._files) > MAX_OPEN:
            self._files.pop(next(iter(self._files))).close()
        return file

    def _find_held(self, sensor_id: str) -> NDArray[np.float32] | None:
        """Return a recording's frames from memory, decoding them where there is room; None where there is none."""
        if sensor_id in self._held:
            return self._held[sensor_id]
        if self._room_bytes == 0:
            return None
        file = self._open(sensor_id)
        num_bytes = file.num_frames * math.prod(file.frame_size) * np.dtype(np.float32).itemsize
        if num_bytes > self._room_bytes:
            return None
        frames_c = file.read_all().frames_c
        frames_c.flags.writeable = False
        self._room_bytes -= num_bytes
        self._held[sensor_id] = frames_c
        return frames_c

    def __getstate__(self) -> dict[str, Any]:
        room_bytes = self._room_bytes + sum(frames.nbytes for frames in self._held.values())
        return self.__dict__ | {"_files": {}, "_held": {}, "_room_bytes": room_bytes}
