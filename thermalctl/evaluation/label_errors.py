"""Labels that are probably wrong: what trees that never saw a clip say against it, and labels that flicker.

Both only point to where a second look pays; a rare posture is as strange to the trees as a slip of the annotator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.clip_spec import Target
from thermalctl.dataset.samples import ALL_SPLITS, ThermalDataset
from thermalctl.evaluation.features import extract_features
from thermalctl.evaluation.time_folds import split_by_time
from thermalctl.evaluation.tracks import find_flicker, find_neighbours, list_tracks
from thermalctl.evaluation.trees import BALANCED, NUM_TREES, Ensemble, predict_trees

Suspicion = Literal["unlikely", "flicker"]

#: How many neighbours in time are asked; they lie within one clip of the keyframe.
NUM_NEIGHBOURS = 4


@dataclass(frozen=True, kw_only=True)
class SuspectLabel:
    """A label that is probably wrong.

    Attributes:
        sample_id: the image's id; for a person "<image id>#<annotation id>".
        split: the split whose annotation file holds it.
        recording: the recording's name.
        keyframe: index of the annotated frame in the recording.
        timestamp_ms: when the keyframe was taken, ms since 1970.
        box: of the person; None for a whole frame.
        suspicion: "unlikely": the trees say otherwise; "flicker": the keyframes before and after agree on another.
        label: the class that it is annotated as.
        suggested: the class that it may be instead.
        label_score: the trees' probability of the label, 0..1; None where nothing was left to train them on.
        suggested_score: the trees' probability of the suggestion, the same.
        num_neighbours: annotated keyframes of the same person, of a whole frame of the recording, within one clip; the
            nearest four at most.
        num_agreeing: of these, those with the same label.
    """

    sample_id: str
    split: str
    recording: str
    keyframe: int
    timestamp_ms: int
    box: Box | None
    suspicion: Suspicion
    label: str
    suggested: str
    label_score: float | None
    suggested_score: float | None
    num_neighbours: int
    num_agreeing: int

    @property
    def evidence(self) -> float:
        """How strongly it is suspected, -1..1: the scores' difference less the share of neighbours that agree.

        Where 5 % of the real recordings' labels were changed at random, 12 or 13 of the first 20 by this were among
        them, by the scores alone 11, by chance 1.
        """
        margin = (self.suggested_score or 0.0) - (self.label_score or 0.0)
        return margin - self.num_agreeing / max(1, self.num_neighbours)


def find_label_errors(
    dataset: ThermalDataset,
    *,
    target: Target = "person",
    most: int = 20,
    num_frames: int = 64,
    seed: int = 0,
    num_trees: int = NUM_TREES,
    n_jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[SuspectLabel, ...]:
    """Return the labels that are most probably wrong, over all splits: the unlikely, then those that flicker.

    Args:
        dataset: from `load_dataset`.
        target: what a label belongs to.
        most: how many of each suspicion to return, those with the most evidence first.
        num_frames: length of a clip.
        seed: of the trees.
        num_trees: trees of an ensemble.
        n_jobs: processes to use; the answer is the same.
        on_progress: called with (folds done, folds in all) after each.

    Raises:
        RecordingError: if a recording is damaged.
    """
    samples = dataset.samples(ALL_SPLITS, target)
    features = extract_features(dataset, samples, target=target, num_frames=num_frames)
    scores = np.full((len(features.samples), dataset.num_classes), np.nan)
    folds = split_by_time(dataset, features.samples, num_frames=num_frames)
    rows, labels = features.rows, features.labels
    ensembles = [
        Ensemble(
            rows=rows,
            labels=labels,
            trained=fold.trained,
            judged=fold.judged,
            seed=seed,
            balanced=BALANCED[target],
        )
        for fold in folds
    ]
    grown = predict_trees(ensembles, num_classes=dataset.num_classes, num_trees=num_trees, n_jobs=n_jobs)
    for done, (fold, probabilities) in enumerate(zip(folds, grown, strict=True), start=1):
        scores[fold.judged] = probabilities
        if on_progress:
            on_progress(done, len(folds))
    tracks = list_tracks(dataset, features.samples, target)
    neighbours = find_neighbours(features.samples, tracks, num_frames=num_frames, most=NUM_NEIGHBOURS)
    split_of: dict[str, str] = {}
    for split in dataset.splits:
        for sample in dataset.samples(split, target):
            split_of.setdefault(sample.sample_id, split)

    def describe(place: int, suspicion: Suspicion, suggested: int) -> SuspectLabel:
        sample = features.samples[place]
        is_judged = bool(np.isfinite(scores[place]).all())
        return SuspectLabel(
            sample_id=sample.sample_id,
            split=split_of[sample.sample_id],
            recording=sample.recording,
            keyframe=sample.keyframe,
            timestamp_ms=sample.timestamp_ms,
            box=sample.boxes[0] if target == "person" else None,
            suspicion=suspicion,
            label=dataset.classes[sample.label],
            suggested=dataset.classes[suggested],
            label_score=float(scores[place, sample.label]) if is_judged else None,
            suggested_score=float(scores[place, suggested]) if is_judged else None,
            num_neighbours=len(neighbours[place]),
            num_agreeing=sum(features.samples[other].label == sample.label for other in neighbours[place]),
        )

    unlikely = [describe(place, "unlikely", suggested) for place, suggested in find_unlikely(scores, labels)]
    flicker = [
        describe(place, "flicker", suggested) for place, suggested in find_flicker(dataset, features.samples, tracks)
    ]
    return tuple(
        suspect
        for group in (unlikely, flicker)
        for suspect in sorted(group, key=lambda suspect: (-suspect.evidence, suspect.sample_id))[:most]
    )


def find_unlikely(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return (place, suggested class) of the samples whose out-of-sample scores speak against their label.

    A class's threshold is the mean score of itself over the samples labelled as it. A label is unlikely if its own
    score is below its threshold and another class's score, higher than its own, reaches that class's; of several the
    highest is suggested. A class that the model never learned has threshold 0: nothing is below it, and it is never
    suggested.

    Source: confident learning, Northcutt, Jiang and Chuang, Journal of Artificial Intelligence Research 70 (2021),
    section 3.1: the off-diagonal samples of the confident joint. That the own score is below its threshold is asked
    here in addition.

    Args:
        scores: (N, K) float64, probabilities from models that were not trained on the sample; NaN rows are passed over.
        labels: (N,) the class ids that are doubted.
    """
    judged = np.flatnonzero(np.isfinite(scores).all(axis=1))
    thresholds = np.zeros(scores.shape[1])
    for label in np.unique(labels[judged]):
        thresholds[label] = scores[judged[labels[judged] == label], label].mean()
    reached = (scores[judged] >= thresholds) & (thresholds > 0)
    reached[np.arange(len(judged)), labels[judged]] = False
    rivals = np.where(reached, scores[judged], -1.0)
    suggested = rivals.argmax(axis=1)
    own = scores[judged, labels[judged]]
    unlikely = (own < thresholds[labels[judged]]) & (rivals.max(axis=1) > own)
    return list(zip(judged[unlikely].tolist(), suggested[unlikely].tolist(), strict=True))
