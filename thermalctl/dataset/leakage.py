"""How much of what is judged was already seen in training.

Clips are long and keyframes close together: a random split by keyframe puts nearly the same frames on both sides, and
copying the label of the nearest training keyframe then scores as high as a model. The numbers here stand beside every
score, so that it is read for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from thermalctl.clip_spec import Target
from thermalctl.dataset.samples import Sample, ThermalDataset, clip_indices, count_classes, uniform_clip_indices

_NO_TIMES = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """On what terms a split is judged.

    Attributes:
        split: the judged split.
        split_rule: how the dataset was split; "given" where its annotation files do not say.
        num_clips: judged clips.
        num_overlapping: of them, those that share a frame with a training clip.
        num_sessions: sessions in the whole dataset.
        sessions_in_train: the sessions that training sees.
        shared_sessions: the sessions that are both trained on and judged.
    """

    split: str
    split_rule: str
    num_clips: int
    num_overlapping: int
    num_sessions: int
    sessions_in_train: tuple[str, ...]
    shared_sessions: tuple[str, ...]

    @property
    def share_overlapping(self) -> float:
        """Share of the judged clips that share a frame with a training clip, 0 to 1."""
        return self.num_overlapping / max(1, self.num_clips)


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """How close a judged split lies to the training split, and what that closeness alone scores.

    Attributes:
        protocol: the counts of overlap.
        num_same_frames: judged samples whose very keyframe is a training keyframe too.
        median_distance_frames: median distance to the nearest training keyframe of the same recording; None where no
            judged recording has one.
        copy_top1: top-1 accuracy of copying the nearest training keyframe's label, 0 to 1.
        copy_mean_class: mean class accuracy of it, 0 to 1.
        majority_top1: top-1 accuracy of always answering training's most frequent class, 0 to 1.
        majority_mean_class: mean class accuracy of it, 0 to 1.
    """

    protocol: Protocol
    num_same_frames: int
    median_distance_frames: float | None
    copy_top1: float
    copy_mean_class: float
    majority_top1: float
    majority_mean_class: float


@dataclass(frozen=True, kw_only=True)
class NearestKeyframes:
    """For each judged sample, the training sample whose keyframe is nearest in the same recording.

    Attributes:
        labels: (n,) int64, that sample's class; training's most frequent class where the recording has no training
            keyframe.
        distances: (n,) float64, frames between the two keyframes; inf where there is none.
    """

    labels: NDArray[np.int64]
    distances: NDArray[np.float64]


def describe_protocol(
    dataset: ThermalDataset,
    window_frames: int,
    *,
    window_s: float | None = None,
    split: str = "val",
    target: Target = "frame",
) -> Protocol:
    """Return on what terms a split is judged.

    Args:
        dataset: from `load_dataset`.
        window_frames: T, frames in a clip.
        window_s: length of a uniformly sampled clip, seconds; None for consecutive frames.
        split: the judged split.
        target: what one sample is.

    Raises:
        DatasetError: if there is no such split.
    """
    judged = dataset.samples(split, target)
    trained = dataset.samples("train", target)
    sessions_in_train = {sample.session for sample in trained}
    overlapping = find_overlapping(dataset, trained, judged, window_frames=window_frames, window_s=window_s)
    return Protocol(
        split=split,
        split_rule=dataset.splits["train"].split_rule,
        num_clips=len(judged),
        num_overlapping=int(overlapping.sum()),
        num_sessions=len(set(dataset.sessions.values())),
        sessions_in_train=tuple(sorted(sessions_in_train)),
        shared_sessions=tuple(sorted(sessions_in_train & {sample.session for sample in judged})),
    )


def measure_leakage(dataset: ThermalDataset, split: str, *, window_frames: int, target: Target = "frame") -> Leakage:
    """Return how close a judged split lies to the training split, and what that closeness alone scores.

    Args:
        dataset: from `load_dataset`.
        split: the judged split.
        window_frames: T, frames in a clip.
        target: what one sample is.

    Raises:
        DatasetError: if there is no such split.
    """
    trained, judged = dataset.samples("train", target), dataset.samples(split, target)
    labels = np.array([sample.label for sample in judged])
    nearest = find_nearest_keyframes(trained, judged)
    copy_top1, copy_mean_class = score_labels(nearest.labels, labels)
    majority = count_classes(trained, dataset.num_classes).argmax()
    majority_top1, majority_mean_class = score_labels(np.full_like(labels, majority), labels)
    finite = nearest.distances[np.isfinite(nearest.distances)]
    trained_frames = {(sample.session, sample.timestamp_ms) for sample in trained}
    return Leakage(
        protocol=describe_protocol(dataset, window_frames, split=split, target=target),
        num_same_frames=sum((sample.session, sample.timestamp_ms) in trained_frames for sample in judged),
        median_distance_frames=float(np.median(finite)) if len(finite) else None,
        copy_top1=copy_top1,
        copy_mean_class=copy_mean_class,
        majority_top1=majority_top1,
        majority_mean_class=majority_mean_class,
    )


def find_overlapping(
    dataset: ThermalDataset,
    trained: Sequence[Sample],
    judged: Sequence[Sample],
    *,
    window_frames: int,
    window_s: float | None = None,
) -> NDArray[np.bool_]:
    """Return which judged clips share a frame with a training clip, (n,) bool.

    Frames are the same where session and arrival time are: also in another file that overlaps in time. A clip covers
    all frames from its first to its last, those between uniformly sampled ones included.

    Args:
        dataset: from `load_dataset`.
        trained: training samples.
        judged: (n) judged samples.
        window_frames: T, frames in a clip.
        window_s: length of a uniformly sampled clip, seconds; None for consecutive frames.
    """
    trained_spans: dict[str, list[slice]] = {name: [] for name in dataset.recordings}
    for sample in trained:
        trained_spans[sample.recording].append(_find_span(dataset, sample, window_frames, window_s))
    times_by_session: dict[str, list[NDArray[np.int64]]] = {session: [] for session in dataset.sessions.values()}
    for name, spans in trained_spans.items():
        times_by_session[dataset.sessions[name]] += [dataset.recordings[name].timestamps_ms[span] for span in spans]
    seen = {
        name: np.isin(recording.timestamps_ms, np.concatenate([_NO_TIMES, *times_by_session[dataset.sessions[name]]]))
        for name, recording in dataset.recordings.items()
    }
    return np.array(
        [seen[sample.recording][_find_span(dataset, sample, window_frames, window_s)].any() for sample in judged],
        dtype=bool,
    )


def find_nearest_keyframes(trained: Sequence[Sample], judged: Sequence[Sample]) -> NearestKeyframes:
    """Return the nearest training keyframe of each judged sample, in the same recording.

    Of keyframes equally near, and of several people in one, the sample whose first box is nearest is taken; then the
    first in the training file's order.
    """
    by_recording: dict[str, list[Sample]] = {}
    for sample in trained:
        by_recording.setdefault(sample.recording, []).append(sample)
    fallback = int(np.bincount([sample.label for sample in trained]).argmax())
    labels, distances = [], []
    for sample in judged:
        candidates = by_recording.get(sample.recording)
        if candidates:
            nearest = min(candidates, key=partial(_distance, sample))
            labels.append(nearest.label)
            distances.append(float(abs(nearest.keyframe - sample.keyframe)))
        else:
            labels.append(fallback)
            distances.append(np.inf)
    return NearestKeyframes(labels=np.array(labels, dtype=np.int64), distances=np.array(distances, dtype=np.float64))


def nearest_keyframe_labels(trained: Sequence[Sample], judged: Sequence[Sample]) -> NDArray[np.int64]:
    """Return what copying the nearest training keyframe's label answers for each judged sample, (n,) int64."""
    return find_nearest_keyframes(trained, judged).labels


def score_labels(predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return (top-1 accuracy, mean class accuracy), 0 to 1; the mean is over the classes that `labels` holds."""
    correct = predicted == labels
    recalls = [correct[labels == class_id].mean() for class_id in np.unique(labels)]
    return float(correct.mean()), float(np.mean(recalls))


def _find_span(dataset: ThermalDataset, sample: Sample, window_frames: int, window_s: float | None) -> slice:
    recording = dataset.recordings[sample.recording]
    if window_s is None:
        indices = clip_indices(sample.keyframe, window_frames, recording.num_frames)
    else:
        indices = uniform_clip_indices(sample.keyframe, window_frames, window_s, recording.timestamps_ms)
    return slice(int(indices.min()), int(indices.max()) + 1)


def _distance(sample: Sample, other: Sample) -> tuple[int, float]:
    """Return how far apart two samples of a recording are: in frames, then between their first boxes' centres."""
    box, other_box = sample.boxes[0], other.boxes[0]
    return (
        abs(sample.keyframe - other.keyframe),
        (box.cx - other_box.cx) ** 2 + (box.cy - other_box.cy) ** 2,
    )
