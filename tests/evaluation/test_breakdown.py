from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.evaluation.breakdown import list_mistakes, order_by_similarity, score_sessions
from thermalctl.evaluation.predictions import Predictions


@pytest.fixture
def predictions(make_predictions: Any) -> Predictions:
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.95, 0.05], [0.4, 0.6], [0.3, 0.7]])
    made: Predictions = make_predictions(
        [0, 1, 1, 1, 0], scores, classes=("a", "b"), sessions=("x", "x", "y", "y", "y")
    )
    return made


def test_sessions_are_scored_the_worst_first(predictions: Predictions) -> None:
    worst, best = score_sessions(predictions)
    assert (worst.session, worst.num_clips, worst.num_classes) == ("y", 3, 2)
    assert (worst.top1, worst.mean_class) == (pytest.approx(1 / 3), pytest.approx(0.25))  # b: one of two, a: none
    assert (best.session, best.top1, best.mean_class) == ("x", 0.5, 0.5)


def test_surest_mistakes_come_first(predictions: Predictions) -> None:
    found = list_mistakes(predictions, 2)
    assert [one.sample_id for one in found] == [predictions.sample_ids[2], predictions.sample_ids[1]]
    assert (found[0].true, found[0].answered) == ("b", "a")
    assert (found[0].confidence, found[0].of_true) == (0.95, 0.05)
    assert len(list_mistakes(predictions, 99)) == 3


def test_classes_that_are_confused_stand_side_by_side() -> None:
    confusion = np.zeros((6, 6), dtype=np.int64)
    np.fill_diagonal(confusion, 10)
    confusion[5] = confusion[:, 5] = 0  # no clip of it, and none is taken for it
    confusion[0, 3] = confusion[3, 0] = 8
    confusion[1, 4] = confusion[4, 1] = 8
    order = order_by_similarity(confusion)
    assert sorted(order) == [0, 1, 2, 3, 4, 5]
    places = {label: place for place, label in enumerate(order)}
    assert abs(places[0] - places[3]) == 1
    assert abs(places[1] - places[4]) == 1
    assert order[-1] == 5


def test_two_classes_keep_their_order() -> None:
    assert order_by_similarity(np.array([[0, 0, 0], [0, 3, 1], [0, 2, 2]])) == (1, 2, 0)
