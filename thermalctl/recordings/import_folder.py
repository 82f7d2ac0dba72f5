"""Recordings as folders: a text file for each frame, named by its number or its time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.arrival_times import MIN_EPOCH_S, count_times, parse_iso_time, read_times
from thermalctl.recordings.frame_sizes import WELL_KNOWN_SIZES, find_well_known_size
from thermalctl.recordings.hdf5 import Recording
from thermalctl.recordings.import_options import ImportOptions, build_recording
from thermalctl.recordings.names import name_recording, sort_naturally
from thermalctl.recordings.text_layout import MAX_BLOCK_RATIO, count_cells, measure_blocks
from thermalctl.recordings.text_lines import Delimiter, parse_numbers, read_text_lines, sniff_delimiter, split_cells

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")

_ISO_AT_END = re.compile(r"(?:^|[^0-9])(\d{4}-?\d{2}-?\d{2}[T_ -]?\d{2}.*)$", re.ASCII)
_NUMBER_AT_END = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)$", re.ASCII)


def import_folder(folder: Path, options: ImportOptions) -> Recording:
    """Return a recording from a folder of text files with one frame each.

    Names end in the frame's number (`frame_0012.txt`; times come from the frame rate and the start, and a number that
    is missing is a frame that is missing), in ms or seconds since 1970, or in an ISO 8601 date and time.

    Raises:
        RecordingError: naming the file and line that is wrong, or what is missing.
    """
    paths = list_frame_files(folder)
    if not paths:
        raise RecordingError(
            f"{folder}: holds no text file; expected one for each frame ({', '.join(TEXT_SUFFIXES)})",
            hint="name the recordings themselves, or a folder of them",
        )
    paths, timestamps_ms, frame_seqs = _sort_by_time(folder, paths, options)
    frames = [read_frame(path, options.frame_size) for path in paths]
    for path, frame in zip(paths, frames, strict=True):
        if frame.shape != frames[0].shape:
            raise RecordingError(
                f"{path}: holds a frame of {frame.shape[0]}x{frame.shape[1]}, expected "
                f"{frames[0].shape[0]}x{frames[0].shape[1]} as in {paths[0].name}",
                hint="a folder holds the frames of one recording; move others to a folder of their own",
            )
    return build_recording(
        f"{folder}",
        sensor_id=name_recording(folder),
        frames=np.stack(frames),
        timestamps_ms=timestamps_ms,
        frame_seqs=frame_seqs,
        options=options,
    )


def list_frame_files(folder: Path) -> list[Path]:
    """Return a folder's text files in natural order, without hidden ones."""
    return sort_naturally(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.lower() in TEXT_SUFFIXES and not path.name.startswith(".")
    )


def is_frame_folder(folder: Path) -> bool:
    """Return whether a folder is one recording: two or more text files named by number or time, a frame in the first.

    A file of many lines counts as a recording, not as a frame, if its lines could be whole frames of a known sensor.
    """
    paths = list_frame_files(folder)
    if len(paths) < 2 or not all(_ISO_AT_END.search(path.stem) or _NUMBER_AT_END.search(path.stem) for path in paths):
        return False
    try:
        lines = read_text_lines(paths[0])
    except RecordingError:
        return False  # refused by name when it is read
    counts = _count_all_cells(lines, sniff_delimiter(lines))
    heights = measure_blocks(counts)
    if len(heights) != 1:
        return False
    height, width = heights[0], max(counts)
    is_table = find_well_known_size(width) or find_well_known_size(width - 1) or height > MAX_BLOCK_RATIO * width
    return height == 1 or (height, width) in WELL_KNOWN_SIZES or not is_table


def read_frame(path: Path, told_size: tuple[int, int] | None) -> NDArray[np.float32]:
    """Return a text file's only frame (H, W), in the file's unit: H lines of W numbers, or one line of H * W.

    Raises:
        RecordingError: naming the file, and the line that is wrong.
    """
    lines = read_text_lines(path)
    delimiter = sniff_delimiter(lines)
    if len(measure_blocks(_count_all_cells(lines, delimiter))) > 1:
        raise RecordingError(
            f"{path}: holds more than one block of numbers, expected one frame",
            hint="name the file itself, if it is a whole recording",
        )
    rows: list[NDArray[np.float32]] = []
    for number, line in enumerate(lines, 1):
        is_preamble = not rows and not count_cells(line, delimiter)
        if not line.strip() or line.lstrip().startswith("#") or is_preamble:
            continue
        values = parse_numbers(split_cells(line, delimiter), where=f"{path}: line {number}")
        if rows and values.size != rows[0].size:
            raise RecordingError(
                f"{path}: line {number} holds {values.size} values, expected {rows[0].size} as in the lines above",
                hint="correct the line in the file, or write the file again from its source",
            )
        rows.append(values)
    if not rows:
        raise RecordingError(
            f"{path}: holds no line of numbers; expected a frame", hint="if it is no frame, move it elsewhere"
        )
    frame = np.stack(rows)
    size = told_size or (find_well_known_size(frame.size) if len(rows) == 1 else frame.shape)
    if size is None or (len(rows) == 1 and size[0] * size[1] != frame.size) or (len(rows) > 1 and size != frame.shape):
        expected = "a known sensor's" if size is None else f"{size[0]}x{size[1]}"
        raise RecordingError(
            f"{path}: holds {frame.shape[0]} lines of {frame.shape[1]} numbers, expected {expected} frame",
            hint="say how large a frame is, height x width: --frame-size 40x60",
        )
    return frame.reshape(size)


def _count_all_cells(lines: Sequence[str], delimiter: Delimiter) -> list[int]:
    return [count_cells(line, delimiter) for line in lines]


def _sort_by_time(
    folder: Path, paths: Sequence[Path], options: ImportOptions
) -> tuple[list[Path], NDArray[np.int64], NDArray[np.int64] | None]:
    """Return the files in the order of their times (N,), and the frames' numbers (N,) where names count frames."""
    iso_times = [_find_iso_time(path) for path in paths]
    numbers = [_NUMBER_AT_END.search(path.stem) for path in paths]
    counts = [float(found[1]) for found in numbers if found]
    if None not in iso_times:
        keys = np.array(iso_times, dtype=np.int64)
    elif len(counts) == len(paths):
        keys = np.array(counts)
    else:
        odd = next(path for path, found, time in zip(paths, numbers, iso_times, strict=True) if not (found or time))
        raise RecordingError(
            f"{odd}: the name ends in no number and no time; expected one, as of all files in the folder",
            hint="name the files frame_0001.txt, or by time: 1760482260170.txt, 2025-01-06T09-00-00.170.txt",
        )
    order = np.argsort(keys, kind="stable")
    ordered = [paths[place] for place in order]
    keys = keys[order]
    same = np.flatnonzero(np.diff(keys) == 0)
    if same.size:
        raise RecordingError(
            f"{ordered[same[0]]} and {ordered[same[0] + 1].name} have the same number or time; expected each its own",
            hint="rename one of them, or leave it out",
        )
    if None not in iso_times:
        return ordered, keys.astype(np.int64), None
    if keys[-1] >= MIN_EPOCH_S:  # smaller numbers count frames
        return ordered, read_times(keys, where=f"{folder}: file names", scale=None, start_ms=options.start_ms), None
    places = np.rint(keys - keys[0]).astype(np.int64)
    timestamps_ms = count_times(
        places,
        where=f"{folder} (files are named by number)",
        frame_rate_hz=options.frame_rate_hz,
        start_ms=options.start_ms,
    )
    return ordered, timestamps_ms, np.rint(keys).astype(np.int64)


def _find_iso_time(path: Path) -> int | None:
    found = _ISO_AT_END.search(path.stem)
    return None if found is None else parse_iso_time(found[1])
