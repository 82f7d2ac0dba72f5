from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from thermalctl.errors import RequestError
from thermalctl.evaluation.costs import find_operating_point, parse_recall, read_costs, weigh_costs
from thermalctl.evaluation.predictions import Predictions

CLASSES = ("sitting", "lying, at risk", "other")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "costs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_costs_are_1_unless_named_and_nothing_where_right(tmp_path: Path) -> None:
    lines = ["true,taken for,cost", '"lying, at risk",*,20', 'other,"lying, at risk",0.5', '"lying, at risk",other,5']
    path = write(tmp_path, "\n".join(lines))
    assert read_costs(path, CLASSES).tolist() == [[0, 1, 1], [20, 0, 5], [1, 0.5, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its first line is missing"),
        ("a,b\n", "its first line is a,b"),
        ("true,taken for,cost\n\nsitting,other\n", "line 3: 2 fields"),
        ("true,taken for,cost\nsitting,lying,1\n", 'line 2: there is no class "lying"'),
        ("true,taken for,cost\nsitting,other,much\n", "line 2: 'much' is no cost"),
        ("true,taken for,cost\nsitting,other,-1\n", "line 2: '-1' is no cost"),
        ("true,taken for,cost\nsitting,other,inf\n", "line 2: 'inf' is no cost"),
    ],
)
def test_file_that_says_no_costs_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=message):
        read_costs(write(tmp_path, text), CLASSES)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        read_costs(tmp_path / "none.csv", CLASSES)


@pytest.fixture
def predictions(make_predictions: Any) -> Predictions:
    scores = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.9, 0.05, 0.05], [0.1, 0.2, 0.7]])
    made: Predictions = make_predictions([0, 1, 0, 2], scores, classes=CLASSES)
    return made


def test_answer_of_least_expected_cost_differs_from_the_most_probable(predictions: Predictions) -> None:
    costs = np.array([[0, 1, 1], [10, 0, 10], [1, 1, 0.0]])
    found = weigh_costs(predictions, costs)
    # Most probable: sitting, sitting, sitting, other: the second, at risk, is missed.
    assert found.cost == pytest.approx(10 / 4)
    # Sitting for the first is expected to cost 0.3 * 10 + 0.1, lying 0.7: both first ones become lying, and the last.
    assert found.cost_by_least == pytest.approx((1 + 0 + 0 + 1) / 4)
    assert found.num_changed == 3
    assert (found.cheapest, found.cost_of_majority) == ("lying, at risk", pytest.approx(3 / 4))


def test_operating_point_is_on_scikit_learns_curve(make_predictions: Any) -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), 200)
    labels = np.array([rng.choice(3, p=row) for row in scores])
    predictions = make_predictions(labels.tolist(), scores, classes=CLASSES)
    precision, recall, thresholds = precision_recall_curve(labels == 1, scores[:, 1])
    for wanted in (0.5, 0.9, 1.0):
        found = find_operating_point(predictions, "lying, at risk", wanted)
        place = int(np.flatnonzero(recall[:-1] >= wanted)[-1])  # thresholds rise
        assert found.threshold == pytest.approx(thresholds[place])
        assert (found.recall, found.precision) == (pytest.approx(recall[place]), pytest.approx(precision[place]))
        assert found.num_false == round(found.num_alarms * (1 - found.precision))


def test_impossible_operating_points_are_refused(predictions: Predictions, make_predictions: Any) -> None:
    with pytest.raises(RequestError, match='there is no class "falling"'):
        find_operating_point(predictions, "falling", 0.9)
    with pytest.raises(RequestError, match="expected a share"):
        find_operating_point(predictions, "sitting", 90)
    with pytest.raises(RequestError, match="an alarm is for one class"):
        find_operating_point(predictions, "*", 0.9)
    none = make_predictions([0, 0], np.full((2, 3), 1 / 3), classes=CLASSES)
    with pytest.raises(RequestError, match='no clip here is of class "other"'):
        find_operating_point(none, "other", 0.9)


def test_recall_is_parsed_from_its_end() -> None:
    assert parse_recall("a=b=0.9") == ("a=b", 0.9)
    with pytest.raises(RequestError, match="expected CLASS=SHARE"):
        parse_recall("walking=most")
    with pytest.raises(RequestError, match="expected CLASS=SHARE"):
        parse_recall("walking")
