"""A simulated dataset folder: simulated sessions, their keyframes annotated with what really happens in them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.classes import THERMAL_ACTION_CLASSES
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.errors import DatasetError, RequestError
from thermalctl.files import write_json
from thermalctl.recordings.hdf5 import GZIP_LEVEL, write_recording
from thermalctl.recordings.simulate import SimulatedPerson, SimulatedRecording, SimulationOptions, simulate_session
from thermalctl.recordings.simulate_actions import ABSENT

Split = Literal["session", "random"]

#: Keyframes keep this share of a recording away from its ends: 70 of 500 frames, more than half a clip.
_KEYFRAME_MARGIN = 0.14
#: Less of a body than this in view, and annotators leave the person out.
_MIN_VISIBLE = 0.3
#: Share of keyframes that a random split holds out.
_RANDOM_VAL_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class SimulationSummary:
    """What a simulated dataset holds.

    Attributes:
        root: the dataset folder.
        recordings: names of the recordings, by session in time order.
        num_frames: in all files together, shared frames counted in each.
        num_train: annotated keyframes to train on.
        num_val: annotated keyframes held out.
        num_people: annotated people in all keyframes.
        incomplete_frames: indices of the incomplete frames by recording.
    """

    root: Path
    recordings: tuple[tuple[str, ...], ...]
    num_frames: int
    num_train: int
    num_val: int
    num_people: int
    incomplete_frames: dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class _Keyframe:
    """An annotated keyframe as the annotation file holds it."""

    session: int
    image: dict[str, Any]
    annotations: list[dict[str, Any]]


def simulate_dataset(
    output: Path,
    options: SimulationOptions,
    *,
    split: Split = "session",
    on_progress: Callable[[int, int], None] | None = None,
) -> SimulationSummary:
    """Write a dataset folder of simulated recordings and return what it holds.

    Args:
        output: the folder; it must not exist, or be empty.
        options: what to simulate.
        split: what to hold out: the last "session", or "random" keyframes, which share frames with the others.
        on_progress: called with (recordings written, recordings in all) after each recording.

    Raises:
        RequestError: if one session is to be simulated and one held out.
        DatasetError: if the folder holds something, or is a file.
    """
    if split == "session" and options.num_sessions < 2:
        raise RequestError(
            f"one of {options.num_sessions} sessions cannot be held out, expected at least 2",
            hint="simulate more sessions, or split at random",
        )
    if output.is_file():
        raise DatasetError(f"{output}: is a file, expected a folder or nothing", hint="name another folder")
    if output.exists() and any(output.iterdir()):
        raise DatasetError(f"{output}: the folder is not empty", hint="name another folder, or remove this one first")
    started_s = time.monotonic()
    layout = DatasetLayout(output)
    num_recordings = options.num_sessions * options.recordings_per_session
    keyframes: list[_Keyframe] = []
    sensor_info: dict[str, dict[str, Any]] = {}
    names: list[tuple[str, ...]] = []
    incomplete: dict[str, tuple[int, ...]] = {}
    for session in range(options.num_sessions):
        simulated = simulate_session(options, session)
        names.append(tuple(part.recording.sensor_id for part in simulated))
        for part in simulated:
            sensor_id = part.recording.sensor_id
            write_recording(layout.recording_file(sensor_id), part.recording)
            found = _annotate(part, options)
            sensor_info[sensor_id] = _describe_recording(layout, part, num_keyframes=len(found))
            incomplete[sensor_id] = tuple(np.flatnonzero(part.incomplete).tolist())
            keyframes.extend(found)
            if on_progress is not None:
                on_progress(len(incomplete), num_recordings)
    _number_annotations(keyframes)
    train, val = _split_keyframes(keyframes, split, options)
    summary = SimulationSummary(
        root=output,
        recordings=tuple(names),
        num_frames=num_recordings * options.frames_per_recording,
        num_train=len(train),
        num_val=len(val),
        num_people=sum(len(keyframe.annotations) for keyframe in keyframes),
        incomplete_frames=incomplete,
    )
    write_json(layout.frames_dir / "sensor_info.json", sensor_info)
    _write_annotations(layout, train, val, split)
    seconds = time.monotonic() - started_s
    write_json(layout.info_file, _describe_dataset(layout, summary, options, train, val, seconds=seconds))
    return summary


def choose_keyframes(options: SimulationOptions, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the frames to annotate, (K,) int, increasing and spread evenly over the middle of a recording."""
    num_frames = options.frames_per_recording
    margin = round(_KEYFRAME_MARGIN * num_frames)
    count = min(options.keyframes_per_recording, num_frames - 2 * margin)
    edges = np.linspace(margin, num_frames - margin, count + 1)
    # Somewhere in the middle half of its stretch: annotators click about as often, not like a clock.
    return np.asarray(edges[:-1] + np.diff(edges) * rng.uniform(0.25, 0.75, size=count)).astype(np.int64)


def _annotate(part: SimulatedRecording, options: SimulationOptions) -> list[_Keyframe]:
    recording = part.recording
    rng = np.random.default_rng([options.seed, *recording.sensor_id.encode()])
    height, width = options.frame_size
    keyframes = []
    for row in choose_keyframes(options, rng).tolist():
        timestamp_ms = int(recording.timestamps_ms[row])
        image_id = f"{recording.sensor_id}_{timestamp_ms}"
        annotations = [
            _describe_person(person, row, object_id=object_id, image_id=image_id, frame_size=options.frame_size)
            for object_id, person in enumerate(part.people)
            if _is_seen(person, row)
        ]
        image = {
            "id": image_id,
            "sensor_id": recording.sensor_id,
            "mac_address": recording.mac_address,
            "timestamp": timestamp_ms,
            "width": width,
            "height": height,
            "frame_idx": row,
        }
        if annotations:
            keyframes.append(_Keyframe(session=part.session, image=image, annotations=annotations))
    return keyframes


def _is_seen(person: SimulatedPerson, row: int) -> bool:
    has_box = bool(person.boxes_px[row].any())
    return bool(person.labels[row] != ABSENT) and has_box and bool(person.visible[row] >= _MIN_VISIBLE)


def _describe_person(
    person: SimulatedPerson, row: int, *, object_id: int, image_id: str, frame_size: tuple[int, int]
) -> dict[str, Any]:
    height, width = frame_size
    left, top, right, bottom = person.boxes_px[row].tolist()
    category_id = int(person.labels[row])
    hidden = min(75, 25 * int(4 * (1.0 - person.visible[row]) + 0.5))
    return {
        "id": -1,  # numbered when all are known
        "image_id": image_id,
        "bbox": [
            (left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height
        ],
        "category_id": category_id,
        "category_name": THERMAL_ACTION_CLASSES[category_id],
        "object_id": object_id,
        "attribute_obscured": f"{hidden}%",
    }  # fmt: skip


def _number_annotations(keyframes: Sequence[_Keyframe]) -> None:
    """Number all annotations through, over both splits, as the real dataset does."""
    for number, annotation in enumerate(annotation for keyframe in keyframes for annotation in keyframe.annotations):
        annotation["id"] = number


def _split_keyframes(
    keyframes: Sequence[_Keyframe], split: Split, options: SimulationOptions
) -> tuple[list[_Keyframe], list[_Keyframe]]:
    if split == "session":
        held_out = np.array([keyframe.session == options.num_sessions - 1 for keyframe in keyframes])
    else:
        order = np.random.default_rng(options.seed).permutation(len(keyframes))
        held_out = order < max(1, round(_RANDOM_VAL_SHARE * len(keyframes)))
    train = [keyframe for keyframe, is_val in zip(keyframes, held_out, strict=True) if not is_val]
    val = [keyframe for keyframe, is_val in zip(keyframes, held_out, strict=True) if is_val]
    return train, val


def _write_annotations(
    layout: DatasetLayout, train: Sequence[_Keyframe], val: Sequence[_Keyframe], split: Split
) -> None:
    year = datetime.now(timezone.utc).year
    statistics: dict[str, Any] = {"total_classes": len(THERMAL_ACTION_CLASSES)}
    for name, title, keyframes in (("train", "Training", train), ("val", "Validation", val)):
        annotations = [annotation for keyframe in keyframes for annotation in keyframe.annotations]
        write_json(
            layout.annotation_file(name),
            {
                "images": [keyframe.image for keyframe in keyframes],
                "annotations": annotations,
                "categories": [{"id": number, "name": each} for number, each in enumerate(THERMAL_ACTION_CLASSES)],
                "info": {
                    "description": f"Simulated Thermal Human Action Dataset ({title})",
                    "version": "1.0",
                    "year": year,
                    "split_rule": split,
                },
            },
        )
        statistics[name] = {
            "images": len(keyframes),
            "annotations": len(annotations),
            "class_distribution": dict(Counter(annotation["category_name"] for annotation in annotations)),
        }
    write_json(layout.statistics_dir / "dataset_stats.json", statistics)
    write_json(
        layout.class_mapping_file,
        {
            "classes": list(THERMAL_ACTION_CLASSES),
            "class_to_id": {name: number for number, name in enumerate(THERMAL_ACTION_CLASSES)},
        },
    )


def _describe_recording(layout: DatasetLayout, part: SimulatedRecording, *, num_keyframes: int) -> dict[str, Any]:
    recording = part.recording
    return {
        "hdf5_path": f"{layout.root.name}/frames/{recording.sensor_id}.h5",
        "mac_address": recording.mac_address,
        "total_frames": len(recording.frames_c),
        "corrupted_frames": 0,  # the real recorder does not count incomplete frames either
        "annotation_count": num_keyframes,
        "min_timestamp": int(recording.timestamps_ms.min()),
        "max_timestamp": int(recording.timestamps_ms.max()),
    }


def _describe_dataset(
    layout: DatasetLayout,
    summary: SimulationSummary,
    options: SimulationOptions,
    train: Sequence[_Keyframe],
    val: Sequence[_Keyframe],
    *,
    seconds: float,
) -> dict[str, Any]:
    num_val_people = sum(len(keyframe.annotations) for keyframe in val)
    return {
        "generation_time": datetime.now(timezone.utc).isoformat(),
        "duration_seconds": round(seconds, 6),
        "configuration": {
            "val_split": round(len(val) / (len(train) + len(val)), 4),
            "random_seed": options.seed,
            "buffer_frames": round(_KEYFRAME_MARGIN * options.frames_per_recording),
            "compression": "gzip",
            "compression_level": GZIP_LEVEL,
        },
        "frames": {
            "total_sensors": len(summary.incomplete_frames),
            "total_frames": summary.num_frames,
            "corrupted_frames": 0,
            "storage_directory": f"{layout.root.name}/frames",
        },
        "annotations": {
            "train_images": len(train),
            "val_images": len(val),
            "train_annotations": summary.num_people - num_val_people,
            "val_annotations": num_val_people,
            "total_classes": len(THERMAL_ACTION_CLASSES),
            "storage_directory": f"{layout.root.name}/annotations",
        },
    }
