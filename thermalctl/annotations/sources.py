"""Annotations of any known format: each file is read by what is in it, whatever its name says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.annotator_lines import parse_annotator_lines
from thermalctl.annotations.coco_source import parse_coco_source
from thermalctl.annotations.keyframes import AnnotationSource
from thermalctl.annotations.segment_keyframes import expand_segments
from thermalctl.annotations.segments import find_clock_columns, parse_segments
from thermalctl.errors import DatasetError, summarise_problems
from thermalctl.recordings.names import sort_naturally
from thermalctl.recordings.text_lines import read_text_lines

Format = Literal["lines", "coco", "segments"]

#: What a message says is known.
KNOWN_FORMATS = (
    'annotators\' JSON Lines ({"data_id", "data_time", "annotations"} in each line), COCO-style JSON ({"images", '
    '"annotations", "categories"}) or a segment table (CSV: file, start, end, action)'
)
SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
#: Lies beside COCO-style files, which repeat it.
_CLASS_LIST = "class_mapping.json"
#: Keys that only one of the formats has, looked for at the beginning of a file, which may be damaged further on.
_LOOKED_AT = 2**16
_MARKS: tuple[tuple[Format, tuple[str, ...]], ...] = (
    ("lines", ('"data_id"', '"data_time"')),
    ("coco", ('"images"', '"categories"', '"image_id"')),
)


def read_annotation_files(
    paths: Sequence[Path], timestamps_ms: Mapping[str, NDArray[np.int64]], *, step_s: float = 1.0
) -> list[AnnotationSource]:
    """Return what annotation files say, each in the format that its content has.

    Args:
        paths: files, and folders, which stand for the annotation files in them.
        timestamps_ms: (N,) int64 by recording, ms since 1970; segment tables become keyframes at these.
        step_s: time from one keyframe of a segment table to the next, in seconds.

    Raises:
        DatasetError: with the problems of all files, each naming the file, the line or record, and the field.
        RequestError: if `step_s` is not more than 0.
    """
    problems: list[str] = []
    sources = []
    for path in _list_files(paths):
        try:
            source = _read(path, timestamps_ms, step_s, problems)
        except DatasetError as error:
            problems.append(error.message)
        else:
            sources += [] if source is None else [source]
    if problems:
        raise DatasetError(summarise_problems(problems), hint="mend the files, or leave them out")
    return sources


def detect_format(path: Path) -> Format:
    """Return the format of an annotation file, judged by its content.

    Raises:
        DatasetError: if the file cannot be read, or its content is of no known format.
    """
    lines = read_text_lines(path, kind=DatasetError)
    first = next(line.strip() for line in lines if line.strip())
    if first[0] in "{[":
        beginning = "\n".join(lines[:2000])[:_LOOKED_AT]
        for name, marks in _MARKS:
            if first[0] == "{" and any(mark in beginning for mark in marks):
                return name
        found = "a JSON list" if first[0] == "[" else "JSON with other keys"
        raise DatasetError(f"{path}: is {found}, expected {KNOWN_FORMATS}")
    columns = [cell.strip().strip('"').casefold() for cell in _split_header(first)]
    if "action" in columns or find_clock_columns(columns):
        return "segments"
    raise DatasetError(f"{path}: line 1 is no JSON object and names no column of segments; expected {KNOWN_FORMATS}")


def _read(
    path: Path, timestamps_ms: Mapping[str, NDArray[np.int64]], step_s: float, problems: list[str]
) -> AnnotationSource | None:
    found = detect_format(path)
    if found == "lines":
        return parse_annotator_lines(path, problems)
    if found == "coco":
        return parse_coco_source(path, problems)
    segments = parse_segments(path, problems)
    return None if segments is None else expand_segments(segments, timestamps_ms, step_s=step_s)


def _split_header(line: str) -> list[str]:
    return line.replace(";", ",").replace("\t", ",").split(",")


def _list_files(paths: Sequence[Path]) -> list[Path]:
    found: dict[Path, None] = {}  # ordered, each path once
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        inside = [
            item
            for item in path.iterdir()
            if item.suffix.lower() in SUFFIXES and item.name != _CLASS_LIST and not item.name.startswith(".")
        ]
        if not inside:
            raise DatasetError(
                f"{path}: holds no annotation file; expected {', '.join(SUFFIXES)}", hint="name the files themselves"
            )
        found.update(dict.fromkeys(sort_naturally(inside)))
    return list(found)
