"""Metrics of clips that count more or less than once, many weightings at a time: what a bootstrap resamples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]  # (B, N): how often each of N clips counts in each of B resamples
Values = NDArray[np.float64]

#: Bins of equal width of the calibration error; Guo et al. 2017, section 2.
NUM_BINS = 15
#: The least probability that a logarithm is taken of, as in scikit-learn.
_LEAST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, kw_only=True, eq=False)
class WeighedAnswers:
    """What answers are worth in each of B resamples; rates in 0..1, NaN where they are undefined.

    Attributes:
        top1: (B,) share of right answers.
        mean_class: (B,) mean recall over the classes with a clip, also called balanced accuracy.
        macro_f1: (B,) mean F1 over the classes with a clip.
        recall: (B, K); NaN without a clip.
        precision: (B, K); NaN if nothing was taken for the class.
        f1: (B, K); NaN without a clip.
    """

    top1: Values
    mean_class: Values
    macro_f1: Values
    recall: Values
    precision: Values
    f1: Values


@dataclass(frozen=True, kw_only=True, eq=False)
class WeighedScores:
    """What probabilities are worth in each of B resamples.

    Attributes:
        top3: (B,) share of clips whose class is among the three highest; NaN for 3 classes or fewer.
        top5: the same for five.
        log_loss: (B,) mean of -log p of the true class.
        brier: (B,) mean of the squared differences from the truth, summed over classes: 0 to 2, Brier 1950.
        ece: (B,) expected calibration error of the highest probability, Guo et al. 2017.
        mean_average_precision: (B,) over the classes with a clip.
        average_precision: (B, K), one class against the others, as scikit-learn defines it; NaN without a clip.
    """

    top3: Values
    top5: Values
    log_loss: Values
    brier: Values
    ece: Values
    mean_average_precision: Values
    average_precision: Values


def weigh_answers(
    labels: NDArray[np.int64], answers: NDArray[np.int64], num_classes: int, weights: Weights
) -> WeighedAnswers:
    """Return what answers are worth.

    Args:
        labels: (N,) true class ids.
        answers: (N,) given class ids.
        num_classes: K.
        weights: (B, N).
    """
    true, given = _one_hot(labels, num_classes), _one_hot(answers, num_classes)
    num_true, num_given, num_right = weights @ true, weights @ given, weights @ (true * given)
    is_there = num_true > 0
    recall = _divide(num_right, num_true)
    f1 = np.where(is_there, _divide(2 * num_right, num_true + num_given), np.nan)
    return WeighedAnswers(
        top1=_divide(num_right.sum(axis=1), weights.sum(axis=1)),
        mean_class=_mean_known(recall),
        macro_f1=_mean_known(f1),
        recall=recall,
        precision=_divide(num_right, num_given),
        f1=f1,
    )


def weigh_scores(
    labels: NDArray[np.int64], scores: NDArray[np.float64], ranked: NDArray[np.intp], weights: Weights
) -> WeighedScores:
    """Return what probabilities are worth.

    Args:
        labels: (N,) true class ids.
        scores: (N, K) probabilities.
        ranked: (N, K) class ids from the highest probability to the lowest.
        weights: (B, N).
    """
    num_classes = scores.shape[1]
    total = weights.sum(axis=1)
    true = _one_hot(labels, num_classes)
    of_true = np.clip(scores[np.arange(len(labels)), labels], _LEAST, 1 - _LEAST)

    def weigh(values: Values) -> Values:
        return _divide(weights @ values, total)

    def top(k: int) -> Values:
        hits = (ranked[:, :k] == labels[:, None]).any(axis=1).astype(np.float64)
        return weigh(hits) if num_classes > k else np.full(len(weights), np.nan)

    average_precision = np.column_stack(
        [weigh_average_precision(true[:, index], scores[:, index], weights) for index in range(num_classes)]
    )
    return WeighedScores(
        top3=top(3),
        top5=top(5),
        log_loss=weigh(-np.log(of_true)),
        brier=weigh(((scores - true) ** 2).sum(axis=1)),
        ece=weigh_calibration_error(scores.max(axis=1), ranked[:, 0] == labels, weights),
        mean_average_precision=_mean_known(average_precision),
        average_precision=average_precision,
    )


def weigh_calibration_error(confidences: Values, is_right: NDArray[np.bool_], weights: Weights) -> Values:
    """Return the expected calibration error, (B,): the mean gap between confidence and accuracy of each bin.

    Args:
        confidences: (N,) of the answers, 0..1.
        is_right: (N,) whether they are.
        weights: (B, N).
    """
    bins = np.clip(np.ceil(confidences * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
    gaps = _one_hot(bins, NUM_BINS) * (confidences - is_right)[:, None]
    return _divide(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))


def weigh_average_precision(is_class: Values, scores: Values, weights: Weights) -> Values:
    """Return the average precision of one class, (B,): sum of precision times the gain in recall; NaN without a clip.

    Clips of equal score are taken together, as one threshold does.

    Args:
        is_class: (N,) 1 for its clips, 0 for the others.
        scores: (N,) its probability.
        weights: (B, N).
    """
    order = np.argsort(-scores, kind="stable")
    ordered, weighed = scores[order], weights[:, order]
    num_right = np.cumsum(weighed * is_class[order], axis=1)
    num_taken = np.cumsum(weighed, axis=1)
    thresholds = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    num_right, num_taken = num_right[:, thresholds], num_taken[:, thresholds]
    gained = np.diff(num_right, axis=1, prepend=0)
    precision = np.nan_to_num(_divide(num_right, num_taken))
    return _divide((precision * gained).sum(axis=1), num_right[:, -1])


def _one_hot(ids: NDArray[np.int64], num: int) -> Values:
    return np.eye(num)[ids]


def _divide(values: Values, by: Values) -> Values:
    """Return the quotients, NaN where nothing is there to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients: Values = np.where(by > 0, values / by, np.nan)
    return quotients


def _mean_known(values: Values) -> Values:
    """Return each row's mean over what is known, (B,)."""
    known = ~np.isnan(values)
    return _divide(np.where(known, values, 0).sum(axis=1), known.sum(axis=1).astype(np.float64))
