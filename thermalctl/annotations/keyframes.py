"""What annotators said, before it is matched to frames: the form that every annotation format is read into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from thermalctl.annotations.coco import Box


@dataclass(frozen=True, kw_only=True)
class AnnotatedPerson:
    """One person in a keyframe.

    Attributes:
        action: the class's name.
        box: where the person is; None where only the time is known.
        object_id: the annotators' number of the person; None if not given.
        attribute_obscured: how much of the person is hidden, as the annotators wrote it; None if not given.
    """

    action: str
    box: Box | None = None
    object_id: int | None = None
    attribute_obscured: str | None = None


@dataclass(frozen=True, kw_only=True)
class AnnotatedKeyframe:
    """A moment that was annotated.

    Attributes:
        where: the file and the record, as a message begins: `SL14_R1_annotation.json: line 12`.
        recording: the recording's name.
        mac_address: the device, "" where the annotators do not say.
        timestamp_ms: when it was, ms since 1970; None where only the frame is known.
        frame_idx: which frame it is, from 0; None where only the time is known.
        people: who is in it; none if nobody is.
        split: the split that it was given to; None if none was.
    """

    where: str
    recording: str
    mac_address: str = ""
    timestamp_ms: int | None = None
    frame_idx: int | None = None
    people: tuple[AnnotatedPerson, ...]
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Something that did not become a sample.

    Attributes:
        where: the file and the record.
        reason: why, in few words that are the same for all of a kind: "no person in it".
    """

    where: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class AnnotationSource:
    """What one file of annotations holds.

    Attributes:
        path: the file.
        kind: its format, in words: "annotators' JSON Lines", "COCO", "segment table".
        keyframes: in the file's order; those without a person included.
        classes: class names in id order where the file defines them; else empty.
        skipped: people and records that say nothing about an action.
    """

    path: Path
    kind: str
    keyframes: tuple[AnnotatedKeyframe, ...]
    classes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
