"""Recordings of any known format: which files are some, and reading each by what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.collecting import collect_frames
from thermalctl.recordings.hdf5 import Recording, RecordingFile
from thermalctl.recordings.import_arrays import TIMES_SUFFIX, import_npy, import_npz
from thermalctl.recordings.import_blocks import import_blocks
from thermalctl.recordings.import_folder import TEXT_SUFFIXES, import_folder, is_frame_folder
from thermalctl.recordings.import_options import ImportOptions, check_frames, check_times
from thermalctl.recordings.import_rows import import_rows
from thermalctl.recordings.names import check_names_differ, name_recording, sort_naturally
from thermalctl.recordings.text_layout import read_layout
from thermalctl.recordings.units import Unit, check_told_unit, find_plausible_units, to_celsius

__all__ = ["ImportOptions", "collect_frames", "import_recording", "list_recordings"]

HDF5_SUFFIXES = (".h5", ".hdf5")
SUFFIXES = (*HDF5_SUFFIXES, ".npy", ".npz", *TEXT_SUFFIXES)


def list_recordings(paths: Sequence[Path]) -> list[Path]:
    """Return the recordings among files and folders, each named differently, in natural order (R2 before R10).

    A folder stands for the recordings in it: files of a known format, and folders with a text file for each frame. It
    is one recording itself if it holds nothing but such text files.

    Raises:
        RecordingError: if a path is missing or of no known format, a folder holds no recording, or two recordings have
            the same name.
    """
    found: dict[Path, None] = {}  # ordered, each path once
    for path in paths:
        found.update(dict.fromkeys(_expand(path)))
    recordings = sort_naturally(found)
    check_names_differ(recordings)
    return recordings


def import_recording(path: Path, options: ImportOptions | None = None) -> Recording:
    """Return a recording in deg C from a file or folder of any known format; its name is the file's, without ending.

    Raises:
        RecordingError: naming the file, the line or field, what was found, what was expected and what to do.
    """
    options = options or ImportOptions()
    suffix = path.suffix.lower()
    name_recording(path)
    if not path.exists():
        raise RecordingError(f"{path}: no such file", hint="check the path")
    if path.is_dir():
        return import_folder(path, options)
    if suffix in HDF5_SUFFIXES:
        return _import_hdf5(path, options)
    if suffix == ".npy":
        return import_npy(path, options)
    if suffix == ".npz":
        return import_npz(path, options)
    if suffix in TEXT_SUFFIXES:
        layout = read_layout(path, options.frame_size)
        return import_rows(layout, options) if layout.kind == "rows" else import_blocks(layout, options)
    raise _refuse_format(path)


def check_stored_unit(where: str, frames: NDArray[np.float32], options: ImportOptions) -> None:
    """Check that frames (N, H, W) of an HDF5 file show a scene in the unit that was told, or in deg C.

    Raises:
        RecordingError: if they do not.
    """
    if options.unit is not None:
        check_told_unit(frames, options.unit, where=where)
        return
    fitting = find_plausible_units(frames)
    if fitting and Unit.CELSIUS not in fitting:
        raise RecordingError(
            f"{where}: frames look like {' or '.join(unit.value for unit in fitting)}; expected deg C in HDF5",
            hint=f"if they are, say so: --unit {fitting[0].value}",
        )


def _import_hdf5(path: Path, options: ImportOptions) -> Recording:
    """Return a recording as it is; the format says deg C, and pixels that are no number mark incomplete frames."""
    where = f"{path}"
    with RecordingFile(path) as file:
        check_frames(where, (file.num_frames, *file.frame_size), file.dtype, options)
        recording = file.read_all()
    check_times(where, recording.timestamps_ms, num_frames=len(recording.frames_c))
    check_stored_unit(where, recording.frames_c, options)
    return replace(
        recording,
        sensor_id=name_recording(path),
        mac_address=options.mac_address or recording.mac_address,
        frames_c=to_celsius(recording.frames_c, options.unit or Unit.CELSIUS),
    )


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        if is_frame_folder(path):
            return [path]
        inside = [item for item in path.iterdir() if not item.name.startswith(".") and _is_recording(item)]
        if not inside:
            raise RecordingError(
                f"{path}: holds no recording; expected {', '.join(SUFFIXES)}, or folders of text frames",
                hint="name the folder that the recordings are in",
            )
        return inside
    if not path.exists():
        raise RecordingError(f"{path}: no such file or folder", hint="check the path")
    if path.name.endswith(TIMES_SUFFIX):
        raise RecordingError(f"{path}: holds times, no frames", hint="name the array of frames beside it")
    if not _is_recording(path):
        raise _refuse_format(path)
    return [path]


def _is_recording(path: Path) -> bool:
    if path.is_dir():
        return is_frame_folder(path)
    return path.suffix.lower() in SUFFIXES and not path.name.endswith(TIMES_SUFFIX)


def _refuse_format(path: Path) -> RecordingError:
    return RecordingError(
        f'{path}: no recording has the ending "{path.suffix}"; expected {", ".join(SUFFIXES)}, or a folder',
        hint="convert it, or read it in Python with thermalctl.recordings.importing.collect_frames",
    )
