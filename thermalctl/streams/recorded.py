"""The frames of a recording one after another, whatever its length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from thermalctl.recordings.hdf5 import CHUNK_FRAMES, RecordingFile
from thermalctl.recordings.import_options import ImportOptions, check_frames, check_times
from thermalctl.recordings.importing import HDF5_SUFFIXES, check_stored_unit, import_recording
from thermalctl.recordings.units import Unit, to_celsius
from thermalctl.streams.frames import ArrivedFrame

#: Frames decoded at once: whole chunks of the recorder's files, 10 MB at 40x60.
BLOCK_FRAMES = 16 * CHUNK_FRAMES


class RecordedFrames:
    """The frames of a recording of any known format, in order.

    HDF5 is read block by block, so that its length does not matter; other formats are read whole.

    Attributes:
        num_frames: how many there are.
        seconds: from the first to the last.
        frame_size: (H, W) in pixels.
        mac_address: the device; "" where the file does not say.

    Args:
        path: the recording.
        options: what the file may not say about itself.

    Raises:
        RecordingError: if it cannot be read, or is not in deg C and nobody says so.
    """

    def __init__(self, path: Path, options: ImportOptions | None = None) -> None:
        self._path = path
        self._options = options or ImportOptions()
        self._held = None
        if path.suffix.lower() in HDF5_SUFFIXES:
            with RecordingFile(path) as file:
                shape = (file.num_frames, *file.frame_size)
                times_ms = file.timestamps_ms
                self.mac_address = self._options.mac_address or file.mac_address
                check_frames(str(path), shape, file.dtype, self._options, in_blocks=True)
                check_times(str(path), file.timestamps_ms, num_frames=file.num_frames)
                check_stored_unit(str(path), file.read(np.arange(min(BLOCK_FRAMES, file.num_frames))), self._options)
        else:
            self._held = import_recording(path, self._options)
            shape = self._held.frames_c.shape
            self.mac_address = self._held.mac_address
            times_ms = self._held.timestamps_ms
        self.seconds = float(np.ptp(times_ms)) / 1000
        self.num_frames: int = shape[0]
        self.frame_size: tuple[int, int] = shape[1:]

    def __iter__(self) -> Iterator[ArrivedFrame]:
        if self._held is not None:
            yield from map(ArrivedFrame, self._held.frames_c, self._held.timestamps_ms.tolist())
            return
        with RecordingFile(self._path) as file:
            for start in range(0, file.num_frames, BLOCK_FRAMES):
                block = file.read(np.arange(start, min(start + BLOCK_FRAMES, file.num_frames)))
                frames_c = to_celsius(block, self._options.unit or Unit.CELSIUS)
                yield from map(ArrivedFrame, frames_c, file.timestamps_ms[start : start + len(block)].tolist())
