"""Whether probabilities mean what they say, and the temperature that would make them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from thermalctl.evaluation.metrics import rank_classes
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.resampling import number_groups
from thermalctl.evaluation.weighing import NUM_BINS, weigh_calibration_error

#: Temperatures that are tried, on a logarithmic scale: from answers a hundred times as sure to a hundred times less.
_LEAST, _MOST = 0.01, 100.0
#: Folds where all clips are of one session.
NUM_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """The clips whose answer was about so sure.

    Attributes:
        low: least confidence, 0..1, not in it but for the first.
        high: most confidence.
        num_clips: in it.
        confidence: their mean; None where there is none.
        accuracy: share that was right; None where there is none.
    """

    low: float
    high: float
    num_clips: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How probabilities and outcomes agree.

    Attributes:
        bins: of equal width.
        temperature: by which logits are best divided, fitted on all clips; above 1 for a model that is too sure. None
            without logits, and where none is best, as for a model without a mistake.
        by_session: whether it was tried out on sessions that it was not fitted on; else on every fifth clip.
        log_loss: as it is, mean of -log p of the true class.
        log_loss_scaled: with the temperature fitted on the other folds; None without logits.
        ece: expected calibration error as it is.
        ece_scaled: with the temperature of the other folds; None without logits.
    """

    bins: tuple[ReliabilityBin, ...]
    temperature: float | None
    by_session: bool
    log_loss: float
    log_loss_scaled: float | None
    ece: float
    ece_scaled: float | None


def calibrate(predictions: Predictions) -> Calibration:
    """Return how the predictions' probabilities and outcomes agree.

    Source: temperature scaling, Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    labels, scores = predictions.labels, predictions.scores
    sessions = number_groups(predictions.sessions)
    by_session = int(sessions.max()) > 0
    folds = sessions if by_session else np.arange(len(labels)) % NUM_FOLDS
    scaled, temperature = None, None
    if predictions.logits is not None and len(np.unique(folds)) > 1:
        temperature = fit_temperature(predictions.logits, labels)
        scaled = _scale_out_of_fold(predictions.logits, labels, folds) if temperature is not None else None
        temperature = temperature if scaled is not None else None
    return Calibration(
        bins=_count_bins(labels, scores),
        temperature=temperature,
        by_session=by_session,
        log_loss=_log_loss(labels, scores),
        log_loss_scaled=None if scaled is None else _log_loss(labels, scaled),
        ece=_calibration_error(labels, scores),
        ece_scaled=None if scaled is None else _calibration_error(labels, scaled),
    )


def _scale_out_of_fold(
    logits: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.intp]
) -> NDArray[np.float64] | None:
    """Return probabilities (N, K), each fold's with the temperature of the others; None where one has none."""
    scaled = np.empty_like(logits)
    for fold in np.unique(folds):
        held = folds == fold
        fitted = fit_temperature(logits[~held], labels[~held])
        if fitted is None:
            return None
        scaled[held] = softmax(logits[held] / fitted, axis=1)
    return scaled


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """Return the temperature at which the log loss is least; None where it has no least: all right, or all wrong.

    Args:
        logits: (N, K) class scores before softmax.
        labels: (N,) true class ids.
    """
    rows = np.arange(len(labels))

    def measure(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean())

    found = minimize_scalar(measure, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded")
    temperature = float(np.exp(found.x))
    is_right = logits.argmax(axis=1) == labels
    is_bounded = 1.1 * _LEAST < temperature < _MOST / 1.1
    return temperature if is_bounded and not is_right.all() else None


def _count_bins(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> tuple[ReliabilityBin, ...]:
    confidences = scores.max(axis=1)
    is_right = rank_classes(scores)[:, 0] == labels
    places = np.clip(np.ceil(confidences * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
    bins = []
    for index in range(NUM_BINS):
        inside = places == index
        num_clips = int(inside.sum())
        bins.append(
            ReliabilityBin(
                low=index / NUM_BINS,
                high=(index + 1) / NUM_BINS,
                num_clips=num_clips,
                confidence=float(confidences[inside].mean()) if num_clips else None,
                accuracy=float(is_right[inside].mean()) if num_clips else None,
            )
        )
    return tuple(bins)


def _log_loss(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    of_true = np.maximum(scores[np.arange(len(labels)), labels], np.finfo(np.float64).eps)
    return float(-np.log(of_true).mean())


def _calibration_error(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    is_right = rank_classes(scores)[:, 0] == labels
    return float(weigh_calibration_error(scores.max(axis=1), is_right, np.ones((1, len(labels))))[0])
