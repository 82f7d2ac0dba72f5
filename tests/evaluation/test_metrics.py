from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from thermalctl.evaluation.metrics import compute_metrics, count_confusion, rank_classes


def one_hot(predicted: list[int], num_classes: int) -> np.ndarray:
    """Scores of 0.9 for the predicted class, the rest spread unevenly so that nothing is tied."""
    rest = np.linspace(0.5, 1.5, num_classes)
    scores = np.tile(rest / rest.sum() * 0.1, (len(predicted), 1))
    scores[np.arange(len(predicted)), predicted] += 0.9
    return scores / scores.sum(axis=1, keepdims=True)


@pytest.fixture
def imbalanced(make_predictions: Any) -> Any:
    """200 clips of 14 classes, three of which have no clip, and scores that are right about half the time."""
    rng = np.random.default_rng(3)
    labels = rng.choice([0, 1, 3, 4, 5, 6, 7, 8, 9, 12, 13], size=200, p=[0.4, 0.3] + [0.3 / 9] * 9)
    logits = rng.normal(size=(200, 14))
    logits[np.arange(200), labels] += 2
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return make_predictions(labels, scores, train_counts=np.arange(14))


def test_metrics_worked_out_by_hand(make_predictions: Any) -> None:
    # class 0: 3 clips, 2 found, 1 taken for 1; class 1: 1 clip, taken for 3; class 2: 1 clip, found; class 3: none.
    metrics = compute_metrics(
        make_predictions([0, 0, 0, 1, 2], one_hot([0, 0, 1, 3, 2], 4), train_counts=np.array([9, 4, 0, 1]))
    )
    assert metrics.num_samples == 5
    assert metrics.top1 == pytest.approx(3 / 5)
    assert metrics.mean_class_accuracy == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert metrics.mmaction_mean1 == pytest.approx((2 / 3 + 0 + 1 + 0) / 4)
    assert metrics.macro_f1 == pytest.approx((2 * 1 * (2 / 3) / (1 + 2 / 3) + 0 + 1) / 3)
    assert metrics.confusion.tolist() == [[2, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]
    first, second, third, fourth = metrics.classes
    assert (first.num_samples, first.num_train, first.num_predicted) == (3, 9, 2)
    assert (first.recall, first.precision) == pytest.approx((2 / 3, 1.0))
    assert first.most_confused_with == "class 1"
    assert (second.recall, second.precision, second.f1) == (0.0, 0.0, 0.0)
    assert second.most_confused_with == "class 3"
    assert third.most_confused_with is None
    assert third.num_train == 0
    assert (fourth.num_samples, fourth.recall, fourth.precision, fourth.f1) == (0, None, 0.0, None)


def test_precision_of_a_class_that_nothing_was_taken_for_is_undefined(make_predictions: Any) -> None:
    missed = compute_metrics(make_predictions([0, 1], one_hot([0, 0], 3))).classes[1]
    assert (missed.recall, missed.precision, missed.f1) == (0.0, None, 0.0)


def test_training_counts_that_are_not_known_stay_unknown(make_predictions: Any) -> None:
    metrics = compute_metrics(make_predictions([0, 1], one_hot([0, 0], 3)))
    assert [entry.num_train for entry in metrics.classes] == [None] * 3


def test_accuracies_agree_with_scikit_learn(imbalanced: Any) -> None:
    metrics = compute_metrics(imbalanced)
    labels, scores = imbalanced.labels, imbalanced.scores
    predicted = scores.argmax(axis=1)
    present = np.unique(labels)
    assert metrics.top1 == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    for k, found in ((3, metrics.top3), (5, metrics.top5)):
        expected = sklearn_metrics.top_k_accuracy_score(labels, scores, k=k, labels=np.arange(14))
        assert found == pytest.approx(expected)
    recall = sklearn_metrics.recall_score(labels, predicted, labels=present, average="macro")
    assert metrics.mean_class_accuracy == pytest.approx(recall)
    f1 = sklearn_metrics.f1_score(labels, predicted, labels=present, average="macro")
    assert metrics.macro_f1 == pytest.approx(f1)
    assert metrics.mean_class_accuracy != pytest.approx(metrics.mmaction_mean1, abs=0.02)


def test_class_metrics_agree_with_scikit_learn(imbalanced: Any) -> None:
    metrics = compute_metrics(imbalanced)
    predicted = imbalanced.scores.argmax(axis=1)
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        imbalanced.labels, predicted, labels=np.arange(14), zero_division=np.nan
    )
    for index, entry in enumerate(metrics.classes):
        assert entry.num_samples == support[index]
        assert (entry.precision is None) == np.isnan(precision[index])
        if entry.precision is not None:
            assert entry.precision == pytest.approx(precision[index])
        assert (entry.recall is None) == (support[index] == 0)
        if entry.recall is not None:
            assert (entry.recall, entry.f1) == pytest.approx((recall[index], f1[index]))
    expected = sklearn_metrics.confusion_matrix(imbalanced.labels, predicted, labels=np.arange(14))
    np.testing.assert_array_equal(metrics.confusion, expected)


def test_metrics_agree_with_mmaction(imbalanced: Any) -> None:
    from thermalctl.compat import prepare_mmaction

    prepare_mmaction()
    from mmaction.evaluation.functional import mean_class_accuracy, top_k_accuracy

    metrics = compute_metrics(imbalanced)
    assert metrics.num_ties == 0
    expected = top_k_accuracy(list(imbalanced.scores), imbalanced.labels, topk=(1, 3, 5))
    assert [metrics.top1, metrics.top3, metrics.top5] == pytest.approx(expected)
    expected = mean_class_accuracy(list(imbalanced.scores), imbalanced.labels)
    assert metrics.mmaction_mean1 == pytest.approx(expected)


@pytest.mark.parametrize(("num_classes", "top3", "top5"), [(2, None, None), (3, None, None), (5, 1.0, None)])
def test_top_k_is_not_given_where_it_would_say_nothing(
    make_predictions: Any, num_classes: int, top3: float | None, top5: float | None
) -> None:
    metrics = compute_metrics(make_predictions([0, 1], one_hot([0, 1], num_classes)))
    assert (metrics.top3, metrics.top5) == (top3, top5)


def test_of_equal_scores_the_higher_class_id_ranks_first() -> None:
    assert rank_classes(np.array([[0.25, 0.25, 0.5, 0.0], [0.25, 0.25, 0.25, 0.25]])).tolist() == [
        [2, 1, 0, 3],
        [3, 2, 1, 0],
    ]


def test_ties_are_counted_and_ranked_as_scikit_learn_does(make_predictions: Any) -> None:
    scores = np.array([[0.4, 0.4, 0.2, 0.0], [0.3, 0.4, 0.3, 0.0], [0.25, 0.25, 0.25, 0.25]])
    labels = [0, 1, 3]
    metrics = compute_metrics(make_predictions(labels, scores))
    assert metrics.num_ties == 2
    assert metrics.top1 == pytest.approx(sklearn_metrics.top_k_accuracy_score(labels, scores, k=1, labels=np.arange(4)))
    assert metrics.top1 == pytest.approx(2 / 3)
    assert metrics.confusion.trace() == 2


def test_tie_in_mmaction_mean1_goes_to_the_lower_class_id(make_predictions: Any) -> None:
    metrics = compute_metrics(make_predictions([0], [[0.5, 0.5]]))
    assert (metrics.mmaction_mean1, metrics.top1) == (1.0, 0.0)


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    num_classes = draw(st.integers(2, 20))
    num_samples = draw(st.integers(1, 40))
    ids = st.lists(st.integers(0, num_classes - 1), min_size=num_samples, max_size=num_samples)
    return np.array(draw(ids), dtype=np.int64), np.array(draw(ids), dtype=np.int64), num_classes


@settings(deadline=None)
@given(judged())
def test_confusion_is_scikit_learns(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    labels, predicted, num_classes = case
    expected = sklearn_metrics.confusion_matrix(labels, predicted, labels=np.arange(num_classes))
    np.testing.assert_array_equal(count_confusion(labels, predicted, num_classes), expected)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(judged(), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_top_k_grows_with_k_and_top1_is_the_diagonal(
    make_predictions: Any, case: tuple[np.ndarray, np.ndarray, int], seed: int, num_levels: int
) -> None:
    labels, _, num_classes = case
    # Few levels make many ties.
    weights = np.random.default_rng(seed).integers(0, num_levels, size=(len(labels), num_classes)) + 0.5
    metrics = compute_metrics(make_predictions(labels, weights / weights.sum(axis=1, keepdims=True)))
    assert metrics.confusion.sum() == len(labels)
    assert metrics.confusion.sum(axis=1).tolist() == np.bincount(labels, minlength=num_classes).tolist()
    assert metrics.top1 == pytest.approx(metrics.confusion.trace() / len(labels))
    told = [rate for rate in (metrics.top1, metrics.top3, metrics.top5) if rate is not None]
    assert told == sorted(told)
    assert 0 <= metrics.mmaction_mean1 <= 1
    assert 0 <= metrics.macro_f1 <= 1
