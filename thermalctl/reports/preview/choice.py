"""Which clips to show: by split, class, recording or sample, or a finding of `inspect-dataset`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ALL_SPLITS, ThermalDataset
from thermalctl.errors import DatasetError, RequestError
from thermalctl.reports.preview.clips import ChosenClip
from thermalctl.reports.preview.names import match_name
from thermalctl.reports.sentences import count

#: Clips where the user names no number: so many of each class, and of a few classes so many in all.
CLIPS_PER_CLASS, CLIPS_IN_ALL = 2, 12
#: Clips of a finding where the user names no number.
CLIPS_OF_FINDING = 12


@dataclass(frozen=True, kw_only=True)
class ClipRequest:
    """What the user wants to see; what is left out is not asked for.

    Attributes:
        split: "train", "val", "test" or "all"; None for train, or for a finding the split that it is about.
        classes: names of classes, or unique parts of them.
        recordings: names of recordings or sessions, or unique parts of them.
        sample_ids: ids of samples, or unique parts of them.
        finding: a name in `thermalctl.reports.preview.findings.FINDINGS`.
        count: how many clips at most.
    """

    split: str | None = None
    classes: tuple[str, ...] = ()
    recordings: tuple[str, ...] = ()
    sample_ids: tuple[str, ...] = ()
    finding: str | None = None
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The clips to show, in order, and in words how they were chosen."""

    clips: tuple[ChosenClip, ...]
    text: str


def choose_clips(dataset: ThermalDataset, spec: ClipSpec, request: ClipRequest) -> Choice:
    """Return the clips that a request means.

    Without samples or a finding they are dealt class by class, the rarest first, and within a class spread evenly over
    the recordings.

    Args:
        dataset: from `load_dataset`.
        spec: what a clip is; its target decides what a sample is.
        request: what the user wants.

    Raises:
        RequestError: if a name is unknown or ambiguous, or the request contradicts itself.
        DatasetError: if no clip is as wanted.
    """
    if request.sample_ids:
        return _choose_named(dataset, spec, request)
    if request.finding is not None:
        return _choose_found(dataset, spec, request, request.finding)
    split = request.split or "train"
    listed = _list_clips(dataset, split, spec)
    clips = _keep_wanted(listed, dataset, request)
    if not clips:
        raise DatasetError(
            f"{dataset.layout.root}: none of the {len(listed)} {split} clips is {_describe_wanted(request)}",
            hint=_hint_at_people(spec, request),
        )
    shown = deal_by_class(clips, request.count)
    text = f"{split}, {len(shown)} of {count(len(clips), 'clip')}"
    has_classes = len({clip.sample.label for clip in shown}) > 1
    return Choice(clips=tuple(shown), text=text + (", rarest classes first" if has_classes else ""))


def deal_by_class(clips: Sequence[ChosenClip], most: int | None) -> list[ChosenClip]:
    """Return at most `most` of the clips, dealt one by one to the classes, the rarest first; grouped by class.

    Args:
        clips: what there is.
        most: how many; None for `CLIPS_PER_CLASS` of each class and at least `CLIPS_IN_ALL`.
    """
    by_class: dict[int, list[ChosenClip]] = {}
    for clip in sorted(clips, key=lambda clip: (clip.sample.recording, clip.sample.keyframe)):
        by_class.setdefault(clip.sample.label, []).append(clip)
    rarest_first = sorted(by_class, key=lambda label: (len(by_class[label]), label))
    if most is None:
        most = max(CLIPS_IN_ALL, CLIPS_PER_CLASS * len(rarest_first))
    shares = dict.fromkeys(rarest_first, 0)
    for _ in range(min(most, len(clips))):
        # The class with the fewest clips so far; of several, the rarest.
        open_classes = [label for label in rarest_first if shares[label] < len(by_class[label])]
        shares[min(open_classes, key=lambda label: shares[label])] += 1
    return [clip for label in rarest_first for clip in _spread(by_class[label], shares[label])]


def _spread(clips: Sequence[ChosenClip], number: int) -> list[ChosenClip]:
    """Return so many of the clips, evenly spread and away from the ends."""
    places = (np.arange(number) + 0.5) * len(clips) / max(1, number)
    return [clips[int(place)] for place in places]


def _choose_found(dataset: ThermalDataset, spec: ClipSpec, request: ClipRequest, name: str) -> Choice:
    from thermalctl.reports.preview.findings import (
        FINDINGS,
        TOPICS,
        find_clips,
    )  # takes a second to import, for scipy.stats

    known = match_name(TOPICS.get(name, name), list(FINDINGS), option="--finding", plural="findings")
    finding = FINDINGS[known]
    found = find_clips(dataset, spec, finding, request.split)
    listed = [ChosenClip(sample=sample, split=split, remark=remark) for sample, split, remark in found]
    size = finding.group_size
    # The first of a group is what was found; the others stand beside it, whatever they are of.
    groups = [listed[start : start + size] for start in range(0, len(listed), size)]
    wanted = {clip.sample.sample_id for clip in _keep_wanted([group[0] for group in groups], dataset, request)}
    groups = [group for group in groups if group[0].sample.sample_id in wanted]
    if not groups:
        raise DatasetError(
            f"{dataset.layout.root}: no {finding.group_name} {finding.text}, as asked for",
            hint="thermalctl inspect-dataset says what there is",
        )
    shown = groups[: max(1, (request.count or CLIPS_OF_FINDING) // size)]
    total = count(len(groups), finding.group_name)
    number = total if len(shown) == len(groups) else f"{len(shown)} of {total}"
    return Choice(clips=tuple(clip for group in shown for clip in group), text=f"{number} {finding.text}")


def _choose_named(dataset: ThermalDataset, spec: ClipSpec, request: ClipRequest) -> Choice:
    if request.classes or request.recordings or request.finding or request.count:
        raise RequestError(
            "--sample was given with --class, --recording, --finding or --count", hint="give --sample alone"
        )
    listed = {clip.sample.sample_id: clip for clip in _list_clips(dataset, request.split or ALL_SPLITS, spec)}
    named = []
    for wanted in request.sample_ids:
        if "#" in wanted and spec.target == "frame" and wanted not in listed:
            raise RequestError(f'--sample "{wanted}": names a person in a frame', hint="add --target person")
        named.append(match_name(wanted, list(listed), option="--sample", plural="samples"))
    clips = tuple(listed[sample_id] for sample_id in dict.fromkeys(named))
    return Choice(clips=clips, text=count(len(clips), "clip"))


def _list_clips(dataset: ThermalDataset, split: str, spec: ClipSpec) -> list[ChosenClip]:
    splits = list(dataset.splits) if split == ALL_SPLITS else [split]
    clips: dict[str, ChosenClip] = {}
    for name in splits:
        for sample in dataset.samples(name, spec.target):
            clips.setdefault(sample.sample_id, ChosenClip(sample=sample, split=name))
    return list(clips.values())


def _keep_wanted(clips: Sequence[ChosenClip], dataset: ThermalDataset, request: ClipRequest) -> list[ChosenClip]:
    labels = {
        dataset.classes.index(match_name(name, dataset.classes, option="--class", plural="classes"))
        for name in request.classes
    }
    recordings: set[str] = set()
    for name in request.recordings:
        of_session = [recording for recording, session in dataset.sessions.items() if session == name]
        recordings.update(
            of_session or [match_name(name, list(dataset.recordings), option="--recording", plural="recordings")]
        )
    return [
        clip
        for clip in clips
        if (not labels or clip.sample.label in labels) and (not recordings or clip.sample.recording in recordings)
    ]


def _describe_wanted(request: ClipRequest) -> str:
    parts = [f"of class {' or '.join(request.classes)}"] if request.classes else []
    parts += [f"of recording {' or '.join(request.recordings)}"] if request.recordings else []
    return " and ".join(parts) or "there"


def _hint_at_people(spec: ClipSpec, request: ClipRequest) -> str:
    if request.classes and spec.target == "frame":
        return "--target person finds people that do it where a frame's label is another; --split all looks everywhere"
    return "--split all looks everywhere; thermalctl inspect-dataset counts clips by class and recording"
