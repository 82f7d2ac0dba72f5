"""Recordings as HDF5 files, the format that the sensor's recorder writes.

frames       (N, H, W) float32, deg C, gzip, chunks of 64 frames
timestamps   (N,) int64, arrival time in ms since 1970
frame_seqs   (N,) int64, the sensor's own frame counter
attributes   sensor_id, mac_address, total_frames, corrupted_count, frame_width, frame_height, min_timestamp, ...
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from thermalctl.errors import RecordingError
from thermalctl.files import replace_file

#: Frames per HDF5 chunk: one chunk is about one clip, 0.6 MB uncompressed at 40x60.
CHUNK_FRAMES = 64
GZIP_LEVEL = 4
Compression = Literal["gzip", "lzf", "none"]

#: Each is told the path of a recording before it is opened: what comes after may not return.
listeners: list[Callable[[Path], None]] = []

#: What h5py raises on damaged files, by where the damage is. HDF5 checks few of its structures.
_DAMAGE = (OSError, RuntimeError, ValueError, LookupError, TypeError, OverflowError, MemoryError, SystemError)
#: Deflate makes nothing smaller than by this factor (zlib's technical notes); room for an allocation is not asked for
#: on the word of a damaged header. Small datasets may not have been written at all yet.
_MAX_COMPRESSION, _LEAST_STORED_BYTES = 1032, 4096
#: Nothing but zeros is packed to a hundredth and less.
_LEAST_COMPRESSION_OF_ZEROS, _PACKED_OVERHEAD_BYTES = 50, 256


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
        dtype: of the frames as stored.
        compression: of the frames: "gzip", "lzf", ..., "none".

    Raises:
        RecordingError: if the file is missing, is not HDF5 or lacks the expected datasets.
    """

    #: What HDF5 keeps of the chunks that it has decoded, of each file; None for its own 1 MiB, or 8 from version 2.
    chunk_cache_bytes: ClassVar[int | None] = None

    def __init__(self, path: Path) -> None:
        self.path = path
        for listener in listeners:
            listener(path)
        try:
            self._file = h5py.File(path, "r", locking=False, rdcc_nbytes=self.chunk_cache_bytes)
        except FileNotFoundError:
            raise RecordingError(
                f"{path}: no such file", hint="a recording is an HDF5 file, frames/<sensor_id>.h5"
            ) from None
        except _DAMAGE as error:
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
            self.num_frames = len(self._frames)
            self.frame_size: tuple[int, int] = self._frames.shape[1:]
            self.dtype: np.dtype[np.generic] = self._frames.dtype
            self.compression: str = self._frames.compression or "none"
        except _DAMAGE as error:
            self.close()
            raise RecordingError(f"{path}: is damaged ({_first_line(error)})", hint="copy the file again") from error
        except BaseException:
            self.close()
            raise

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
        if len(block) == len(wanted) and bool((np.diff(wanted) == 1).all()):
            return block  # as most clips are; picking the frames would copy them once more
        frames_c: NDArray[np.float32] = block[wanted - first]
        return frames_c

    def read_all(self) -> Recording:
        """Return the whole recording in memory.

        Raises:
            RecordingError: if the file is damaged.
        """
        try:
            held = self._file.get("frame_seqs")
        except _DAMAGE as error:
            raise RecordingError(
                f"{self.path}: is damaged ({_first_line(error)})", hint="copy the file again"
            ) from error
        seqs: NDArray[np.generic] = np.arange(self.num_frames)
        if held is not None:
            seqs = _read(_expect_dataset(self._file, self.path, "frame_seqs", num_dims=1), self.path)
            if len(seqs) != self.num_frames:
                raise RecordingError(
                    f"{self.path}: {self.num_frames} frames but {len(seqs)} frame_seqs",
                    hint="each frame needs its number, or none has one; record or convert the file again",
                )
        return Recording(
            sensor_id=self.sensor_id,
            mac_address=self.mac_address,
            frames_c=_read(self._frames, self.path).astype(np.float32, copy=False),
            timestamps_ms=self.timestamps_ms,
            frame_seqs=seqs.astype(np.int64),
        )

    def close(self) -> None:
        """Close the file; reading afterwards is an error."""
        with suppress(*_DAMAGE):  # a damaged file cannot even be closed in order
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_recording(path: Path, recording: Recording, *, compression: Compression = "gzip") -> None:
    """Write a recording to `path`, whole or not at all.

    Args:
        path: the file.
        recording: what to write.
        compression: "gzip" as the sensor's recorder does, "lzf" which is read faster, or "none".
    """
    height, width = recording.frames_c.shape[1:]
    with replace_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset(
            "frames",
            data=recording.frames_c.astype(np.float32, copy=False),
            chunks=(min(CHUNK_FRAMES, max(1, len(recording.frames_c))), height, width),
            compression=None if compression == "none" else compression,
            compression_opts=GZIP_LEVEL if compression == "gzip" else None,
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
            compression=compression,
            compression_level=GZIP_LEVEL if compression == "gzip" else 0,
            # When its last frame arrived, not when it was written: equal recordings are equal files.
            created_at=datetime.fromtimestamp(int(recording.timestamps_ms.max()) / 1000, tz=timezone.utc).isoformat(),
        )


def _expect_dataset(file: h5py.File, path: Path, name: str, *, num_dims: int) -> h5py.Dataset:
    found = file.get(name)  # raises one of _DAMAGE where the file's index is broken
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
    stored, held = found.id.get_storage_size(), found.size * found.dtype.itemsize
    if held > _MAX_COMPRESSION * max(stored, _LEAST_STORED_BYTES):
        raise RecordingError(
            f'{path}: dataset "{name}" claims {held:,} bytes of shape {found.shape}, but the file holds {stored:,}',
            hint="the file is damaged, or frames were never written to it; copy it again",
        )
    if found.chunks is not None:
        num_wanted = math.prod(-(-size // chunk) for size, chunk in zip(found.shape, found.chunks, strict=True))
        if found.id.get_num_chunks() != num_wanted:  # HDF5 reads what is not there as zeros
            raise RecordingError(
                f'{path}: dataset "{name}" holds {found.id.get_num_chunks()} of {num_wanted} chunks',
                hint="the file is damaged, or was not written to its end; copy it again",
            )
    return found


def _read(dataset: h5py.Dataset, path: Path, where: slice = slice(None)) -> NDArray[np.generic]:
    try:
        values = np.asarray(dataset[where])
        lost = _find_lost_row(dataset, values, where.start or 0)
    except _DAMAGE as error:
        raise RecordingError(
            f'{path}: dataset "{dataset.name}" is damaged ({_first_line(error)})', hint="copy the file again"
        ) from error
    if lost is not None:
        raise RecordingError(
            f'{path}: dataset "{dataset.name}" is damaged (row {lost} is not in the file)', hint="copy the file again"
        )
    return values


def _find_lost_row(dataset: h5py.Dataset, values: NDArray[np.generic], first: int) -> int | None:
    """Return a row of a chunk that HDF5 cannot find or unpack, for which it may return zeros; None if there is none."""
    if dataset.chunks is None:
        return None
    rows_per_chunk = dataset.chunks[0]
    num_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    most_for_zeros = _PACKED_OVERHEAD_BYTES + num_bytes / _LEAST_COMPRESSION_OF_ZEROS
    is_zero = values.reshape(len(values), -1)[:, 0] == 0  # a row of zeros begins with one
    for chunk in np.unique((first + np.flatnonzero(is_zero)) // rows_per_chunk).tolist():
        rows = slice(chunk * rows_per_chunk, (chunk + 1) * rows_per_chunk)
        info = dataset.id.get_chunk_info_by_coord((rows.start, *(0,) * (dataset.ndim - 1)))
        if info.byte_offset is None or (info.size > most_for_zeros and not np.any(dataset[rows])):
            return int(rows.start)
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
