"""Which frames a page shows: a keyframe of each class, and a strip of frames for each doubtful label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thermalctl.annotations.coco import Box
from thermalctl.clip_spec import ClipSpec, Target
from thermalctl.dataset.samples import ALL_SPLITS, Sample, ThermalDataset
from thermalctl.evaluation.label_errors import SuspectLabel
from thermalctl.reports.page_frames import ColourScale, Picture, describe_colours, make_page_scale, make_picture
from thermalctl.reports.preview.clips import ChosenClip, PreviewClip, read_clips, spread_steps
from thermalctl.reports.preview.colours import Scale
from thermalctl.reports.preview.words import describe_step
from thermalctl.reports.sentences import count

#: Frames of a strip, the keyframe among them.
STRIP_FRAMES = 8
#: Pictures of so many classes and doubtful labels; a page with many more does not open on a phone.
MAX_EXAMPLES, MAX_STRIPS = 60, 60
#: Clips held in memory at a time, each with all its frames.
_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class ClassExample:
    """A class and a keyframe in which somebody does it; no picture where nobody ever does."""

    name: str
    picture: Picture | None
    alt: str


@dataclass(frozen=True, kw_only=True)
class SuspectEntry:
    """A doubtful label, when its keyframe was, and its frames; no frames beyond the first `MAX_STRIPS`."""

    suspect: SuspectLabel
    time: str
    pictures: tuple[Picture, ...]
    alt: str


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """All pictures of a page, on one scale of temperature.

    Attributes:
        examples: a keyframe of each of the first `MAX_EXAMPLES` classes, in id order; none where none were asked for.
        suspects: the doubtful labels, in their order.
        scale: what the colours mean; None where there is no picture.
    """

    examples: tuple[ClassExample, ...]
    suspects: tuple[SuspectEntry, ...]
    scale: ColourScale | None


def make_pictures(
    dataset: ThermalDataset, suspects: Sequence[SuspectLabel], *, window_frames: int, with_examples: bool
) -> Pictures:
    """Return the pictures of a page.

    Args:
        dataset: where the frames are.
        suspects: doubtful labels, each to be shown by a strip.
        window_frames: T, frames in a clip.
        with_examples: whether to show an example of each class.

    Raises:
        RecordingError: if a recording is damaged.
    """
    chosen = _choose_examples(dataset) if with_examples else {}
    clips = _read(dataset, list(chosen.values()), "frame", window_frames, num_steps=1)
    examples = dict(zip(chosen, clips, strict=True))
    strips = _read_strips(dataset, suspects[:MAX_STRIPS], window_frames)
    shown = [*examples.values(), *(strip for strip in strips if strip)]
    scale = make_page_scale([clip.frames_c for clip in shown])
    strips += [None] * (len(suspects) - len(strips))
    return Pictures(
        examples=tuple(
            _show_example(name, label, examples.get(label), scale)
            for label, name in enumerate(dataset.classes[:MAX_EXAMPLES] if with_examples else ())
        ),
        suspects=tuple(_show_suspect(suspect, strip, scale) for suspect, strip in zip(suspects, strips, strict=True)),
        scale=describe_colours(scale) if shown else None,
    )


def _choose_examples(dataset: ThermalDataset) -> dict[int, Sample]:
    """Return a keyframe of each class that occurs: with as few people as can be, and one of a usual size doing it."""
    samples = {sample.sample_id: sample for sample in dataset.samples(ALL_SPLITS)}
    found: dict[int, list[tuple[Sample, Box]]] = {}
    for annotated in dataset.splits.values():
        for person in annotated.annotations:
            found.setdefault(person.category_id, []).append((samples[person.image_id], person.box))
    return {label: _choose_usual(found[label]) for label in range(MAX_EXAMPLES) if label in found}


def _choose_usual(found: Sequence[tuple[Sample, Box]]) -> Sample:
    usual = float(np.median([box.w * box.h for _, box in found]))

    def judge(one: tuple[Sample, Box]) -> tuple[int, float, str]:
        sample, box = one
        return len(sample.boxes), abs(box.w * box.h - usual), sample.sample_id

    return min(found, key=judge)[0]


def _read_strips(
    dataset: ThermalDataset, suspects: Sequence[SuspectLabel], window_frames: int
) -> list[PreviewClip | None]:
    strips: list[PreviewClip | None] = [None] * len(suspects)
    targets: tuple[Target, ...] = ("frame", "person")
    for target in targets:
        places = [place for place, suspect in enumerate(suspects) if (suspect.box is None) == (target == "frame")]
        known = {sample.sample_id: sample for sample in dataset.samples(ALL_SPLITS, target)}
        samples = [known[suspects[place].sample_id] for place in places]
        clips = _read(dataset, samples, target, window_frames, num_steps=STRIP_FRAMES)
        for place, clip in zip(places, clips, strict=True):
            strips[place] = clip
    return strips


def _read(
    dataset: ThermalDataset, samples: Sequence[Sample], target: Target, window_frames: int, *, num_steps: int
) -> list[PreviewClip]:
    """Return the samples' clips with so many of their frames, repaired; everyone's box in a whole keyframe's."""
    split_of = {
        sample.sample_id: split
        for split in reversed(tuple(dataset.splits))
        for sample in dataset.samples(split, target)
    }
    chosen = [ChosenClip(sample=sample, split=split_of[sample.sample_id]) for sample in samples]
    spec = ClipSpec(classes=dataset.classes, num_frames=window_frames, target=target)
    steps = spread_steps(window_frames, num_steps)
    return [
        clip.take(steps)
        for start in range(0, len(chosen), _BATCH)
        for clip in read_clips(dataset, chosen[start : start + _BATCH], spec)
    ]


def _show_example(name: str, label: int, clip: PreviewClip | None, scale: Scale) -> ClassExample:
    if clip is None:
        return ClassExample(name=name, picture=None, alt=f"{name}: nobody does it in any keyframe")
    boxes = [(person.box, "person" if person.label == label else "other") for person in clip.people]
    where = f"{clip.sample.recording} frame {clip.sample.keyframe}"
    caption = f"{where}, incomplete: the nearest complete frame is shown" if clip.incomplete[clip.keyframe] else where
    doing = sum(kind == "person" for _, kind in boxes)
    return ClassExample(
        name=name,
        picture=make_picture(clip.frames_c[clip.keyframe], scale, boxes, caption=caption, is_keyframe=True),
        alt=f"Thermal frame: {count(doing, 'person', 'people')} of {len(boxes)} in it: {name}",
    )


def make_strips(
    dataset: ThermalDataset, sample_ids: Sequence[str], *, target: Target, window_frames: int
) -> tuple[list[tuple[Picture, ...]], ColourScale | None]:
    """Return a strip of frames for each sample, and what their colours mean; no strip for a sample that is not there.

    Args:
        dataset: where the frames are.
        sample_ids: whose clips to show.
        target: what a sample is.
        window_frames: T, frames in a clip.

    Raises:
        RecordingError: if a recording is damaged.
    """
    known = {sample.sample_id: sample for sample in dataset.samples(ALL_SPLITS, target)}
    found = [known[sample_id] for sample_id in sample_ids if sample_id in known]
    clips = _read(dataset, found, target, window_frames, num_steps=STRIP_FRAMES)
    scale = make_page_scale([clip.frames_c for clip in clips])
    strips = {sample.sample_id: _make_strip(clip, scale) for sample, clip in zip(found, clips, strict=True)}
    return [strips.get(sample_id, ()) for sample_id in sample_ids], describe_colours(scale) if clips else None


def _make_strip(clip: PreviewClip, scale: Scale) -> tuple[Picture, ...]:
    pictures = []
    for step, frame_c in enumerate(clip.frames_c):
        is_keyframe = step == clip.keyframe
        boxes = [(person.box, "person" if is_keyframe else "elsewhen") for person in clip.people]
        caption = describe_step(clip, step)
        pictures.append(make_picture(frame_c, scale, boxes, caption=caption, is_keyframe=is_keyframe))
    return tuple(pictures)


def _show_suspect(suspect: SuspectLabel, clip: PreviewClip | None, scale: Scale) -> SuspectEntry:
    pictures = _make_strip(clip, scale) if clip else ()
    place = "" if suspect.box is None else ", the person's box drawn in"
    return SuspectEntry(
        suspect=suspect,
        # Not datetime: a stamp that is wrong by thousands of years is to be shown too.
        time=str(np.datetime_as_string(np.datetime64(suspect.timestamp_ms, "ms"), unit="s")).replace("T", " "),
        pictures=pictures,
        alt=f"{count(len(pictures), 'thermal frame')} around frame {suspect.keyframe} of {suspect.recording}{place}",
    )
