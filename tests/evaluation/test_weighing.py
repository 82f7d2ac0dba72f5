from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    top_k_accuracy_score,
)

from thermalctl.evaluation.metrics import rank_classes
from thermalctl.evaluation.weighing import (
    weigh_answers,
    weigh_average_precision,
    weigh_calibration_error,
    weigh_scores,
)

NUM_CLIPS, NUM_CLASSES = 60, 7
# The last class has no clip, and one of the others is never answered.
LABELS = np.random.default_rng(1).integers(0, NUM_CLASSES - 1, NUM_CLIPS)
SCORES = np.random.default_rng(2).dirichlet(np.full(NUM_CLASSES, 0.7), NUM_CLIPS)
SCORES[:, 2] = 1e-9
SCORES /= SCORES.sum(axis=1, keepdims=True)
RANKED = rank_classes(SCORES)
WEIGHTS = np.random.default_rng(3).integers(0, 4, (5, NUM_CLIPS)).astype(float)
PRESENT = np.arange(NUM_CLASSES - 1)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_answers_are_worth_what_scikit_learn_says(weights: NDArray[np.float64]) -> None:
    answers = RANKED[:, 0]
    found = weigh_answers(LABELS, answers, NUM_CLASSES, weights[None])
    assert found.top1[0] == pytest.approx(np.average(answers == LABELS, weights=weights))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        assert found.mean_class[0] == pytest.approx(balanced_accuracy_score(LABELS, answers, sample_weight=weights))
    options = {"labels": PRESENT, "average": None, "sample_weight": weights, "zero_division": 0}
    assert found.recall[0, PRESENT] == pytest.approx(recall_score(LABELS, answers, **options))
    assert np.nan_to_num(found.precision[0, PRESENT]) == pytest.approx(precision_score(LABELS, answers, **options))
    assert found.f1[0, PRESENT] == pytest.approx(f1_score(LABELS, answers, **options))
    assert found.macro_f1[0] == pytest.approx(found.f1[0, PRESENT].mean())
    assert np.isnan(found.recall[0, -1])
    assert np.isnan(found.precision[0, 2])


@pytest.mark.parametrize("weights", WEIGHTS)
def test_scores_are_worth_what_scikit_learn_says(weights: NDArray[np.float64]) -> None:
    found = weigh_scores(LABELS, SCORES, RANKED, weights[None])
    classes = np.arange(NUM_CLASSES)
    for k, ours in ((3, found.top3), (5, found.top5)):
        assert ours[0] == pytest.approx(
            top_k_accuracy_score(LABELS, SCORES, k=k, labels=classes, sample_weight=weights)
        )
    assert found.log_loss[0] == pytest.approx(log_loss(LABELS, SCORES, labels=classes, sample_weight=weights))
    assert found.brier[0] == pytest.approx(
        brier_score_loss(LABELS, SCORES, labels=classes, sample_weight=weights, scale_by_half=False)
    )
    expected = [average_precision_score(k == LABELS, SCORES[:, k], sample_weight=weights) for k in PRESENT]
    assert found.average_precision[0, PRESENT] == pytest.approx(expected)
    assert np.isnan(found.average_precision[0, -1])
    assert found.mean_average_precision[0] == pytest.approx(np.mean(expected))


def test_equal_scores_are_one_threshold() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    is_class = np.array([0.0, 1, 0, 1, 1])
    weights = np.array([[1.0, 1, 1, 1, 1], [0, 2, 1, 0, 3]])
    found = weigh_average_precision(is_class, scores, weights)
    for ours, each in zip(found, weights, strict=True):
        assert ours == pytest.approx(average_precision_score(is_class, scores, sample_weight=each))


def test_calibration_error_by_hand() -> None:
    # Bins of 1/15: 0.6 lies in (8/15, 9/15], 0.95 in (14/15, 1].
    confidences = np.array([0.6, 0.6, 0.95, 1.0])
    is_right = np.array([True, False, True, True])
    once = np.ones((1, 4))
    assert weigh_calibration_error(confidences, is_right, once)[0] == pytest.approx((0.2 + 0.05) / 4)
    twice = np.array([[0.0, 2, 1, 1]])
    assert weigh_calibration_error(confidences, is_right, twice)[0] == pytest.approx((1.2 + 0.05) / 4)
    assert weigh_calibration_error(np.array([0.0]), np.array([False]), np.ones((1, 1)))[0] == 0


def test_resample_without_a_clip_has_no_value() -> None:
    found = weigh_answers(LABELS, LABELS, NUM_CLASSES, np.zeros((1, NUM_CLIPS)))
    assert np.isnan([found.top1[0], found.mean_class[0], found.macro_f1[0]]).all()
