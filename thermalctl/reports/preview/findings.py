"""The clips behind the findings of `inspect-dataset`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.findings import MIN_CLIPS_PER_CLASS
from thermalctl.dataset.leakage import find_overlapping
from thermalctl.dataset.samples import ALL_SPLITS, Sample, ThermalDataset, count_classes, find_clip
from thermalctl.errors import RequestError
from thermalctl.recordings.hdf5 import RecordingFile
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.reports.sentences import count

if TYPE_CHECKING:
    from thermalctl.evaluation.label_errors import SuspectLabel

#: A clip, the split that it is of, and why it is shown.
Found = tuple[Sample, str, str]


@dataclass(frozen=True, kw_only=True)
class PreviewFinding:
    """A finding that clips can be shown for.

    Attributes:
        text: what the clips are, to follow "12 clips".
        split: the split that is looked at unless another is named.
        find: from a dataset, what a clip is and a split to the clips, worst first.
        group_size: how many clips of the list belong together: one, or what was found and what stands beside it.
        group_name: what such a group is called.
    """

    text: str
    split: str
    find: Callable[[ThermalDataset, ClipSpec, str], list[Found]]
    group_size: int = 1
    group_name: str = "clip"


def find_clips(dataset: ThermalDataset, spec: ClipSpec, finding: PreviewFinding, split: str | None) -> list[Found]:
    """Return the clips behind a finding, worst first.

    Args:
        dataset: from `load_dataset`.
        spec: what a clip is.
        finding: of `FINDINGS`.
        split: where to look; None for where the finding is about.

    Raises:
        DatasetError: if there is no such split.
        RequestError: if the finding cannot be about that split.
    """
    if split is None:
        split = finding.split if finding.split in (*dataset.splits, ALL_SPLITS) else "train"
    return finding.find(dataset, spec, split)


def find_conflicting(dataset: ThermalDataset, spec: ClipSpec, split: str) -> list[Found]:
    """Return clips of keyframes whose people have different labels, those with the most labels first."""
    found: list[tuple[int, Found]] = []
    for name in _list_splits(dataset, split):
        labels = {
            (image.sensor_id, image.frame_idx): {person.category_id for person in people}
            for image, people in zip(
                dataset.splits[name].images, dataset.splits[name].group_by_image().values(), strict=True
            )
        }
        for sample in dataset.samples(name, spec.target):
            number = len(labels[sample.recording, sample.keyframe])
            if number > 1:
                found.append((-number, (sample, name, f"{number} labels in one keyframe")))
    return [one for _, one in sorted(found, key=lambda entry: entry[0])]


def find_incomplete(dataset: ThermalDataset, spec: ClipSpec, split: str) -> list[Found]:
    """Return clips with incomplete frames, those with the most first; reads every frame of their recordings."""
    incomplete = {}
    found: list[tuple[int, Found]] = []
    for name in _list_splits(dataset, split):
        for sample in dataset.samples(name, spec.target):
            if sample.recording not in incomplete:
                with RecordingFile(dataset.layout.recording_file(sample.recording)) as file:
                    incomplete[sample.recording] = find_incomplete_frames(file.read_all().frames_c)
            number = int(incomplete[sample.recording][find_clip(sample, dataset, spec)].sum())
            if number:
                found.append((-number, (sample, name, "")))  # every clip's own line counts them
    return [one for _, one in sorted(found, key=lambda entry: entry[0])]


def find_rare(dataset: ThermalDataset, spec: ClipSpec, split: str) -> list[Found]:
    """Return clips of classes that train has fewer than five of, the rarest first."""
    counts = count_classes(dataset.samples("train", spec.target), dataset.num_classes)
    found = [
        (sample, name, f"one of {counts[sample.label]} in train" if name == "train" else f"{name} clip")
        for name in _list_splits(dataset, split)
        for sample in dataset.samples(name, spec.target)
        if counts[sample.label] < MIN_CLIPS_PER_CLASS
    ]
    return sorted(found, key=lambda one: (counts[one[0].label], one[0].label))


def find_leaking(dataset: ThermalDataset, spec: ClipSpec, split: str) -> list[Found]:
    """Return judged clips that share frames with a training clip, each followed by the nearest such, nearest first.

    Raises:
        RequestError: if the split is the training split itself.
    """
    if split in ("train", ALL_SPLITS):
        raise RequestError(f"--finding leakage compares a split with train, and not {split}", hint="as in --split val")
    trained, judged = dataset.samples("train", spec.target), dataset.samples(split, spec.target)
    window_s = spec.window_s if spec.time_sampling == "uniform" else None
    overlapping = find_overlapping(dataset, trained, judged, window_frames=spec.num_frames, window_s=window_s)
    pairs = []
    for sample in (judged[index] for index in np.flatnonzero(overlapping)):
        candidates = [other for other in trained if other.session == sample.session]
        nearest = min(candidates, key=lambda other: abs(other.timestamp_ms - sample.timestamp_ms))
        pairs.append((sample, nearest))
    pairs.sort(key=lambda pair: abs(pair[1].timestamp_ms - pair[0].timestamp_ms))
    found: list[Found] = []
    for number, (sample, nearest) in enumerate(pairs, start=1):
        same = "the same label" if nearest.label == sample.label else "another label"
        found += [
            (sample, split, f"pair {number}"),
            (nearest, "train", f"pair {number}: {_describe_distance(sample, nearest)}, {same}"),
        ]
    return found


def find_doubtful(dataset: ThermalDataset, spec: ClipSpec, split: str) -> list[Found]:
    """Return clips with a label that is probably wrong, the most doubtful first; grows trees, which takes seconds.

    The labels are people's, as `inspect-dataset` lists them; for target "frame" the clip is of the frame they are in.
    """
    from thermalctl.evaluation.label_errors import find_label_errors  # scikit-learn's trees are slow to import

    samples: dict[tuple[str, str], Sample] = {}
    for name in _list_splits(dataset, split):
        for sample in dataset.samples(name, spec.target):
            samples[name, sample.sample_id] = sample
    remarks: dict[tuple[str, str], list[str]] = {}
    for suspect in find_label_errors(dataset, target="person", num_frames=spec.num_frames):
        image_id = suspect.sample_id.rpartition("#")[0]
        key = (suspect.split, suspect.sample_id if spec.target == "person" else image_id)
        if key in samples:
            remarks.setdefault(key, []).append(_describe_suspect(suspect))
    return [(samples[key], key[0], "; ".join(dict.fromkeys(why))) for key, why in remarks.items()]


def _describe_suspect(suspect: SuspectLabel) -> str:
    doubt = f'"{suspect.label}", rather "{suspect.suggested}"'
    if suspect.suspicion == "flicker":
        return f"{doubt}: as before and after"
    if suspect.label_score is None or suspect.suggested_score is None:
        return doubt
    return f"{doubt}: trees give {100 * suspect.label_score:.0f} % to {100 * suspect.suggested_score:.0f} %"


def _describe_distance(sample: Sample, nearest: Sample) -> str:
    offset_s = (nearest.timestamp_ms - sample.timestamp_ms) / 1000
    if sample.recording == nearest.recording:
        frames = count(abs(nearest.keyframe - sample.keyframe), "frame")
        return f"{frames}, {abs(offset_s):.1f} s {'earlier' if offset_s < 0 else 'later'}"
    return f"{abs(offset_s):.1f} s {'earlier' if offset_s < 0 else 'later'}, in a recording of the same session"


def _list_splits(dataset: ThermalDataset, split: str) -> list[str]:
    return list(dataset.splits) if split == ALL_SPLITS else [split]


#: The findings by the names that `--finding` takes.
FINDINGS = {
    "leakage": PreviewFinding(
        text="of a judged clip and the nearest training clip, whose frames it shares",
        split="val",
        find=find_leaking,
        group_size=2,
        group_name="pair",
    ),
    "incomplete": PreviewFinding(text="with incomplete frames, the most first", split=ALL_SPLITS, find=find_incomplete),
    "conflicting": PreviewFinding(
        text="whose keyframe shows people with different labels", split=ALL_SPLITS, find=find_conflicting
    ),
    "doubtful": PreviewFinding(
        text="with a label that is probably wrong, the most doubtful first", split=ALL_SPLITS, find=find_doubtful
    ),
    "rare": PreviewFinding(
        text=f"of classes with fewer than {MIN_CLIPS_PER_CLASS} in train, rarest first",
        split="train",
        find=find_rare,
    ),
}

#: What `inspect-dataset` calls them, which will do as well.
TOPICS = {"frames": "incomplete", "labels": "doubtful", "classes": "rare"}
