"""What needs no network answers on the clips that a model is judged on, learnt from the same training split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.clip_spec import Target
from thermalctl.dataset.leakage import nearest_keyframe_labels
from thermalctl.dataset.samples import Sample, ThermalDataset, count_classes
from thermalctl.evaluation.features import ClipFeatures, extract_features
from thermalctl.evaluation.metrics import rank_classes
from thermalctl.evaluation.nearest import copy_nearest
from thermalctl.evaluation.trees import BALANCED, Ensemble, predict_trees

#: Of the trees; another one changes their score on the given split of the real recordings by a point.
TREES_SEED = 0
_PLACES: dict[Target, str] = {"frame": "trees on frames", "person": "trees on box crops"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceAnswers:
    """What a baseline answers on N clips.

    Attributes:
        name: the baseline, as a row of a table.
        answers: (N,) int64, class ids.
    """

    name: str
    answers: NDArray[np.int64]


def answer_references(
    dataset: ThermalDataset, split: str, *, target: Target, num_frames: int, window_s: float | None = None
) -> tuple[ReferenceAnswers, ...]:
    """Return what the baselines answer on a split; none where its clips are those they would learn from.

    They are: the most frequent class, the label of the training keyframe that is nearest in time, that of the training
    clip that looks most alike, and trees on a few small pictures of each clip (see `features`): of whole frames, and
    where people are judged also of the square around each.

    Args:
        dataset: whose train split they learn from.
        split: the judged one.
        target: what one sample is.
        num_frames: T, frames in a clip.
        window_s: over how many seconds they are spread evenly; None for consecutive ones.

    Raises:
        DatasetError: if there is no such split.
        RecordingError: if a recording is damaged.
    """
    trained, judged = dataset.samples("train", target), dataset.samples(split, target)
    known = {sample.sample_id for sample in trained}
    if not trained or any(sample.sample_id in known for sample in judged):
        return ()
    majority = int(count_classes(trained, dataset.num_classes).argmax())
    found = [
        ReferenceAnswers(name="always the majority", answers=np.full(len(judged), majority, dtype=np.int64)),
        ReferenceAnswers(name="nearest keyframe", answers=nearest_keyframe_labels(trained, judged)),
    ]
    seen: tuple[Target, ...] = ("frame",) if target == "frame" else ("person", "frame")
    for kind in seen:
        features = extract_features(dataset, [*trained, *judged], target=kind, num_frames=num_frames, window_s=window_s)
        answers = _answer_from_pictures(features, trained, judged, kind, dataset.num_classes, majority)
        found += answers if kind == seen[0] else answers[-1:]
    return tuple(found)


def _answer_from_pictures(
    features: ClipFeatures, trained: list[Sample], judged: list[Sample], kind: Target, num_classes: int, majority: int
) -> list[ReferenceAnswers]:
    """Return what the most similar clip and trees answer; clips of which no picture can be made get the majority."""
    place_of = {sample.sample_id: place for place, sample in enumerate(features.samples)}
    to_learn = _find_places(trained, place_of)
    to_judge = _find_places(judged, place_of)
    is_described = to_judge >= 0
    learnt, asked = to_learn[to_learn >= 0], to_judge[is_described]
    if not len(learnt) or not len(asked):
        return []
    ensemble = Ensemble(
        rows=features.rows,
        labels=features.labels,
        trained=learnt,
        judged=asked,
        seed=TREES_SEED,
        balanced=BALANCED[kind],
    )
    (probabilities,) = predict_trees([ensemble], num_classes=num_classes)
    found = {
        "most similar clip": copy_nearest(features, learnt, asked),
        _PLACES[kind]: rank_classes(probabilities)[:, 0].astype(np.int64),
    }
    answers = []
    for name, given in found.items():
        everywhere = np.full(len(judged), majority, dtype=np.int64)
        everywhere[is_described] = given
        answers.append(ReferenceAnswers(name=name, answers=everywhere))
    return answers


def _find_places(samples: list[Sample], place_of: dict[str, int]) -> NDArray[np.intp]:
    return np.array([place_of.get(sample.sample_id, -1) for sample in samples], dtype=np.intp)
