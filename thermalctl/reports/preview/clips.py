"""A clip to show: frames, arrival times, what is broken, who is where and what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import Sample, ThermalDataset, find_clip
from thermalctl.recordings.health import find_incomplete_frames, repair_incomplete_frames
from thermalctl.recordings.pool import RecordingPool


@dataclass(frozen=True, kw_only=True)
class ChosenClip:
    """A clip to show.

    Attributes:
        sample: which it is.
        split: where it is listed.
        remark: why it was chosen, "" where the choice as a whole says it.
    """

    sample: Sample
    split: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody in the keyframe: where, as fractions of the frame, and what they do, a class id."""

    box: Box
    label: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PreviewClip:
    """A clip to show, or some of its frames.

    Attributes:
        sample: which it is.
        split: where it is listed.
        label: name of its class.
        remark: why it is shown, "" for nothing in particular.
        people: who is in the keyframe; for a person's clip only they.
        frames_c: (T, H, W) float32, deg C, as they are to be shown.
        recorded_c: (T, H, W) float32, deg C, as recorded.
        times_s: (T,) float64, arrival times in seconds from the keyframe's.
        incomplete: (T,) bool, which frames are incomplete as recorded.
        keyframe: the keyframe's place among the frames.
        num_incomplete: incomplete frames in the whole clip.
        num_frames: frames in the whole clip.
        draws_c: (K, T, h, w) float32, deg C: the same frames after augmentation, K draws; K may be 0.
    """

    sample: Sample
    split: str
    label: str
    remark: str
    people: tuple[Person, ...]
    frames_c: NDArray[np.float32]
    recorded_c: NDArray[np.float32]
    times_s: NDArray[np.float64]
    incomplete: NDArray[np.bool_]
    keyframe: int
    num_incomplete: int
    num_frames: int
    draws_c: NDArray[np.float32]

    @property
    def time(self) -> datetime:
        """When the keyframe was taken, in UTC."""
        return datetime.fromtimestamp(self.sample.timestamp_ms / 1000, tz=timezone.utc)

    def take(self, steps: Sequence[int]) -> PreviewClip:
        """Return the clip with only the frames at `steps`, the keyframe among them, and without draws."""
        places = list(steps)
        return replace(
            self,
            frames_c=self.frames_c[places],
            recorded_c=self.recorded_c[places],
            times_s=self.times_s[places],
            incomplete=self.incomplete[places],
            keyframe=places.index(self.keyframe),
            draws_c=_NO_DRAWS,
        )


_NO_DRAWS = np.empty((0, 0, 0, 0), dtype=np.float32)


def read_clips(
    dataset: ThermalDataset,
    chosen: Sequence[ChosenClip],
    spec: ClipSpec,
    *,
    raw: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[PreviewClip]:
    """Return the chosen clips with all their frames.

    Args:
        dataset: from `load_dataset`.
        chosen: which clips.
        spec: what a clip is; its target decides who is in it.
        raw: show incomplete frames as recorded; else each as the nearest complete one in its clip. A clip without any
            is shown as recorded.
        on_progress: called with (clips read, clips in all) after each clip.

    Raises:
        RecordingError: if a recording is damaged.
    """
    recordings = RecordingPool(dataset.layout.frames_dir)
    people = _list_people(dataset, spec, {one.split for one in chosen})
    clips = []
    for one in chosen:
        sample = one.sample
        indices = find_clip(sample, dataset, spec)
        recorded_c = recordings.read(sample.recording, indices)
        incomplete = find_incomplete_frames(recorded_c)
        as_recorded = raw or bool(incomplete.all())
        times_ms = dataset.recordings[sample.recording].timestamps_ms
        clips.append(
            PreviewClip(
                sample=sample,
                split=one.split,
                label=dataset.classes[sample.label],
                remark=one.remark,
                people=people.get((one.split, sample.sample_id))
                or tuple(Person(box=box, label=sample.label) for box in sample.boxes),
                frames_c=recorded_c if as_recorded else repair_incomplete_frames(recorded_c, incomplete),
                recorded_c=recorded_c,
                times_s=(times_ms[indices] - times_ms[sample.keyframe]) / 1000.0,
                incomplete=incomplete,
                keyframe=len(indices) // 2,
                num_incomplete=int(incomplete.sum()),
                num_frames=len(indices),
                draws_c=_NO_DRAWS,
            )
        )
        if on_progress is not None:
            on_progress(len(clips), len(chosen))
    recordings.close()
    return clips


def spread_steps(num_frames: int, num_steps: int) -> list[int]:
    """Return so many places in a clip, evenly spread, the keyframe's T//2 among them; all where there are fewer.

    Args:
        num_frames: T.
        num_steps: how many of them, from 1.
    """
    number = min(num_steps, num_frames)
    offsets = (np.arange(number) - number // 2) * (num_frames / number)
    return [int(step) for step in num_frames // 2 + np.trunc(offsets).astype(int)]


def _list_people(
    dataset: ThermalDataset, spec: ClipSpec, splits: set[str]
) -> dict[tuple[str, str], tuple[Person, ...]]:
    """Return everyone in the keyframes by split and sample id; nothing where a sample is one person."""
    if spec.target == "person":
        return {}
    return {
        (split, image_id): tuple(Person(box=person.box, label=person.category_id) for person in people)
        for split in splits
        for image_id, people in dataset.splits[split].group_by_image().items()
    }
