"""Annotation files and recordings read together, with every contradiction between them found at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.classes import read_class_mapping
from thermalctl.annotations.coco import AnnotationFile, ImageEntry, parse_annotations
from thermalctl.dataset.layout import DATASET_HINT, DatasetLayout
from thermalctl.errors import DatasetError, RecordingError, summarise_problems
from thermalctl.recordings.hdf5 import RecordingFile


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordingInfo:
    """What is known of a recording without its frames.

    Attributes:
        path: the HDF5 file.
        mac_address: the device that recorded it, "" where the file does not say.
        num_frames: N.
        frame_size: (height, width) in pixels.
        timestamps_ms: (N,) int64, arrival times in ms since 1970.
        num_bytes: size of the file.
    """

    path: Path
    mac_address: str
    num_frames: int
    frame_size: tuple[int, int]
    timestamps_ms: NDArray[np.int64]
    num_bytes: int


def read_checked(layout: DatasetLayout) -> tuple[dict[str, AnnotationFile], dict[str, RecordingInfo]]:
    """Return the annotation files by split and the recordings by name.

    Raises:
        DatasetError: with every problem found; a file that cannot be read hides only its own contradictions.
    """
    problems: list[str] = []
    recordings = {}
    for name in layout.find_recordings():
        try:
            recordings[name] = read_recording_info(layout.recording_file(name))
        except RecordingError as error:
            problems.append(error.message)
    if not layout.annotation_file("train").is_file():
        problems.append(f"{layout.annotation_file('train')}: no such file")
    splits = {}
    for split in layout.find_splits():
        annotations = parse_annotations(layout.annotation_file(split), problems)
        if annotations is not None:
            splits[split] = annotations
            problems.extend(find_keyframe_problems(annotations, recordings, layout))
    problems.extend(_find_class_problems(layout, splits))
    problems.extend(_find_frame_size_problems(recordings))
    if problems:
        hint = f"mend {layout.root} or build it again; {DATASET_HINT}"
        raise DatasetError(summarise_problems(problems), hint=hint, problems=problems)
    return splits, recordings


def read_recording_info(path: Path) -> RecordingInfo:
    """Return what is known of a recording without reading its frames.

    Raises:
        RecordingError: if the file is missing, is not HDF5 or lacks the expected datasets.
    """
    with RecordingFile(path) as file:
        return RecordingInfo(
            path=path,
            mac_address=file.mac_address,
            num_frames=file.num_frames,
            frame_size=file.frame_size,
            timestamps_ms=file.timestamps_ms,
            num_bytes=path.stat().st_size,
        )


def find_keyframe_problems(
    annotations: AnnotationFile, recordings: Mapping[str, RecordingInfo], layout: DatasetLayout
) -> list[str]:
    """Return what is wrong between the keyframes of an annotation file and the recordings they name.

    A recording whose file is there but is not in `recordings` could not be read; nothing more is said of it.
    """
    problems = []
    missing: dict[str, int] = {}
    for image in annotations.images:
        if image.sensor_id in recordings:
            problems.extend(_find_image_problems(annotations.path, image, recordings[image.sensor_id]))
        elif not layout.recording_file(image.sensor_id).exists():
            missing[image.sensor_id] = missing.get(image.sensor_id, 0) + 1
    problems.extend(
        f'{annotations.path}: {count} images have sensor_id "{name}", but there is no frames/{name}.h5.'
        for name, count in missing.items()
    )
    return problems


def _find_image_problems(path: Path, image: ImageEntry, recording: RecordingInfo) -> list[str]:
    where, file = f'{path}: image "{image.id}"', f"frames/{recording.path.name}"
    problems = []
    if image.frame_idx >= recording.num_frames:
        held = f" (0 to {recording.num_frames - 1})" if recording.num_frames else ""
        problems.append(
            f"{where} has frame_idx {image.frame_idx}, but {file} holds {recording.num_frames} frames{held}."
        )
    if (image.height, image.width) != recording.frame_size:
        height, width = recording.frame_size
        problems.append(
            f"{where} has width {image.width} and height {image.height}, "
            f"but the frames of {file} are {width} wide and {height} high."
        )
    return problems


def _find_class_problems(layout: DatasetLayout, splits: Mapping[str, AnnotationFile]) -> list[str]:
    """Return where the annotation files and `class_mapping.json` disagree about the classes."""
    problems = []
    sources = {annotations.path: annotations.classes for annotations in splits.values()}
    if layout.class_mapping_file.exists():
        try:
            sources[layout.class_mapping_file] = read_class_mapping(layout.class_mapping_file)
        except DatasetError as error:
            problems.append(error.message)
    if not sources:
        return problems
    (first_path, expected), *others = sources.items()
    for path, classes in others:
        if len(classes) != len(expected):
            problems.append(f"{path}: has {len(classes)} classes, but {first_path} has {len(expected)}.")
            continue
        for class_id, (name, expected_name) in enumerate(zip(classes, expected, strict=True)):
            if name != expected_name:
                problems.append(f'{path}: class {class_id} is "{name}", but in {first_path} "{expected_name}".')
    return problems


def _find_frame_size_problems(recordings: Mapping[str, RecordingInfo]) -> list[str]:
    """Return which recordings differ in frame size; clips of one batch must be alike."""
    names_by_size: dict[tuple[int, int], list[str]] = {}
    for name, recording in recordings.items():
        names_by_size.setdefault(recording.frame_size, []).append(name)
    if len(names_by_size) < 2:
        return []
    sizes = "; ".join(f"{height}x{width}: {', '.join(names)}" for (height, width), names in names_by_size.items())
    return [f"frames/: recordings differ in frame size ({sizes}), expected one sensor type in a dataset."]
