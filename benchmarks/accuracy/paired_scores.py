"""The answers of models that judged the same clips, compared clip by clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermalctl.evaluation.paired import find_p, weigh_by_class
from thermalctl.evaluation.resampling import bootstrap, find_interval, number_groups


@dataclass(frozen=True)
class Answers:
    """What the models of several seeds answered on N clips, and what that is worth; scores in 0..1.

    Attributes:
        labels: true class id of each clip, by its sample id.
        right: (N,) share of the seeds that were right, in the order of `labels`.
        top1: share of clips that were right, by seed.
        mean_class: mean over the classes with a clip of the share that was right, by seed.
        seconds: how long a training took, mean over seeds.
        references: what was answered without a network, by name.
    """

    labels: Mapping[str, int]
    right: NDArray[np.float64]
    top1: Mapping[int, float]
    mean_class: Mapping[int, float]
    seconds: float
    references: Mapping[str, Answers] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """How far a score is from another one.

    Attributes:
        mean: over seeds.
        std: over the seeds that both have; None for fewer than two.
        p: see `find_p`.
    """

    mean: float
    std: float | None
    p: float


def gather(results: Mapping[int, Mapping[str, Any]]) -> Answers:
    """Return the answers in results by seed, each of `sample_ids`, `labels`, `predicted` and `seconds`.

    A result may have `references`, further answers by name. They are the same for each seed, and the first one's count.

    Raises:
        ValueError: if two seeds judged other clips.
    """
    first = next(iter(results.values()))
    if any(result["sample_ids"] != first["sample_ids"] for result in results.values()):
        raise ValueError("the seeds of one row judged different clips")
    labels = np.array(first["labels"])
    hits = {seed: np.equal(labels, result["predicted"]).astype(float) for seed, result in results.items()}
    return Answers(
        labels=dict(zip(first["sample_ids"], first["labels"], strict=True)),
        right=np.mean(list(hits.values()), axis=0),
        top1={seed: float(each @ weigh(labels, by_class=False)) for seed, each in hits.items()},
        mean_class={seed: float(each @ weigh(labels, by_class=True)) for seed, each in hits.items()},
        seconds=float(np.mean([result["seconds"] for result in results.values()])),
        references={
            name: gather({0: {**first, "predicted": predicted, "references": {}}})
            for name, predicted in first.get("references", {}).items()
        },
    )


def weigh(labels: NDArray[np.int64], *, by_class: bool) -> NDArray[np.float64]:
    """Return what each clip (N,) counts for in top-1, or, `by_class`, in the mean class accuracy."""
    return weigh_by_class(labels) if by_class else np.full(len(labels), 1 / len(labels))


def find_bounds(answers: Answers, score: str) -> tuple[float, float]:
    """Return where "top1" or "mean_class", mean over seeds, may as well lie: 95 %, keyframes drawn anew.

    The people of a keyframe, "<keyframe>#<person>", are drawn together.
    """
    labels = np.array(list(answers.labels.values()))
    groups = number_groups([clip.partition("#")[0] for clip in answers.labels])
    is_class = (labels[:, None] == np.unique(labels)).astype(float)

    def measure(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        if score == "top1":
            return {score: weights @ answers.right / weights.sum(axis=1)}
        with np.errstate(invalid="ignore"):  # a resample without a clip of a class has no recall of it
            recalls = weights @ (is_class * answers.right[:, None]) / (weights @ is_class)
        return {score: np.nanmean(recalls, axis=1)}

    interval = find_interval(bootstrap(measure, groups)[score])
    assert interval is not None
    return interval.low, interval.high


def compare(found: Answers, base: Answers, score: str) -> Difference:
    """Return how far "top1" or "mean_class" of a row is from its base's.

    Raises:
        ValueError: if the two judged other clips.
    """
    if found.labels != base.labels:
        raise ValueError("the row and its base judged different clips")
    order = {clip: index for index, clip in enumerate(found.labels)}
    right = found.right[[order[clip] for clip in base.labels]]
    weighed = (right - base.right) * weigh(np.array(list(base.labels.values())), by_class=score == "mean_class")
    own, other = getattr(found, score), getattr(base, score)
    by_seed = [own[seed] - other[seed] for seed in own if seed in other]
    std = float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None
    return Difference(mean=float(weighed.sum()), std=std, p=find_p(weighed))
