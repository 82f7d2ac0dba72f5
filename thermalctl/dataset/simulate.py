"""A simulated dataset folder: simulated sessions, their keyframes annotated with what really happens in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.classes import THERMAL_ACTION_CLASSES
from thermalctl.annotations.coco import Box, ImageEntry, PersonAnnotation
from thermalctl.annotations.coco_writing import LabelledKeyframe, number_people
from thermalctl.dataset.checks import read_recording_info
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.writing import write_annotations
from thermalctl.errors import DatasetError, RequestError
from thermalctl.files import assemble_folder
from thermalctl.recordings.hdf5 import write_recording
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
    num_recordings = options.num_sessions * options.recordings_per_session
    keyframes: list[LabelledKeyframe] = []
    held_out: list[bool] = []
    names: list[tuple[str, ...]] = []
    incomplete: dict[str, tuple[int, ...]] = {}
    with assemble_folder(output) as made:
        layout = DatasetLayout(made)
        for session in range(options.num_sessions):
            simulated = simulate_session(options, session)
            names.append(tuple(part.recording.sensor_id for part in simulated))
            for part in simulated:
                sensor_id = part.recording.sensor_id
                write_recording(layout.recording_file(sensor_id), part.recording)
                incomplete[sensor_id] = tuple(np.flatnonzero(part.incomplete).tolist())
                found = _annotate(part, options)
                keyframes += found
                held_out += [session == options.num_sessions - 1] * len(found)
                if on_progress is not None:
                    on_progress(len(incomplete), num_recordings)
        if split == "random":
            order = np.random.default_rng(options.seed).permutation(len(keyframes))
            held_out = (order < max(1, round(_RANDOM_VAL_SHARE * len(keyframes)))).tolist()
        numbered = number_people(keyframes)
        train = [keyframe for keyframe, is_val in zip(numbered, held_out, strict=True) if not is_val]
        val = [keyframe for keyframe, is_val in zip(numbered, held_out, strict=True) if is_val]
        write_annotations(
            layout,
            {"train": train, "val": val},
            {sensor_id: read_recording_info(layout.recording_file(sensor_id)) for sensor_id in incomplete},
            THERMAL_ACTION_CLASSES,
            name=output.name,
            split_rule=split,
            configuration={
                "random_seed": options.seed,
                "buffer_frames": round(_KEYFRAME_MARGIN * options.frames_per_recording),
            },
        )
    return SimulationSummary(
        root=output,
        recordings=tuple(names),
        num_frames=num_recordings * options.frames_per_recording,
        num_train=len(train),
        num_val=len(val),
        num_people=sum(len(keyframe.people) for keyframe in numbered),
        incomplete_frames=incomplete,
    )


def choose_keyframes(options: SimulationOptions, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the frames to annotate, (K,) int, increasing and spread evenly over the middle of a recording."""
    num_frames = options.frames_per_recording
    margin = round(_KEYFRAME_MARGIN * num_frames)
    count = min(options.keyframes_per_recording, num_frames - 2 * margin)
    edges = np.linspace(margin, num_frames - margin, count + 1)
    # Somewhere in the middle half of its stretch: annotators click about as often, not like a clock.
    return np.asarray(edges[:-1] + np.diff(edges) * rng.uniform(0.25, 0.75, size=count)).astype(np.int64)


def _annotate(part: SimulatedRecording, options: SimulationOptions) -> list[LabelledKeyframe]:
    recording = part.recording
    rng = np.random.default_rng([options.seed, *recording.sensor_id.encode()])
    height, width = options.frame_size
    keyframes = []
    for row in choose_keyframes(options, rng).tolist():
        timestamp_ms = int(recording.timestamps_ms[row])
        image = ImageEntry(
            id=f"{recording.sensor_id}_{timestamp_ms}",
            sensor_id=recording.sensor_id,
            mac_address=recording.mac_address,
            timestamp_ms=timestamp_ms,
            width=width,
            height=height,
            frame_idx=row,
        )
        people = tuple(
            _describe_person(person, row, object_id=object_id, image_id=image.id, frame_size=options.frame_size)
            for object_id, person in enumerate(part.people)
            if _is_seen(person, row)
        )
        if people:
            keyframes.append(LabelledKeyframe(image=image, people=people))
    return keyframes


def _is_seen(person: SimulatedPerson, row: int) -> bool:
    has_box = bool(person.boxes_px[row].any())
    return bool(person.labels[row] != ABSENT) and has_box and bool(person.visible[row] >= _MIN_VISIBLE)


def _describe_person(
    person: SimulatedPerson, row: int, *, object_id: int, image_id: str, frame_size: tuple[int, int]
) -> PersonAnnotation:
    height, width = frame_size
    left, top, right, bottom = person.boxes_px[row].tolist()
    category_id = int(person.labels[row])
    hidden = min(75, 25 * int(4 * (1.0 - person.visible[row]) + 0.5))
    return PersonAnnotation(
        id=-1,  # numbered when all are known
        image_id=image_id,
        box=Box(
            cx=(left + right) / 2 / width,
            cy=(top + bottom) / 2 / height,
            w=(right - left) / width,
            h=(bottom - top) / height,
        ),
        category_id=category_id,
        category_name=THERMAL_ACTION_CLASSES[category_id],
        object_id=object_id,
        attribute_obscured=f"{hidden}%",
    )
