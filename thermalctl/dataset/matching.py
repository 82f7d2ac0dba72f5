"""Annotated moments matched to frames: which become keyframes, and why the others do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thermalctl.annotations.class_choice import ClassChoice
from thermalctl.annotations.coco import Box, ImageEntry, PersonAnnotation
from thermalctl.annotations.coco_writing import LabelledKeyframe
from thermalctl.annotations.keyframes import AnnotatedKeyframe, AnnotationSource, Skipped
from thermalctl.dataset.checks import RecordingInfo

#: The box of a person whose place nobody wrote down.
WHOLE_FRAME = Box(cx=0.5, cy=0.5, w=1.0, h=1.0)


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Annotated moments as keyframes.

    Attributes:
        keyframes: recording after recording, in time order; the people's ids are -1, to be numbered.
        given_splits: the split that each was given to by its file; None where none was.
        skipped: what did not become a keyframe, or a person in one.
    """

    keyframes: tuple[LabelledKeyframe, ...]
    given_splits: tuple[str | None, ...]
    skipped: tuple[Skipped, ...]


def match_keyframes(
    sources: Sequence[AnnotationSource],
    recordings: Mapping[str, RecordingInfo],
    classes: ClassChoice,
    *,
    window_frames: int,
    tolerance_ms: int,
    keep_edges: bool = False,
) -> Matched:
    """Return the keyframes among what was annotated.

    Args:
        sources: what was annotated.
        recordings: what was recorded, by name.
        classes: which action is which class.
        window_frames: T: a keyframe needs the frames [k - T//2, k + T - T//2) around it.
        tolerance_ms: how far the annotators' time may be from a frame's arrival.
        keep_edges: keep keyframes whose window reaches past the recording; training then repeats its edge frame.
    """
    found: dict[tuple[str, int], tuple[LabelledKeyframe, str | None]] = {}
    skipped = [entry for source in sources for entry in source.skipped]
    for annotated in (keyframe for source in sources for keyframe in source.keyframes):
        frame = _find_frame(annotated, recordings, tolerance_ms)
        if isinstance(frame, int):
            frame = _check_window(frame, recordings[annotated.recording], window_frames, keep_edges=keep_edges)
        if isinstance(frame, str):
            skipped.append(Skipped(where=annotated.where, reason=frame))
            continue
        keyframe = _label(annotated, frame, recordings[annotated.recording], classes, skipped)
        place = (annotated.recording, frame)
        if keyframe is None:
            reason = "nobody in it does one of the classes" if annotated.people else "no person in it"
            skipped.append(Skipped(where=annotated.where, reason=reason))
        elif place in found:
            skipped.append(Skipped(where=annotated.where, reason="its frame is annotated already"))
        else:
            found[place] = keyframe, annotated.split
    ordered = [found[place] for place in sorted(found)]
    return Matched(
        keyframes=tuple(keyframe for keyframe, _ in ordered),
        given_splits=tuple(split for _, split in ordered),
        skipped=tuple(skipped),
    )


def _find_frame(annotated: AnnotatedKeyframe, recordings: Mapping[str, RecordingInfo], tolerance_ms: int) -> int | str:
    """Return the frame that was annotated, or why there is none."""
    recording = recordings.get(annotated.recording)
    if recording is None:
        return f'no recording is named "{annotated.recording}"'
    if annotated.mac_address and recording.mac_address and annotated.mac_address != recording.mac_address:
        return "of another device than the recording"
    if annotated.timestamp_ms is None:
        frame = annotated.frame_idx or 0
        return frame if frame < recording.num_frames else "past the end of the recording"
    away_ms = np.abs(recording.timestamps_ms - annotated.timestamp_ms)
    nearest = int(away_ms.argmin())  # of equally near ones the first
    return nearest if away_ms[nearest] <= tolerance_ms else f"no frame within {tolerance_ms} ms"


def _check_window(frame: int, recording: RecordingInfo, window_frames: int, *, keep_edges: bool) -> int | str:
    begin = frame - window_frames // 2
    if keep_edges or (begin >= 0 and begin + window_frames <= recording.num_frames):
        return frame
    return "its window reaches past the recording"


def _label(
    annotated: AnnotatedKeyframe,
    frame: int,
    recording: RecordingInfo,
    classes: ClassChoice,
    skipped: list[Skipped],
) -> LabelledKeyframe | None:
    """Return the keyframe with its people; None if none of them does one of the classes."""
    height, width = recording.frame_size
    timestamp_ms = int(recording.timestamps_ms[frame])
    is_only = np.count_nonzero(recording.timestamps_ms == timestamp_ms) == 1
    image = ImageEntry(
        id=f"{annotated.recording}_{timestamp_ms}" + ("" if is_only else f"_{frame}"),
        sensor_id=annotated.recording,
        mac_address=recording.mac_address,
        timestamp_ms=timestamp_ms,
        width=width,
        height=height,
        frame_idx=frame,
    )
    people = []
    for person in annotated.people:
        class_id = classes.find_id(person.action)
        if class_id is None:
            skipped.append(Skipped(where=annotated.where, reason=classes.explain_unknown(person.action)))
            continue
        people.append(
            PersonAnnotation(
                id=-1,
                image_id=image.id,
                box=person.box or WHOLE_FRAME,
                category_id=class_id,
                category_name=classes.names[class_id],
                object_id=person.object_id,
                attribute_obscured=person.attribute_obscured,
            )
        )
    return LabelledKeyframe(image=image, people=tuple(people)) if people else None
