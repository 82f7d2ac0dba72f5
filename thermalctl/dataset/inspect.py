"""A dataset looked at from all sides before anyone trains on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.clips import measure_clip_lengths
from thermalctl.dataset.duplicates import (
    DuplicateClips,
    IdenticalFrames,
    find_duplicate_clips,
    find_identical_frames,
)
from thermalctl.dataset.findings import (
    MAX_KEYFRAME_OFFSET_MS,
    Finding,
    judge_classes,
    judge_conflicting_labels,
    judge_duplicates,
    judge_keyframe_times,
    judge_leakage,
    judge_overlaps,
    judge_split_size,
    judge_splits,
    sort_findings,
)
from thermalctl.dataset.frames import look_at_frames
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.leakage import Leakage, measure_leakage
from thermalctl.dataset.people import PeopleStatistics, summarise_people
from thermalctl.dataset.recording_findings import (
    judge_arrival,
    judge_incomplete_frames,
    judge_temperatures,
    judge_timing,
)
from thermalctl.dataset.samples import ALL_SPLITS, Sample, ThermalDataset, load_dataset
from thermalctl.dataset.sensor_findings import judge_sensor
from thermalctl.dataset.sessions import shared_frames
from thermalctl.dataset.statistics import (
    ClassStatistics,
    RecordingStatistics,
    count_conflicting_keyframes,
    summarise_classes,
)
from thermalctl.recordings.timing import ClipSpan

#: What a model is given unless it is told otherwise.
DEFAULT_TEMPERATURE_RANGE_C = ClipSpec(classes=()).temperature_range_c


@dataclass(frozen=True, kw_only=True)
class SplitSize:
    """How much a split holds.

    Attributes:
        split: its name.
        num_keyframes: annotated frames.
        num_people: people in them.
        num_classes: classes that occur as whole-frame labels.
        clip_length: how long its clips last.
    """

    split: str
    num_keyframes: int
    num_people: int
    num_classes: int
    clip_length: ClipSpan


@dataclass(frozen=True, kw_only=True)
class SharedFrames:
    """Two recordings that hold the same frames, and how many."""

    first: str
    second: str
    num_frames: int


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Everything that was found out about a dataset.

    Attributes:
        root: the dataset folder.
        fingerprint: sha256 of its identity.
        num_files: recordings and annotation files.
        num_bytes: their size.
        num_frames: over all recordings; frames that two recordings share count twice.
        frame_size: (height, width) in pixels.
        sample_shape: (T, height, width) of one clip, float32 deg C.
        frame_range_c: coldest and warmest pixel of any complete frame, deg C; None if none is complete.
        label_range: lowest and highest class id among whole-frame labels.
        sessions: the sessions' names, sorted.
        splits: how much each holds.
        classes: how often each class occurs, in id order.
        people: how many people keyframes show, and how large they are.
        recordings: what each holds and what is wrong with it, by name.
        shared_frames: recordings that overlap.
        identical_frames: recordings that hold the same frames under other stamps or devices.
        num_conflicting: keyframes whose people have different labels.
        leakage: for each judged split, how close it lies to train.
        duplicates: for each judged split, clips that train holds under another name, or that look the same.
        findings: what all this means, worst first.
    """

    root: Path
    fingerprint: str
    num_files: int
    num_bytes: int
    num_frames: int
    frame_size: tuple[int, int]
    sample_shape: tuple[int, int, int]
    frame_range_c: tuple[float, float] | None
    label_range: tuple[int, int]
    sessions: tuple[str, ...]
    splits: tuple[SplitSize, ...]
    classes: tuple[ClassStatistics, ...]
    people: PeopleStatistics
    recordings: tuple[RecordingStatistics, ...]
    shared_frames: tuple[SharedFrames, ...]
    identical_frames: tuple[IdenticalFrames, ...]
    num_conflicting: int
    leakage: tuple[Leakage, ...]
    duplicates: tuple[DuplicateClips, ...]
    findings: tuple[Finding, ...]


def inspect_dataset(
    layout: DatasetLayout,
    *,
    window_frames: int = 64,
    temperature_range_c: tuple[float, float] = DEFAULT_TEMPERATURE_RANGE_C,
    on_progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Return everything that can be found out about a dataset without a model.

    Each frame is read once, a block of a recording at a time. What is kept of it is a few bytes, and of each clip a
    small picture.

    Args:
        layout: the dataset folder.
        window_frames: T, frames in a clip.
        temperature_range_c: (low, high) deg C, the range that a model is given.
        on_progress: called with (recordings done, recordings in all) after each.

    Raises:
        DatasetError: if the dataset contradicts itself.
        RecordingError: if a recording's frames are damaged.
    """
    dataset = load_dataset(layout)
    samples = dataset.samples(ALL_SPLITS)
    frames = look_at_frames(
        dataset,
        samples,
        window_frames=window_frames,
        temperature_range_c=temperature_range_c,
        on_progress=on_progress,
    )
    recordings = tuple(frames.recordings)
    shared = _list_shared_frames(dataset)
    classes = summarise_classes(dataset, frames.motion_c)
    splits = tuple(_measure_split(dataset, split, window_frames) for split in dataset.splits)
    judged = [split for split in dataset.splits if split != "train"]
    leakage = tuple(measure_leakage(dataset, split, window_frames=window_frames) for split in judged)
    identical = find_identical_frames(dataset, frames.digests)
    duplicates = tuple(
        find_duplicate_clips(
            dataset, split, digests=frames.digests, pictures_c=frames.pictures_c, window_frames=window_frames
        )
        for split in judged
    )
    num_conflicting = sum(count_conflicting_keyframes(annotations) for annotations in dataset.splits.values())
    first = next(iter(dataset.recordings.values()))
    measured = [entry.temperatures for entry in recordings if entry.temperatures]
    files = [entry.path for entry in dataset.splits.values()] + [entry.path for entry in dataset.recordings.values()]
    labels = [sample.label for sample in samples]
    return Inspection(
        root=layout.root,
        fingerprint=dataset.fingerprint(),
        num_files=len(files),
        num_bytes=sum(path.stat().st_size for path in files),
        num_frames=sum(entry.num_frames for entry in recordings),
        frame_size=first.frame_size,
        sample_shape=(window_frames, *first.frame_size),
        frame_range_c=(min(entry.min_c for entry in measured), max(entry.max_c for entry in measured))
        if measured
        else None,
        label_range=(min(labels), max(labels)),
        sessions=tuple(sorted(set(dataset.sessions.values()))),
        splits=splits,
        classes=classes,
        people=summarise_people(samples, first.frame_size),
        recordings=recordings,
        shared_frames=shared,
        identical_frames=identical,
        num_conflicting=num_conflicting,
        leakage=leakage,
        duplicates=duplicates,
        findings=sort_findings(
            [
                *(judge_leakage(entry) for entry in leakage),
                *judge_duplicates(identical, duplicates),
                *judge_overlaps(
                    {(entry.first, entry.second): entry.num_frames for entry in shared},
                    {entry.recording: entry.num_frames for entry in recordings},
                    are_copies=bool(identical),
                ),
                judge_splits(tuple(dataset.splits)),
                judge_keyframe_times(_count_misplaced(dataset, samples), len(samples)),
                judge_incomplete_frames(recordings),
                *judge_sensor(recordings),
                judge_conflicting_labels(num_conflicting, sum(entry.num_keyframes for entry in splits)),
                judge_classes(classes),
                *(judge_split_size(entry.split, entry.num_keyframes, classes) for entry in splits[1:]),
                *judge_timing(recordings),
                judge_arrival(recordings),
                judge_temperatures(recordings, temperature_range_c),
            ]
        ),
    )


def _measure_split(dataset: ThermalDataset, split: str, window_frames: int) -> SplitSize:
    samples = dataset.samples(split)
    return SplitSize(
        split=split,
        num_keyframes=len(samples),
        num_people=len(dataset.splits[split].annotations),
        num_classes=len({sample.label for sample in samples}),
        clip_length=measure_clip_lengths(dataset, split, window_frames),
    )


def _list_shared_frames(dataset: ThermalDataset) -> tuple[SharedFrames, ...]:
    shared = shared_frames(
        {name: recording.timestamps_ms for name, recording in dataset.recordings.items()},
        {name: recording.mac_address for name, recording in dataset.recordings.items()},
    )
    return tuple(
        SharedFrames(first=first, second=second, num_frames=count) for (first, second), count in shared.items()
    )


def _count_misplaced(dataset: ThermalDataset, samples: list[Sample]) -> int:
    """Return how many keyframes are stamped otherwise than the frame that they name."""
    return sum(
        abs(int(dataset.recordings[sample.recording].timestamps_ms[sample.keyframe]) - sample.timestamp_ms)
        > MAX_KEYFRAME_OFFSET_MS
        for sample in samples
    )
