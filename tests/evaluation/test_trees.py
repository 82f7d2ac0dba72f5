from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.evaluation.trees import Ensemble, predict_trees


def make_rows(labels: np.ndarray, *, seed: int = 0, noise: float = 1.0) -> np.ndarray:
    """Rows (n, 6) whose column 2 tells the class."""
    rows = np.random.default_rng(seed).normal(scale=noise, size=(len(labels), 6)).astype(np.float32)
    rows[:, 2] += 3 * labels
    return rows


LABELS = np.tile([0, 2, 5], 20)


def predict(
    rows: np.ndarray,
    labels: np.ndarray,
    judged_rows: np.ndarray,
    *,
    balanced: bool = False,
    seed: int = 0,
    **options: Any,
) -> np.ndarray:
    ensemble = Ensemble(
        rows=np.concatenate([rows, judged_rows]),
        labels=np.concatenate([labels, np.full(len(judged_rows), -1)]),
        trained=np.arange(len(rows)),
        judged=np.arange(len(rows), len(rows) + len(judged_rows)),
        seed=seed,
        balanced=balanced,
    )
    (probabilities,) = predict_trees([ensemble], **({"num_classes": 7, "num_trees": 30} | options))
    return probabilities


def test_probabilities_are_in_the_place_of_their_class() -> None:
    probabilities = predict(make_rows(LABELS), LABELS, make_rows(LABELS, seed=1))
    assert probabilities.shape == (60, 7)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(60))
    assert not probabilities[:, [1, 3, 4, 6]].any()
    assert np.mean(probabilities.argmax(axis=1) == LABELS) > 0.8


def test_ensembles_are_answered_in_order_by_any_number_of_processes() -> None:
    rows = make_rows(LABELS)
    ensembles = [
        Ensemble(
            rows=rows,
            labels=LABELS,
            trained=np.arange(30, 60),
            judged=np.arange(number),
            seed=number,
            balanced=False,
        )
        for number in range(1, 6)
    ]
    alone, together = (list(predict_trees(ensembles, num_classes=6, num_trees=5, n_jobs=n_jobs)) for n_jobs in (1, 2))
    assert [len(probabilities) for probabilities in alone] == [1, 2, 3, 4, 5]
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


def test_seed_decides() -> None:
    data = make_rows(LABELS), LABELS, make_rows(LABELS, seed=1)
    assert np.array_equal(predict(*data), predict(*data))
    assert not np.array_equal(predict(*data), predict(*data, seed=1))


def test_one_class_in_training_is_certain() -> None:
    ones = np.ones(5, dtype=np.int64)
    probabilities = predict(make_rows(ones), ones, make_rows(ones, seed=1), num_classes=3)
    assert probabilities.tolist() == [[0, 1, 0]] * 5


def test_few_samples_of_many_classes_are_no_regression() -> None:
    labels = np.arange(24) % 14
    probabilities = predict(make_rows(labels), labels, make_rows(labels), num_classes=14)
    assert probabilities.argmax(axis=1).tolist() == labels.tolist()


def test_nothing_to_judge_is_answered_with_nothing() -> None:
    rows = make_rows(LABELS)
    assert predict(rows, LABELS, rows[:0]).shape == (0, 7)


def test_balance_favours_the_rare_class() -> None:
    labels = np.repeat([0, 1], [90, 10])
    # Nothing tells the classes apart, so that a leaf holds what the root does.
    rows = np.zeros((100, 3), dtype=np.float32)
    plain, balanced = (
        predict(rows, labels, rows[:1], num_classes=2, balanced=balanced)[0] for balanced in (False, True)
    )
    assert plain == pytest.approx([0.9, 0.1])
    assert balanced == pytest.approx([0.5, 0.5])
