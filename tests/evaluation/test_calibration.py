from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from thermalctl.evaluation.calibration import calibrate, fit_temperature
from thermalctl.evaluation.predictions import Predictions

CLASSES = ("a", "b", "c", "d")


def make(make_predictions: Any, *, sharpness: float, num_sessions: int = 2, num: int = 600) -> Predictions:
    """Predictions whose truth is drawn from their probabilities, then made so many times as sure."""
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(num, 4)) * 1.5
    labels = np.array([rng.choice(4, p=row) for row in softmax(logits, axis=1)])
    sessions = tuple(f"s{index % num_sessions}" for index in range(num))
    sharp = logits * sharpness
    made: Predictions = make_predictions(
        labels.tolist(), softmax(sharp, axis=1), classes=CLASSES, logits=sharp, sessions=sessions
    )
    return made


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_temperature_undoes_what_was_done(sharpness: float, make_predictions: Any) -> None:
    predictions = make(make_predictions, sharpness=sharpness)
    assert predictions.logits is not None
    assert fit_temperature(predictions.logits, predictions.labels) == pytest.approx(sharpness, rel=0.15)
    found = calibrate(predictions)
    assert found.temperature == pytest.approx(sharpness, rel=0.15)
    assert found.log_loss == pytest.approx(log_loss(predictions.labels, predictions.scores, labels=range(4)))
    assert found.log_loss_scaled is not None
    assert found.ece_scaled is not None
    assert found.ece_scaled < 0.06
    if sharpness != 1:
        assert found.log_loss_scaled < found.log_loss
        assert found.ece_scaled < found.ece


def test_bins_are_those_of_scikit_learn(make_predictions: Any) -> None:
    predictions = make(make_predictions, sharpness=2.0)
    found = calibrate(predictions).bins
    confidences = predictions.scores.max(axis=1)
    accuracy, confidence = calibration_curve(
        predictions.scores.argmax(axis=1) == predictions.labels, confidences, n_bins=15
    )
    ours = [(one.accuracy, one.confidence) for one in found if one.num_clips]
    assert np.array(ours) == pytest.approx(np.column_stack([accuracy, confidence]))
    assert sum(one.num_clips for one in found) == 600
    assert (found[0].low, found[-1].high) == (0, 1)


def test_temperature_is_tried_on_clips_that_it_was_not_fitted_on(make_predictions: Any) -> None:
    """Of two sessions one is too sure and one too unsure: neither temperature suits the other."""
    sharp, dull = (make(make_predictions, sharpness=value, num_sessions=1, num=200) for value in (4.0, 0.3))
    logits = np.concatenate([one.logits for one in (sharp, dull) if one.logits is not None])
    mixed = make_predictions(
        [*sharp.labels.tolist(), *dull.labels.tolist()],
        softmax(logits, axis=1),
        classes=CLASSES,
        logits=logits,
        sessions=("one",) * 200 + ("two",) * 200,
    )
    found = calibrate(mixed)
    assert found.by_session
    assert found.log_loss_scaled is not None
    assert found.log_loss_scaled > found.log_loss


def test_without_logits_there_is_no_temperature(make_predictions: Any) -> None:
    found = calibrate(make_predictions([0, 1], np.array([[0.7, 0.3], [0.4, 0.6]]), classes=("a", "b")))
    assert (found.temperature, found.log_loss_scaled, found.ece_scaled) == (None, None, None)
    assert not found.by_session


def test_model_without_a_mistake_has_no_best_temperature(make_predictions: Any) -> None:
    logits = np.array([[200.0, 0.0], [0.0, 200.0], [150.0, 0.0], [0.0, 90.0]] * 4)
    predictions = make_predictions(
        [0, 1] * 8, softmax(logits, axis=1), classes=("a", "b"), logits=logits, sessions=("x", "y") * 8
    )
    found = calibrate(predictions)
    assert (found.temperature, found.log_loss_scaled) == (None, None)
