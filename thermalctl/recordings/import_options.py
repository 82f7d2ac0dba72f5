"""What a user may have to tell about a recording of a foreign format, and the checks that all formats share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError, RequestError
from thermalctl.recordings.hdf5 import Recording
from thermalctl.recordings.units import Unit, check_told_unit, detect_unit, to_celsius

#: Recordings are held in memory while they are imported; this is 20 hours of 40x60 float32 at 6 frames a second.
MAX_FRAMES_BYTES = 4 * 2**30
#: Times are kept as int64 ms; a later one than this (the year 5138) is in another unit.
MAX_TIME_MS = 10**14


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What a file may not say about itself. The same options are used for all files of one import.

    Attributes:
        unit: of the pixels; None: detected.
        frame_size: (height, width) in pixels; None: the file's shape, its preamble or a well-known sensor's.
        frame_rate_hz: where the file has no times; None: it has.
        start_ms: the first frame's time, ms since 1970, where the file has no times or counts them from its start.
        mac_address: the device; "": the file's, where it says.

    Raises:
        RequestError: if a value is impossible.
    """

    unit: Unit | None = None
    frame_size: tuple[int, int] | None = None
    frame_rate_hz: float | None = None
    start_ms: int | None = None
    mac_address: str = ""

    def __post_init__(self) -> None:
        if self.frame_size is not None and min(self.frame_size) < 1:
            height, width = self.frame_size
            raise RequestError(f"--frame-size is {height}x{width}, expected HEIGHTxWIDTH in pixels, each 1 or more")
        if self.frame_rate_hz is not None and not (math.isfinite(self.frame_rate_hz) and self.frame_rate_hz > 0):
            raise RequestError(f"--frame-rate is {self.frame_rate_hz:g}, expected frames a second, more than 0")
        if self.start_ms is not None and not 0 <= self.start_ms < MAX_TIME_MS:
            raise RequestError(f"--start is {self.start_ms} ms, expected ms since 1970, from 0 to {MAX_TIME_MS - 1}")


def build_recording(
    where: str,
    *,
    sensor_id: str,
    frames: NDArray[np.generic],
    timestamps_ms: NDArray[np.int64],
    frame_seqs: NDArray[np.int64] | None = None,
    options: ImportOptions,
) -> Recording:
    """Return a recording in deg C, checked.

    Args:
        where: what an error names: the file.
        sensor_id: the recording's name.
        frames: (N, H, W) numbers in the options' unit, or in the one that is detected.
        timestamps_ms: (N,) ms since 1970. Repeated and decreasing times are kept, as sensors send them.
        frame_seqs: (N,) the sensor's own counter; None: 0 to N - 1.
        options: what the user told.

    Raises:
        RecordingError: naming `where`, what was found and what was expected.
    """
    check_frames(where, frames.shape, frames.dtype, options)
    check_finite(where, frames)
    check_times(where, timestamps_ms, num_frames=len(frames))
    if options.unit is None:
        unit = detect_unit(frames, where=where)
    else:
        unit = options.unit
        check_told_unit(frames, unit, where=where)
    return Recording(
        sensor_id=sensor_id,
        mac_address=options.mac_address,
        frames_c=to_celsius(frames, unit),
        timestamps_ms=timestamps_ms,
        frame_seqs=np.arange(len(frames), dtype=np.int64) if frame_seqs is None else frame_seqs,
    )


def check_frames(
    where: str, shape: tuple[int, ...], dtype: np.dtype[np.generic], options: ImportOptions, *, in_blocks: bool = False
) -> None:
    """Check the shape and type of frames, before they are read; whether they fit into memory unless read in blocks.

    Raises:
        RecordingError: if they are not (N, H, W) real numbers, of the size that was told, that fit into memory.
    """
    sizes = " x ".join(str(size) for size in shape) or "a single value"
    if not (np.issubdtype(dtype, np.integer) or np.issubdtype(dtype, np.floating)):
        raise RecordingError(
            f"{where}: frames are {dtype}, expected real numbers",
            hint="save them as float32 in deg C or as int16, without Python objects, texts or named fields",
        )
    if len(shape) != 3:
        raise RecordingError(
            f"{where}: frames are {sizes}, expected 3 dimensions: frames, height, width",
            hint="reshape the array to (N, H, W); one channel needs no dimension of its own",
        )
    if 0 in shape:
        raise RecordingError(
            f"{where}: frames are {sizes}: no frame or no pixel; expected at least one", hint=_LEAVE_OUT
        )
    if options.frame_size is not None and shape[1:] != options.frame_size:
        height, width = options.frame_size
        raise RecordingError(
            f"{where}: frames are {shape[1]}x{shape[2]}, expected {height}x{width} (--frame-size, height x width)",
            hint="leave --frame-size out, or correct it",
        )
    if not in_blocks and math.prod(shape) * 4 > MAX_FRAMES_BYTES:
        raise RecordingError(
            f"{where}: frames are {sizes}, {math.prod(shape) * 4 / 2**30:.3g} GiB; "
            f"expected at most {MAX_FRAMES_BYTES / 2**30:g} GiB in one recording",
            hint="cut the recording into parts; a part of some minutes is usual",
        )


def check_finite(where: str, frames: NDArray[np.generic]) -> None:
    """Check that every pixel of frames (N, H, W) is a number.

    Raises:
        RecordingError: naming the first pixel that is not, and how many there are.
    """
    finite = np.isfinite(frames.astype(np.float32) if frames.dtype.itemsize < 4 else frames)
    if finite.all():
        return
    frame, row, column = np.argwhere(~finite)[0]
    raise RecordingError(
        f"{where}: frame {frame}, row {row}, column {column} is {frames[frame, row, column]}, expected a temperature "
        f"({np.count_nonzero(~finite)} such pixels)",
        hint="leave such frames out, or write a lost pixel as 0 K: its whole frame then counts as incomplete",
    )


def check_times(where: str, timestamps_ms: NDArray[np.int64], *, num_frames: int) -> None:
    """Check the times (N,) of a recording's frames.

    Raises:
        RecordingError: if there are more or fewer than frames, if one is impossible, or if all are the same.
    """
    if len(timestamps_ms) != num_frames:
        raise RecordingError(
            f"{where}: {num_frames} frames but {len(timestamps_ms)} timestamps, expected one for each frame",
            hint="write both again from the source",
        )
    wrong = np.flatnonzero((timestamps_ms < 0) | (timestamps_ms >= MAX_TIME_MS))
    if wrong.size:
        raise RecordingError(
            f"{where}: the time of frame {wrong[0]} is {timestamps_ms[wrong[0]]} ms, expected ms since 1970, "
            f"from 0 to {MAX_TIME_MS - 1}",
            hint="correct the times in the file, or --start",
        )
    if num_frames > 1 and (timestamps_ms == timestamps_ms[0]).all():
        raise RecordingError(
            f"{where}: all {num_frames} frames have the same time, {timestamps_ms[0]} ms; expected each its own",
            hint="leave the times out and say --frame-rate and --start instead",
        )


_LEAVE_OUT = "leave this recording out, or write it again from its source"
