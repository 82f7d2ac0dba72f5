"""Recordings as HDF5 files, the format that the sensor's recorder writes.

frames       (N, H, W) float32, deg C, gzip, chunks of 64 frames
timestamps   (N,) int64, arrival time in ms since 1970
frame_seqs   (N,) int64, the sensor's own frame counter
attributes   sensor_id, mac_address, total_frames, corrupted_count, frame_width, frame_height, min_timestamp, ...
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from thermalctl.errors import RecordingError
from thermalctl.files import replace_file

#: Frames per HDF5 chunk: one chunk is about one clip, 0.6 MB uncompressed at 40x60.
CHUNK_FRAMES = 64
GZIP_LEVEL = 4


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording held in memory.

    Attributes:
        sensor_id: the recording's name; its file is `<sensor_id>.h5`.
        mac_address: the device that recorded it.
        frames_c: (N, H, W) float32, deg C.
        timestamps_ms: (N,) int64, arrival times in ms since 1970.
        frame_seqs: (N,) int64, the sensor's own frame counter.
    """

    sensor_id: str
    mac_address: str
    frames_c: NDArray[np.float32]
    timestamps_ms: NDArray[np.int64]
    frame_seqs: NDArray[np.int64]


class RecordingFile:
    """A recording on disk, read window by window; a context manager.

    Attributes:
        path: the HDF5 file.
        sensor_id: the recording's name; the file's stem where the file does not say.
        mac_address: the device that recorded it, "" where the file does not say.
        num_frames: how many frames it holds.
        frame_size: (height, width) in pixels.
        timestamps_ms: (N,) int64, arrival times in ms since 1970.

    Raises:
        RecordingError: if the file is missing, is not HDF5 or lacks the expected datasets.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = h5py.File(path, "r", locking=False)
        except FileNotFoundError:
            raise RecordingError(
                f"{path}: no such file", hint="a recording is an HDF5 file, frames/<sensor_id>.h5"
            ) from None
        except OSError as error:
            raise RecordingError(
                f"{path}: cannot be read as HDF5 ({_first_line(error)})",
                hint="copy the file again; a file cut short or of another format looks like this",
            ) from error
        try:
            self._frames = _expect_dataset(self._file, path, "frames", num_dims=3)
            timestamps = _expect_dataset(self._file, path, "timestamps", num_dims=1)
            if len(timestamps) != len(self._frames):
                raise RecordingError(
                    f"{path}: {len(self._frames)} frames but {len(timestamps)} timestamps",
                    hint="each frame needs its arrival time in ms; record or convert the file again",
                )
            self.timestamps_ms: NDArray[np.int64] = _read(timestamps, path).astype(np.int64)
            self.sensor_id = str(self._file.attrs.get("sensor_id", path.stem))
            self.mac_address = str(self._file.attrs.get("mac_address", ""))
        except BaseException:
            self._file.close()
            raise
        self.num_frames = len(self._frames)
        self.frame_size: tuple[int, int] = self._frames.shape[1:]

    def read(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the frames at `indices` (T,), in that order and as often as named: (T, H, W) float32, deg C.

        Raises:
            RecordingError: if an index lies outside the recording or the file is damaged there.
        """
        wanted = np.asarray(indices, dtype=np.intp)
        if wanted.size == 0:
            return np.empty((0, *self.frame_size), dtype=np.float32)
        first, last = int(wanted.min()), int(wanted.max())
        if first < 0 or last >= self.num_frames:
            raise RecordingError(
                f"{self.path}: frames {first} to {last} were asked for, but it holds {self.num_frames} frames "
                f"(0 to {self.num_frames - 1})"
            )
        block = _read(self._frames, self.path, slice(first, last + 1)).astype(np.float32, copy=False)
        frames_c: NDArray[np.float32] = block[wanted - first]
        return frames_c

    def read_all(self) -> Recording:
        """Return the whole recording in memory.

        Raises:
            RecordingError: if the file is damaged.
        """
        has_seqs = "frame_seqs" in self._file
        seqs = _read(self._file["frame_seqs"], self.path) if has_seqs else np.arange(self.num_frames)
        return Recording(
            sensor_id=self.sensor_id,
            mac_address=self.mac_address,
            frames_c=_read(self._frames, self.path).astype(np.float32, copy=False),
            timestamps_ms=self.timestamps_ms,
            frame_seqs=seqs.astype(np.int64),
        )

    def close(self) -> None:
        """Close the file; reading afterwards is an error."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_recording(path: Path, recording: Recording) -> None:
    """Write a recording to `path`, whole or not at all."""
    height, width = recording.frames_c.shape[1:]
    with replace_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset(
            "frames",
            data=recording.frames_c.astype(np.float32, copy=False),
            chunks=(min(CHUNK_FRAMES, max(1, len(recording.frames_c))), height, width),
            compression="gzip",
            compression_opts=GZIP_LEVEL,
        )
        file.create_dataset("timestamps", data=recording.timestamps_ms)
        file.create_dataset("frame_seqs", data=recording.frame_seqs)
        file.attrs.update(
            sensor_id=recording.sensor_id,
            mac_address=recording.mac_address,
            total_frames=len(recording.frames_c),
            corrupted_count=0,
            frame_width=width,
            frame_height=height,
            min_timestamp=int(recording.timestamps_ms.min()),
            max_timestamp=int(recording.timestamps_ms.max()),
            compression="gzip",
            compression_level=GZIP_LEVEL,
            created_at=datetime.now(timezone.utc).isoformat(),
        )


def _expect_dataset(file: h5py.File, path: Path, name: str, *, num_dims: int) -> h5py.Dataset:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        held = ", ".join(sorted(file)) or "nothing"
        raise RecordingError(
            f'{path}: holds no dataset "{name}" (it holds: {held})',
            hint="a recording holds frames (N, H, W) in deg C and timestamps (N,) in ms",
        )
    if found.ndim != num_dims or not np.issubdtype(found.dtype, np.number):
        raise RecordingError(
            f'{path}: dataset "{name}" is {found.dtype} of shape {found.shape}, '
            f"expected numbers in {num_dims} dimensions",
            hint="a recording holds frames (N, H, W) in deg C and timestamps (N,) in ms",
        )
    return found


def _read(dataset: h5py.Dataset, path: Path, where: slice = slice(None)) -> NDArray[np.generic]:
    try:
        return np.asarray(dataset[where])
    except OSError as error:
        raise RecordingError(
            f'{path}: dataset "{dataset.name}" is damaged ({_first_line(error)})', hint="copy the file again"
        ) from error


def _first_line(error: OSError) -> str:
    return (str(error) or os.strerror(error.errno or 0)).splitlines()[0]
