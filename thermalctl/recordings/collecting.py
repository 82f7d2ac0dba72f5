"""Recordings from anywhere: whatever Python can read frame by frame, a database say."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.arrival_times import to_epoch_ms
from thermalctl.recordings.hdf5 import Recording
from thermalctl.recordings.import_options import (
    MAX_FRAMES_BYTES,
    MAX_TIME_MS,
    ImportOptions,
    build_recording,
    check_finite,
    check_frames,
)
from thermalctl.recordings.names import is_plain_name
from thermalctl.recordings.units import Unit


def collect_frames(
    frames: Iterable[tuple[int | datetime, ArrayLike]],
    *,
    sensor_id: str,
    mac_address: str = "",
    unit: Unit | None = None,
) -> Recording:
    """Return a recording from an iterator of (time, frame), one after the other: the hook for any other source.

    Args:
        frames: the time as whole ms since 1970, or as a datetime with a time zone; the frame as (H, W) numbers, all
            of one size. The order is kept.
        sensor_id: the recording's name, a plain file name.
        mac_address: the device, "" if it is not known.
        unit: of the pixels; None: detected.

    Raises:
        RecordingError: naming the recording and the frame, counted from 0, that is wrong.
    """
    if not is_plain_name(sensor_id):
        raise RecordingError(
            f"sensor_id is {sensor_id!a}, expected a plain file name",
            hint='leave out separators and : * ? " < > |',
        )
    options = ImportOptions(unit=unit, mac_address=mac_address)
    timestamps_ms: list[int] = []
    collected: list[NDArray[np.generic]] = []
    num_bytes = 0
    for place, (time, values) in enumerate(frames):
        where = f"recording {sensor_id}: frame {place}"
        timestamps_ms.append(_parse_time(time, where))
        frame = _parse_frame(values, where, options)
        if collected and frame.shape != collected[0].shape:
            raise RecordingError(
                f"{where} is {frame.shape[0]}x{frame.shape[1]}, expected "
                f"{collected[0].shape[0]}x{collected[0].shape[1]} as the first",
                hint="one recording has frames of one size; collect others apart",
            )
        collected.append(frame)
        num_bytes += frame.nbytes
        if num_bytes > 2 * MAX_FRAMES_BYTES:  # float64 at most
            raise RecordingError(
                f"{where}: more than {2 * MAX_FRAMES_BYTES / 2**30:g} GiB so far", hint="collect the recording in parts"
            )
    if not collected:
        raise RecordingError(
            f"recording {sensor_id}: no frame came; expected at least one", hint="check what the iterator reads"
        )
    return build_recording(
        f"recording {sensor_id}",
        sensor_id=sensor_id,
        frames=np.stack(collected),
        timestamps_ms=np.array(timestamps_ms, dtype=np.int64),
        options=options,
    )


def _parse_time(time: object, where: str) -> int:
    if isinstance(time, datetime):
        if time.utcoffset() is None:
            raise RecordingError(
                f"{where} has the time {time.isoformat()}, expected one with a time zone",
                hint="say which: time.replace(tzinfo=timezone.utc)",
            )
        time_ms = to_epoch_ms(time)
    else:
        try:
            # Seconds as float and ms as int would differ by a point only; numpy's integers are welcome.
            time_ms = operator.index(time) if not isinstance(time, (bool, np.bool_)) else -1  # type: ignore[arg-type]
        except TypeError:
            time_ms = -1
    if not 0 <= time_ms < MAX_TIME_MS:
        raise RecordingError(
            f"{where} has the time {ascii(time)[:40]}, expected whole ms since 1970 or a datetime with a time zone",
            hint="seconds become ms with round(1000 * seconds)",
        )
    return time_ms


def _parse_frame(values: ArrayLike, where: str, options: ImportOptions) -> NDArray[np.generic]:
    try:
        # A copy: readers that fill one buffer again and again are common.
        frame = np.array(values)
    except (ValueError, TypeError) as error:
        raise RecordingError(f"{where} is no array of numbers ({error})", hint=_EXPECTED) from error
    if frame.ndim != 2:
        sizes = " x ".join(str(size) for size in frame.shape) or "a single value"
        raise RecordingError(f"{where} is {sizes}, expected 2 dimensions: height, width", hint=_EXPECTED)
    check_frames(where, (1, *frame.shape), frame.dtype, options)
    check_finite(where, frame[None])
    return frame


_EXPECTED = "a frame is (H, W) numbers, as float32 in deg C; a flat list becomes one with reshape(H, W)"
