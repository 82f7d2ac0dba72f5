"""Validation metrics during training: MMAction2's own, and those that small unequal data needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermalctl.compat import prepare_mmaction
from thermalctl.errors import NotHeldError

prepare_mmaction()

from mmaction.evaluation import top_k_accuracy  # noqa: E402
from mmaction.evaluation.metrics import AccMetric  # noqa: E402
from sklearn.metrics import recall_score  # noqa: E402

#: Least probability in the log loss: that of a class that is masked is 0, and one such clip would make it infinite.
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)
#: How far the sum of probabilities in float32 may be from 1; scores that are farther are no probabilities.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The scores of a validation.

    Attributes:
        scores: (N, K), as the head gave them.
        labels: (N,) int64.
    """

    scores: NDArray[np.floating[Any]]
    labels: NDArray[np.int64]


class ClassAccuracy(AccMetric):
    """MMAction2's `AccMetric` (`acc/top1`, `acc/top5`, `acc/mean1`) with three more beside it.

    `acc/top3`; `acc/mean_class`, the mean recall over classes with a true sample (`acc/mean1` averages over classes
    that are true or predicted, so predicting an absent class lowers it); and, where the scores are probabilities,
    `acc/log_loss`, the mean negative logarithm of the true class's, in nats.

    Attributes:
        judged: the last validation's scores; None before it, and for clips of several labels.
    """

    judged: Judged | None = None

    def calculate(self, preds: list[np.ndarray], labels: list[Any]) -> dict[str, float]:
        """Return the metrics without their prefix.

        Args:
            preds: N scores (K,).
            labels: N class ids.

        Raises:
            NotHeldError: if a score is not a number; `acc/mean1` would be finite all the same.
        """
        scores = np.stack(preds)
        broken = int((~np.isfinite(scores)).any(axis=1).sum())
        if broken:
            raise NotHeldError(
                f"the scores of {broken} of {len(scores)} validation clips are not numbers",
                hint="training has diverged: lower the rate (--lr), or train without --amp",
            )
        metrics: dict[str, float] = super().calculate(preds, labels)
        self.judged = None
        if isinstance(labels[0], int):
            self.judged = Judged(scores=scores, labels=np.array(labels, dtype=np.int64))
            metrics["top3"] = top_k_accuracy(preds, labels, (3,))[0]
            metrics["mean_class"] = float(
                recall_score(
                    labels, scores.argmax(axis=1), labels=sorted(set(labels)), average="macro", zero_division=0
                )
            )
            if np.abs(scores.sum(axis=1) - 1).max() < SUM_TOLERANCE and scores.min() >= 0:
                metrics["log_loss"] = measure_log_loss(self.judged)
        return metrics


def measure_log_loss(judged: Judged) -> float:
    """Return the mean negative logarithm of the true class's probability, nats; at most about 16 for each clip."""
    of_truth = np.take_along_axis(judged.scores, judged.labels[:, None], axis=1)
    return float(-np.log(np.maximum(of_truth, LEAST_PROBABILITY)).mean())
