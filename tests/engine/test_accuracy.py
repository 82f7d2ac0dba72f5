from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, log_loss, top_k_accuracy_score

from thermalctl.engine.accuracy import ClassAccuracy
from thermalctl.errors import NotHeldError

NUM_CLASSES = 6


def judge(scores: np.ndarray, labels: list[int]) -> dict[str, float]:
    metric = ClassAccuracy()
    samples = [
        {"pred_score": torch.from_numpy(score), "gt_label": torch.tensor([label])}
        for score, label in zip(scores, labels, strict=True)
    ]
    metric.process([], samples)
    found: dict[str, float] = metric.evaluate(size=len(labels))
    return found


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(NUM_CLASSES), size=40)


def test_metrics_are_those_of_scikit_learn(scores: np.ndarray) -> None:
    labels = (np.arange(40) % NUM_CLASSES).tolist()
    found = judge(scores, labels)
    assert set(found) == {"acc/top1", "acc/top3", "acc/top5", "acc/mean1", "acc/mean_class", "acc/log_loss"}
    for k in (1, 3, 5):
        assert found[f"acc/top{k}"] == pytest.approx(top_k_accuracy_score(labels, scores, k=k))
    assert found["acc/mean_class"] == pytest.approx(balanced_accuracy_score(labels, scores.argmax(axis=1)))
    assert found["acc/log_loss"] == pytest.approx(log_loss(labels, scores))


def test_predicting_an_absent_class_does_not_lower_the_mean(scores: np.ndarray) -> None:
    confident = np.eye(NUM_CLASSES)[[0, 0, 1, 5]]
    found = judge(confident, [0, 0, 1, 1])
    # Recall 1 of class 0 and 1/2 of class 1; class 5 is predicted once and never true.
    assert found["acc/mean_class"] == pytest.approx(0.75)
    assert found["acc/mean1"] == pytest.approx(0.5)  # MMAction2's counts class 5 as a third, with recall 0


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_scores_that_are_not_numbers_do_not_hold(scores: np.ndarray, broken: float) -> None:
    scores[3, 1] = broken
    scores[7] = broken
    with pytest.raises(NotHeldError, match="the scores of 2 of 40 validation clips are not numbers") as caught:
        judge(scores, [0] * 40)
    assert caught.value.exit_code == 1


def test_class_that_is_masked_does_not_make_the_log_loss_infinite() -> None:
    scores = np.array([[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]])
    found = judge(scores, [0, 2])
    assert found["acc/log_loss"] == pytest.approx((-np.log(0.5) - np.log(2.0**-23)) / 2)


def test_scores_that_are_no_probabilities_have_no_log_loss(scores: np.ndarray) -> None:
    assert "acc/log_loss" not in judge(scores * 3, [0] * 40)
    assert "acc/log_loss" not in judge(scores - 1 / NUM_CLASSES, [0] * 40)


def test_last_scores_can_be_looked_at(scores: np.ndarray) -> None:
    metric = ClassAccuracy()
    assert metric.judged is None
    metric.calculate(list(scores), [1] * 40)
    assert metric.judged is not None
    np.testing.assert_array_equal(metric.judged.scores, scores)
    assert metric.judged.labels.tolist() == [1] * 40
