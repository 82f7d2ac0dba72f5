"""Recordings as numpy arrays: `.npy` with times beside it, `.npz` with frames and times in it."""

from __future__ import annotations

import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.arrival_times import count_times, find_time_scale, read_times
from thermalctl.recordings.hdf5 import Recording
from thermalctl.recordings.import_options import MAX_FRAMES_BYTES, ImportOptions, build_recording, check_frames
from thermalctl.recordings.names import name_recording

#: `hall.npy` has its times in `hall.timestamps.npy`.
TIMES_SUFFIX = ".timestamps.npy"
#: Names of arrays in an `.npz`, the first that is there counts.
FRAMES_NAMES = ("frames", "frames_c", "data", "images", "thermal", "temperature", "temperatures", "arr_0")
TIMES_NAMES = (
    "timestamps", "timestamps_ms", "timestamps_s", "timestamp", "timestamp_ms", "timestamp_s",
    "times", "times_ms", "times_s", "time", "time_ms", "time_s", "arr_1",
)  # fmt: skip
SEQS_NAMES = ("frame_seqs", "frame_seq", "seqs", "seq")

#: numpy quotes whole headers.
_MAX_REASON = 120


def import_npy(path: Path, options: ImportOptions) -> Recording:
    """Return a recording from an array (N, H, W) and the times beside it, or the options' frame rate and start.

    Raises:
        RecordingError: if the array or its times are missing, damaged or of another shape or type.
    """
    with _open_npy(path) as (file, size):
        frames = _read_array(file, size, f"{path}", options)
    times_path = path.with_name(path.stem + TIMES_SUFFIX)
    if times_path.exists():
        with _open_npy(times_path) as (file, size):
            times = _read_array(file, size, f"{times_path}", None)
        timestamps_ms = read_times(
            _expect_list(times, f"{times_path}"), where=f"{times_path}", scale=None, start_ms=options.start_ms
        )
    else:
        where = f"{path} (without {times_path.name} beside it)"
        timestamps_ms = _count_frames(len(frames), where, options)
    return build_recording(
        f"{path}",
        sensor_id=name_recording(path),
        frames=frames,
        timestamps_ms=timestamps_ms,
        options=options,
    )


def import_npz(path: Path, options: ImportOptions) -> Recording:
    """Return a recording from an archive's arrays, named as in `FRAMES_NAMES`, `TIMES_NAMES` and `SEQS_NAMES`.

    Raises:
        RecordingError: if an array is missing, damaged or of another shape or type.
    """
    where = f"{path}"
    with _translate_errors(where), zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

        def read(name: str, of_frames: ImportOptions | None) -> NDArray[np.generic]:
            with archive.open(members[name]) as file:
                return _read_array(file, members[name].file_size, f'{where}: array "{name}"', of_frames)

        frames_name = _find_name(members, FRAMES_NAMES)
        if frames_name is None:
            held = ", ".join(sorted(members)) or "nothing"
            raise RecordingError(
                f"{where}: holds no frames (it holds: {held})",
                hint=f"expected an array (N, H, W) under one of these names: {', '.join(FRAMES_NAMES)}",
            )
        frames = read(frames_name, options)
        times_name, seqs_name = _find_name(members, TIMES_NAMES), _find_name(members, SEQS_NAMES)
        times = None if times_name is None else _expect_list(read(times_name, None), f'{where}: array "{times_name}"')
        seqs = None if seqs_name is None else _expect_list(read(seqs_name, None), f'{where}: array "{seqs_name}"')
    if times is None:
        without = f"{where} (without an array {TIMES_NAMES[0]})"
        timestamps_ms = _count_frames(len(frames), without, options)
    else:
        timestamps_ms = read_times(
            times,
            where=f'{where}: array "{times_name}"',
            scale=find_time_scale(times_name or ""),
            start_ms=options.start_ms,
        )
    if seqs is not None and (len(seqs) != len(frames) or not np.issubdtype(seqs.dtype, np.integer)):
        raise RecordingError(
            f'{where}: array "{seqs_name}" is {len(seqs)} x {seqs.dtype}, expected {len(frames)} whole numbers',
            hint="leave it out; frames are then counted from 0",
        )
    return build_recording(
        where,
        sensor_id=name_recording(path),
        frames=frames,
        timestamps_ms=timestamps_ms,
        frame_seqs=None if seqs is None else seqs.astype(np.int64),
        options=options,
    )


@contextmanager
def _open_npy(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    with _translate_errors(f"{path}"), path.open("rb") as file:
        yield file, path.stat().st_size


@contextmanager
def _translate_errors(where: str) -> Iterator[None]:
    """Turn what numpy, zipfile and zlib raise for damaged files into a RecordingError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy remarks on headers that Python 2 wrote
            yield
    except FileNotFoundError:
        raise RecordingError(f"{where}: no such file", hint="check the path") from None
    except zipfile.BadZipFile as error:
        raise RecordingError(f"{where}: is not a .npz archive, or damaged ({error})", hint=_COPY_AGAIN) from error
    except (
        ValueError, TypeError, SyntaxError, EOFError, OverflowError, MemoryError, RecursionError, KeyError,
        tokenize.TokenError, zlib.error, NotImplementedError, RuntimeError, OSError,
    ) as error:  # fmt: skip
        reason = next(iter(str(error).splitlines()), "")[:_MAX_REASON] or type(error).__name__
        raise RecordingError(f"{where}: cannot be read as a numpy array ({reason})", hint=_COPY_AGAIN) from error


def _read_array(file: IO[bytes], size: int, where: str, of_frames: ImportOptions | None) -> NDArray[np.generic]:
    """Return an array after its header was found to tell the truth: nothing is reserved for what is not there."""
    major, _ = np.lib.format.read_magic(file)
    if major not in (1, 2):
        raise ValueError(f"format version {major}; expected 1 or 2, as for plain numbers")
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise RecordingError(
            f"{where}: holds Python objects (dtype {dtype}), which are never loaded: they could run code; "
            f"expected numbers",
            hint="save it again as numbers: numpy.save(path, numpy.stack(frames).astype('float32'))",
        )
    if of_frames is not None:
        check_frames(where, shape, dtype, of_frames)
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes > 2 * MAX_FRAMES_BYTES:  # float64 at most
        raise RecordingError(f"{where}: is {num_bytes / 2**30:.3g} GiB, which no recording is", hint=_COPY_AGAIN)
    if num_bytes > size - file.tell():
        raise RecordingError(
            f"{where}: its header promises {' x '.join(map(str, shape))} {dtype}, {num_bytes} bytes, "
            f"but {max(size - file.tell(), 0)} follow",
            hint=_COPY_AGAIN,
        )
    content = file.read(num_bytes)
    if len(content) < num_bytes:
        raise EOFError(f"ends after {len(content)} of {num_bytes} bytes")
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if is_fortran else "C")


def _count_frames(num_frames: int, where: str, options: ImportOptions) -> NDArray[np.int64]:
    return count_times(
        np.arange(num_frames), where=where, frame_rate_hz=options.frame_rate_hz, start_ms=options.start_ms
    )


def _expect_list(values: NDArray[np.generic], where: str) -> NDArray[np.generic]:
    if values.ndim != 1:
        sizes = " x ".join(str(size) for size in values.shape) or "a single value"
        raise RecordingError(f"{where}: is {sizes}, expected one dimension, a value for each frame", hint=_FLATTEN)
    return values


def _find_name(held: Sequence[str] | dict[str, zipfile.ZipInfo], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in held), None)


_COPY_AGAIN = "copy or write the file again; it may be cut short or of another format"
_FLATTEN = "save it again with shape (N,)"
