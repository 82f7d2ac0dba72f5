from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import log_loss
from torch import Tensor

from thermalctl.compat import prepare_mmaction
from thermalctl.errors import ConfigError
from thermalctl.models.losses import BalancedSoftmax, ClassLoss, CrossEntropy, FocalLoss, LogitAdjusted

prepare_mmaction()

from mmaction.models.losses import CrossEntropyLoss  # noqa: E402

#: Class 3 of five never occurs.
COUNTS = [40, 8, 3, 0, 1]
ABSENT = 3
WEIGHTS = [0.2, 1.0, 2.5, 4.0, 3.0]
ALL_LOSSES = [CrossEntropy, FocalLoss, BalancedSoftmax, LogitAdjusted]
PRIOR_LOSSES = [BalancedSoftmax, LogitAdjusted]


def make_scores(num_clips: int = 6) -> Tensor:
    return torch.randn(num_clips, len(COUNTS), generator=torch.Generator().manual_seed(7)) * 2


def make_hard_labels() -> Tensor:
    return torch.tensor([0, 1, 4, 2, 0, 1])


def make_mixed_labels() -> Tensor:
    """Labels as MixUp makes them: of each clip 0.7 of one class and 0.3 of the next clip's."""
    hard = torch.nn.functional.one_hot(make_hard_labels(), len(COUNTS)).float()
    return 0.7 * hard + 0.3 * hard.roll(1, dims=0)


def as_shares(labels: Tensor) -> NDArray[np.float64]:
    shares = labels if labels.dim() == 2 else torch.nn.functional.one_hot(labels, len(COUNTS))
    return shares.numpy().astype(np.float64)


def weighted_mean(
    losses: NDArray[np.float64], shares: NDArray[np.float64], weights: Sequence[float] | None = None
) -> float:
    """The mean of (N, K) losses, weighted by labels and class weights, in double precision."""
    weighted = shares * (np.ones(len(COUNTS)) if weights is None else np.array(weights))
    return float((weighted * losses).sum() / weighted.sum())


@pytest.mark.parametrize("labels", [make_hard_labels(), make_mixed_labels()], ids=["hard", "mixed"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_cross_entropy_and_its_slope_are_mmactions(labels: Tensor, weights: list[float] | None) -> None:
    ours, theirs = make_scores().requires_grad_(), make_scores().requires_grad_()
    loss = CrossEntropy(class_weight=weights, class_counts=COUNTS)(ours, labels)
    expected = CrossEntropyLoss(class_weight=weights)(theirs, labels)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7)


def test_cross_entropy_is_scikit_learns_log_loss() -> None:
    scores, labels = make_scores(), make_hard_labels()
    probabilities = softmax(scores.double().numpy(), axis=1)
    weights = np.array(WEIGHTS)[labels.numpy()]
    expected = log_loss(labels.numpy(), probabilities, sample_weight=weights, labels=range(len(COUNTS)))
    assert float(CrossEntropy(class_weight=WEIGHTS)(scores, labels)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("labels", [make_hard_labels(), make_mixed_labels()], ids=["hard", "mixed"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_follows_its_equation(labels: Tensor, weights: list[float] | None, gamma: float) -> None:
    probabilities = softmax(make_scores().double().numpy(), axis=1)
    expected = weighted_mean(-0.25 * (1 - probabilities) ** gamma * np.log(probabilities), as_shares(labels), weights)
    loss = FocalLoss(gamma=gamma, alpha=0.25, class_weight=weights)(make_scores(), labels)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_focal_loss_of_a_sure_clip_by_hand() -> None:
    scores = torch.tensor([[np.log(9.0), 0.0]])  # p = 0.9
    assert float(FocalLoss()(scores, torch.tensor([0]))) == pytest.approx(0.25 * 0.01 * 0.1053605, rel=1e-5)


def test_focal_loss_without_its_factors_is_cross_entropy() -> None:
    scores, labels = make_scores(), make_hard_labels()
    torch.testing.assert_close(FocalLoss(gamma=0, alpha=1)(scores, labels), CrossEntropy()(scores, labels))


def test_focal_loss_of_a_certain_clip_has_a_finite_slope() -> None:
    scores = torch.tensor([[200.0, 0.0]], requires_grad=True)
    FocalLoss(gamma=0.5)(scores, torch.tensor([0])).backward()
    assert scores.grad is not None and torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("labels", [make_hard_labels(), make_mixed_labels()], ids=["hard", "mixed"])
def test_balanced_softmax_counts_each_class_as_often_as_it_occurs(labels: Tensor) -> None:
    raised = np.array(COUNTS) * np.exp(make_scores().double().numpy())  # Ren et al. 2020, equation 4
    present = np.array(COUNTS) > 0
    losses = np.zeros_like(raised)
    losses[:, present] = -np.log(raised[:, present] / raised.sum(axis=1, keepdims=True))
    loss = BalancedSoftmax(class_counts=COUNTS)(make_scores(), labels)
    assert float(loss) == pytest.approx(weighted_mean(losses, as_shares(labels)), rel=1e-6)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_logit_adjusted_loss_shifts_scores_by_tau_times_the_log_share(tau: float) -> None:
    present = [0, 1, 2, 4]
    shares = np.array([40, 8, 3, 1]) / 52
    shifted = make_scores().double().numpy()[:, present] + tau * np.log(shares)
    losses = np.zeros((6, len(COUNTS)))
    losses[:, present] = -np.log(softmax(shifted, axis=1))
    labels = make_hard_labels()
    loss = LogitAdjusted(tau=tau, class_counts=COUNTS)(make_scores(), labels)
    assert float(loss) == pytest.approx(weighted_mean(losses, as_shares(labels)), rel=1e-6)


def test_logit_adjusted_loss_takes_weights_of_ones_own() -> None:
    labels = make_mixed_labels()
    even = LogitAdjusted(class_counts=COUNTS).compare(make_scores()).double().numpy()
    loss = LogitAdjusted(class_counts=COUNTS, class_weight=WEIGHTS)(make_scores(), labels)
    assert float(loss) == pytest.approx(weighted_mean(even, as_shares(labels), WEIGHTS), rel=1e-6)


@pytest.mark.parametrize("kind", PRIOR_LOSSES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_score_of_an_absent_class_has_no_part_in_the_loss(kind: type[ClassLoss], smoothing: float) -> None:
    loss = kind(class_counts=COUNTS, label_smoothing=smoothing)
    scores = make_scores().requires_grad_()
    found = loss(scores, make_hard_labels())
    found.backward()
    raised = make_scores()
    raised[:, ABSENT] += 50
    assert float(loss(raised, make_hard_labels())) == float(found.detach()) < 20
    assert scores.grad is not None
    assert (scores.grad[:, ABSENT] == 0).all()
    assert (scores.grad[:, :ABSENT] != 0).all()


@pytest.mark.parametrize("kind", ALL_LOSSES)
@pytest.mark.parametrize("labels", [make_hard_labels(), make_mixed_labels()], ids=["hard", "mixed"])
def test_smoothing_spreads_labels_over_the_classes_that_occur(kind: type[ClassLoss], labels: Tensor) -> None:
    spread = 0.2 * np.array([0.25, 0.25, 0.25, 0.0, 0.25])
    expected = 0.8 * as_shares(labels) + spread
    smooth = kind(class_counts=COUNTS, class_weight=WEIGHTS, label_smoothing=0.2)
    losses = kind(class_counts=COUNTS).compare(make_scores()).double().numpy()
    assert float(smooth(make_scores(), labels)) == pytest.approx(weighted_mean(losses, expected, WEIGHTS), rel=1e-5)


def test_smoothing_without_counts_is_torchs() -> None:
    scores, labels = make_scores(), make_hard_labels()
    expected = torch.nn.functional.cross_entropy(scores, labels, label_smoothing=0.3)
    torch.testing.assert_close(CrossEntropy(label_smoothing=0.3)(scores, labels), expected)


@pytest.mark.parametrize("kind", ALL_LOSSES)
@pytest.mark.parametrize("labels", [make_hard_labels(), make_mixed_labels()], ids=["hard", "mixed"])
def test_weight_of_an_absent_class_never_matters(kind: type[ClassLoss], labels: Tensor) -> None:
    def lose(weight: float) -> float:
        weights = [*WEIGHTS[:ABSENT], weight, *WEIGHTS[ABSENT + 1 :]]
        loss = kind(class_counts=COUNTS, class_weight=weights, label_smoothing=0.1)
        return float(loss(make_scores(), labels))

    assert lose(0.0) == lose(1e6)


@pytest.mark.parametrize("kind", ALL_LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_computed_in_float32(kind: type[ClassLoss], dtype: torch.dtype) -> None:
    loss = kind(class_counts=COUNTS, class_weight=WEIGHTS)
    scores = make_scores().to(dtype)
    scores[0] = torch.tensor([60000.0, -60000.0, 0.0, 0.0, 0.0])  # near float16's largest
    scores.requires_grad_()
    found = loss(scores, make_hard_labels())
    found.backward()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(scores.detach().float(), make_hard_labels()), rtol=0, atol=0)
    assert scores.grad is not None and torch.isfinite(found) and torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("kind", ALL_LOSSES)
def test_sums_of_parts_make_the_loss_of_the_whole(kind: type[ClassLoss]) -> None:
    """As two processes, or two accumulated steps, would add them up."""
    loss = kind(class_counts=COUNTS, class_weight=WEIGHTS)
    scores, labels = make_scores(), make_hard_labels()
    parts = [loss.sum_losses(scores[part], labels[part]) for part in (slice(0, 2), slice(2, 6))]
    total, normaliser = (torch.stack(sums).sum() for sums in zip(*parts, strict=True))
    torch.testing.assert_close(total / normaliser, loss(scores, labels))
    mean_of_quotients = torch.stack([part / weight for part, weight in parts]).mean()
    assert abs(float(mean_of_quotients - total / normaliser)) > 1e-3


def test_batch_whose_classes_all_weigh_nothing_loses_nothing() -> None:
    scores = make_scores(2).requires_grad_()
    loss = CrossEntropy(class_weight=[0.0, 1.0, 1.0, 1.0, 1.0])(scores, torch.tensor([0, 0]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None and (scores.grad == 0).all()


def test_loss_weight_is_a_factor() -> None:
    scores, labels = make_scores(), make_hard_labels()
    torch.testing.assert_close(CrossEntropy(loss_weight=3.0)(scores, labels), 3 * CrossEntropy()(scores, labels))


@pytest.mark.parametrize("kind", ALL_LOSSES)
def test_checkpoint_has_no_weights_of_the_loss(kind: type[ClassLoss]) -> None:
    """Else a model trained with one loss could not be loaded with another."""
    loss = kind(class_counts=COUNTS, class_weight=WEIGHTS)
    assert loss.state_dict() == {}
    assert loss.to("meta").class_weight.device.type == "meta"


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (CrossEntropy, {"label_smoothing": 1.0}, "label_smoothing is 1.0, expected 0 or more and less than 1"),
        (CrossEntropy, {"class_counts": [0, 0]}, r"class_counts is \[0, 0\]"),
        (CrossEntropy, {"class_counts": [3, -1]}, r"class_counts is \[3, -1\]"),
        (CrossEntropy, {"class_weight": [1.0], "class_counts": [1, 2]}, "1 class weights and counts of 2 classes"),
        (FocalLoss, {"gamma": -0.5}, "gamma is -0.5, expected 0 or more"),
        (FocalLoss, {"alpha": 0.0}, "alpha is 0.0, expected more than 0, at most 1"),
        (LogitAdjusted, {"tau": 0.0, "class_counts": [1, 2]}, "tau is 0.0, expected more than 0"),
        (LogitAdjusted, {}, "has no class_counts, and LogitAdjusted needs them"),
        (BalancedSoftmax, {}, "has no class_counts, and BalancedSoftmax needs them"),
    ],
)
def test_impossible_loss_is_refused(kind: type[ClassLoss], values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**values)
