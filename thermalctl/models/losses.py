"""Losses for classes of unequal frequency, from class scores and hard or mixed labels.

Each is a sum over the clips and a normaliser, the weight of the labels in it, and returns their quotient. Over several
processes or accumulated steps the mean of such quotients is not the quotient of the whole: whoever needs that takes
both from `sum_losses`, adds them up, and divides once.

Everything is computed in float32: the logarithm of a softmax in half precision loses the digits that rare classes need.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from thermalctl.errors import ConfigError
from thermalctl.models.absent_classes import mask_absent_classes


class ClassLoss(nn.Module, ABC):
    """What the losses here share: labels, class weights, label smoothing and the mean over clips.

    Args:
        class_weight: (K,) how much each class counts; None for all the same. The mean is weighted, as that of
            MMAction2's `CrossEntropyLoss`; torch's divides by the weight of the unsmoothed labels.
        class_counts: (K,) training clips of each class; a class with none takes no part in label smoothing.
        label_smoothing: share of each label that is spread evenly over the classes that occur, 0 or more and less than
            1 (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, section 7).
        loss_weight: factor of the loss, for heads of several losses.

    Attributes:
        last_weight: the weight of the labels whose loss was computed last, a float32 scalar.
        absent: (K,) bool, the classes left out of the softmax; None where all are in it. The head reads it.

    Raises:
        ConfigError: if a value is impossible.
    """

    class_weight: Tensor | None
    present: Tensor | None
    absent: Tensor | None

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        class_counts: Sequence[int] | None = None,
        label_smoothing: float = 0.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ConfigError(f"loss_cls.label_smoothing is {label_smoothing!r}, expected 0 or more and less than 1")
        if class_counts is not None and not (sum(class_counts) > 0 and min(class_counts) >= 0):
            raise ConfigError(f"loss_cls.class_counts is {list(class_counts)}, expected 0 or more, and not all 0")
        if class_weight is not None and class_counts is not None and len(class_weight) != len(class_counts):
            raise ConfigError(
                f"loss_cls has {len(class_weight)} class weights and counts of {len(class_counts)} classes"
            )
        self.label_smoothing = label_smoothing
        self.loss_weight = loss_weight
        self.last_weight = torch.ones(())
        # Not persistent: they are in the configuration, which every checkpoint carries.
        self.register_buffer("class_weight", _as_tensor(class_weight), persistent=False)
        counts = _as_tensor(class_counts)
        self.register_buffer("present", None if counts is None else (counts > 0).float(), persistent=False)
        self.register_buffer("absent", None, persistent=False)

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted mean loss of the clips, a float32 scalar.

        Args:
            scores: (N, K) float, before the softmax.
            labels: (N,) int64 class ids, or (N, K) float shares of each class that add up to 1, as mixing makes them.
        """
        total, normaliser = self.sum_losses(scores, labels)
        self.last_weight = normaliser.detach()
        # A batch whose every class has weight 0 has nothing to learn from; 0 / 0 would end the training.
        return self.loss_weight * total / normaliser.clamp(min=torch.finfo(normaliser.dtype).tiny)

    def sum_losses(self, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the clips' losses and the sum of their weights; see `forward`."""
        scores = scores.float()
        shares = self.smooth_labels(scores, labels)
        if self.class_weight is not None:
            shares = shares * self.class_weight
        return (shares * self.compare(scores)).sum(), shares.sum()

    def smooth_labels(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the share of each class in each label after smoothing, (N, K) float32."""
        if labels.dim() == scores.dim():
            shares = labels.float()
        else:
            shares = torch.zeros_like(scores).scatter_(1, labels[:, None], 1.0)
        if not self.label_smoothing:
            return shares
        present = torch.ones_like(scores[0]) if self.present is None else self.present
        return (1 - self.label_smoothing) * shares + self.label_smoothing * present / present.sum()

    @abstractmethod
    def compare(self, scores: Tensor) -> Tensor:
        """Return what each clip would lose if each class were the right one, (N, K) float32."""


class CrossEntropy(ClassLoss):
    """The negative logarithm of the right class's probability; equal to MMAction2's `CrossEntropyLoss`.

    Args:
        **shared: see `ClassLoss`.
    """

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)

    def compare(self, scores: Tensor) -> Tensor:
        """Return -log p, (N, K)."""
        return -scores.log_softmax(1)


class FocalLoss(ClassLoss):
    """Cross-entropy that counts a clip the less, the surer the model is of it.

    Lin et al. 2017, https://arxiv.org/abs/1708.02002, equation 5, over a softmax instead of one sigmoid: alpha is then
    the same for every class, a factor of the loss; what tells classes apart is `class_weight`.

    Args:
        gamma: how fast easy clips lose weight, 0 for cross-entropy.
        alpha: factor of the loss.
        **shared: see `ClassLoss`.
    """

    def __init__(self, gamma: float = 2.0, alpha: float = 0.25, **shared: Any) -> None:
        super().__init__(**shared)
        if not 0 <= gamma < float("inf"):
            raise ConfigError(f"loss_cls.gamma is {gamma!r}, expected 0 or more")
        if not 0 < alpha <= 1:
            raise ConfigError(f"loss_cls.alpha is {alpha!r}, expected more than 0, at most 1")
        self.gamma = gamma
        self.alpha = alpha

    def compare(self, scores: Tensor) -> Tensor:
        """Return -alpha (1 - p)^gamma log p, (N, K)."""
        log_probabilities = scores.log_softmax(1)
        # 1 - p without cancellation; above 0, where the slope of a power below 1 is infinite.
        doubts = (-torch.expm1(log_probabilities)).clamp(min=torch.finfo(scores.dtype).eps)
        return -self.alpha * doubts**self.gamma * log_probabilities


class _PriorLoss(ClassLoss):
    """Cross-entropy of scores to which the logarithm of each class's share has been added, absent classes left out."""

    score_offsets: Tensor

    def compare(self, scores: Tensor) -> Tensor:
        """Return -log p of the shifted scores, (N, K)."""
        return -mask_absent_classes(scores + self.score_offsets, self.absent).log_softmax(1)

    def _set_prior(self, class_counts: Sequence[int] | None, tau: float) -> None:
        if class_counts is None:
            raise ConfigError(
                f"model.cls_head.loss_cls has no class_counts, and {type(self).__name__} needs them",
                hint="they are counted where a dataset is named with --data",
            )
        counts = torch.tensor(class_counts, dtype=torch.float64)
        absent = counts == 0
        shares = (counts / counts.sum()).masked_fill(absent, 1.0)
        self.register_buffer("score_offsets", (tau * shares.log()).float(), persistent=False)
        if absent.any():
            self.absent = absent


class BalancedSoftmax(_PriorLoss):
    """Cross-entropy of a softmax that counts each class as often as it occurs, so that the scores themselves do not.

    Ren et al. 2020, https://arxiv.org/abs/2007.10740, equation 4.

    Args:
        class_counts: (K,) training clips of each class; those without any are left out of the softmax.
        **shared: see `ClassLoss`.

    Raises:
        ConfigError: if there are no counts, or a value is impossible.
    """

    def __init__(self, class_counts: Sequence[int] | None = None, **shared: Any) -> None:
        super().__init__(class_counts=class_counts, **shared)
        self._set_prior(class_counts, tau=1.0)


class LogitAdjusted(_PriorLoss):
    """Cross-entropy of scores shifted by tau times the logarithm of each class's share.

    Menon et al. 2021, https://arxiv.org/abs/2007.07314, equation 10. With tau 1 it is `BalancedSoftmax`; less corrects
    for less than the whole difference in frequency.

    Args:
        tau: how much of it.
        class_counts: (K,) training clips of each class; those without any are left out of the softmax.
        **shared: see `ClassLoss`.

    Raises:
        ConfigError: if there are no counts, or a value is impossible.
    """

    def __init__(self, tau: float = 1.0, class_counts: Sequence[int] | None = None, **shared: Any) -> None:
        super().__init__(class_counts=class_counts, **shared)
        if not 0 < tau < float("inf"):
            raise ConfigError(f"loss_cls.tau is {tau!r}, expected more than 0")
        self._set_prior(class_counts, tau)


def _as_tensor(values: Sequence[float] | None) -> Tensor | None:
    return None if values is None else torch.tensor(values, dtype=torch.float32)
