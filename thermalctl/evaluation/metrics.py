"""Metrics of one model on one split, each with its definition.

One ranking of the classes decides everything: by score, and of classes with equal scores the higher class id first.
That is the order of MMAction2's top-k accuracy (`np.argsort`, read backwards) and of scikit-learn's; the sort here is
stable, so that the order among equals does not depend on the processor. A clip's predicted class is the first in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.evaluation.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class ClassMetrics:
    """How one class fared; rates in 0..1, None where they are undefined.

    Attributes:
        name: the class.
        num_samples: judged clips of this class.
        num_train: training samples of this class; None where they are not known.
        num_predicted: clips that were taken for this class.
        recall: share of its clips that were found; None without a clip.
        precision: share of the clips taken for it that are of it; None if nothing was taken for it.
        f1: harmonic mean of the two; None without a clip.
        most_confused_with: the class that its clips were most often wrongly taken for; None without a mistake.
    """

    name: str
    num_samples: int
    num_train: int | None
    num_predicted: int
    recall: float | None
    precision: float | None
    f1: float | None
    most_confused_with: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Metrics:
    """How a model fared on N clips of K classes; rates in 0..1.

    Attributes:
        num_samples: N.
        top1: share of clips whose true class has the highest score.
        top3: share of clips whose true class is among the three highest; None for K of 3 or less.
        top5: the same for five; None for K of 5 or less.
        mean_class_accuracy: mean recall over the classes with a clip, also called balanced accuracy.
        mmaction_mean1: MMAction2's `acc/mean1`: the mean over the classes with a clip or a prediction, where a class
            that was predicted but has no clip counts as 0.
        macro_f1: mean F1 over the classes with a clip.
        num_ties: clips whose highest score is shared by several classes, so that the class id decided.
        classes: the K classes in id order.
        confusion: (K, K) int64, clips of true class (row) predicted as class (column).
    """

    num_samples: int
    top1: float
    top3: float | None
    top5: float | None
    mean_class_accuracy: float
    mmaction_mean1: float
    macro_f1: float
    num_ties: int
    classes: tuple[ClassMetrics, ...]
    confusion: NDArray[np.int64]


def compute_metrics(predictions: Predictions) -> Metrics:
    """Return the metrics of the predictions."""
    scores, labels = predictions.scores, predictions.labels
    ranked = rank_classes(scores)
    confusion = count_confusion(labels, ranked[:, 0], predictions.num_classes)
    train_counts = predictions.train_counts
    per_class = tuple(
        _judge_class(confusion, index, predictions.classes, None if train_counts is None else int(train_counts[index]))
        for index in range(predictions.num_classes)
    )
    recalls = [entry.recall for entry in per_class if entry.recall is not None]
    return Metrics(
        num_samples=predictions.num_samples,
        top1=_top_k(ranked, labels, 1),
        top3=_top_k(ranked, labels, 3) if predictions.num_classes > 3 else None,
        top5=_top_k(ranked, labels, 5) if predictions.num_classes > 5 else None,
        mean_class_accuracy=float(np.mean(recalls)),
        mmaction_mean1=_mmaction_mean1(scores, labels),
        macro_f1=float(np.mean([entry.f1 for entry in per_class if entry.f1 is not None])),
        num_ties=int(((scores == scores.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum()),
        classes=per_class,
        confusion=confusion,
    )


def rank_classes(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the class ids from the highest score to the lowest, (N, K); of equal scores the higher id first."""
    return np.argsort(scores, axis=1, kind="stable")[:, ::-1]


def count_confusion(labels: NDArray[np.int64], predicted: NDArray[np.integer], num_classes: int) -> NDArray[np.int64]:
    """Return how many clips of true class (row) were predicted as class (column), (K, K) int64.

    Args:
        labels: (N,) true class ids.
        predicted: (N,) predicted class ids.
        num_classes: K.
    """
    cells = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


def _judge_class(
    confusion: NDArray[np.int64], index: int, names: tuple[str, ...], num_train: int | None
) -> ClassMetrics:
    num_hits, num_samples = int(confusion[index, index]), int(confusion[index].sum())
    num_predicted = int(confusion[:, index].sum())
    mistakes = confusion[index].copy()
    mistakes[index] = 0
    return ClassMetrics(
        name=names[index],
        num_samples=num_samples,
        num_train=num_train,
        num_predicted=num_predicted,
        recall=num_hits / num_samples if num_samples else None,
        precision=num_hits / num_predicted if num_predicted else None,
        f1=2 * num_hits / (num_samples + num_predicted) if num_samples else None,
        most_confused_with=names[int(mistakes.argmax())] if mistakes.any() else None,
    )


def _top_k(ranked: NDArray[np.intp], labels: NDArray[np.int64], k: int) -> float:
    return float((ranked[:, :k] == labels[:, None]).any(axis=1).mean())


def _mmaction_mean1(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return what `mmaction.evaluation.mean_class_accuracy` returns, 1.2.0.

    It builds its confusion matrix over the classes that occur among labels or predictions, so a class that was only
    predicted enters the mean with 0. It also takes the lowest id of equal scores, unlike its own top-k accuracy.
    """
    predicted = scores.argmax(axis=1)
    occurring = np.union1d(labels, predicted)
    confusion = count_confusion(labels, predicted, scores.shape[1])
    num_samples = confusion.sum(axis=1)[occurring]
    return float((confusion.diagonal()[occurring] / np.maximum(num_samples, 1)).mean())
