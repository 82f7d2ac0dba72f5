"""Validation metrics during training: MMAction2's own, and the two that small unequal data needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermalctl.compat import prepare_mmaction
from thermalctl.errors import NotHeldError

prepare_mmaction()

from mmaction.evaluation import top_k_accuracy  # noqa: E402
from mmaction.evaluation.metrics import AccMetric  # noqa: E402
from sklearn.metrics import recall_score  # noqa: E402


class ClassAccuracy(AccMetric):
    """MMAction2's `AccMetric` (`acc/top1`, `acc/top5`, `acc/mean1`) with `acc/top3` and `acc/mean_class` beside it.

    `acc/mean1` averages over classes that are true or predicted, so predicting an absent class lowers it;
    `acc/mean_class` is the mean recall over classes with a true sample.
    """

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
        if isinstance(labels[0], int):
            metrics["top3"] = top_k_accuracy(preds, labels, (3,))[0]
            metrics["mean_class"] = float(
                recall_score(
                    labels, scores.argmax(axis=1), labels=sorted(set(labels)), average="macro", zero_division=0
                )
            )
        return metrics
