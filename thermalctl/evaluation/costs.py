"""Mistakes that do not cost the same: missing somebody at risk is worse than a false alarm."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RequestError
from thermalctl.evaluation.metrics import rank_classes
from thermalctl.evaluation.predictions import Predictions

_COLUMNS = ["true", "taken for", "cost"]
#: Stands for every class that is not named otherwise.
ANY = "*"


@dataclass(frozen=True, kw_only=True)
class CostView:
    """What mistakes come to.

    Attributes:
        cost: mean over clips of the most probable class's answer.
        cost_by_least: of the answer whose expected cost is least, by the model's own probabilities.
        num_changed: clips that this answers otherwise.
        cost_of_majority: of always answering the class that is cheapest for these clips.
        cheapest: that class.
    """

    cost: float
    cost_by_least: float
    num_changed: int
    cost_of_majority: float
    cheapest: str


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """Where to raise an alarm for a class.

    Attributes:
        name: the class.
        threshold: of its probability; the highest at which the wanted recall is reached.
        recall: that is reached, 0..1.
        precision: of the alarms.
        num_alarms: clips at or above the threshold.
        num_false: of them, those of other classes.
        num_clips: of the class.
    """

    name: str
    threshold: float
    recall: float
    precision: float
    num_alarms: int
    num_false: int
    num_clips: int


def read_costs(path: Path, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the cost of taking a clip of class (row) for class (column), (K, K); 1 for what is not named, 0 if right.

    Args:
        path: a CSV file with the columns "true", "taken for" and "cost", a line for each mistake; * for any class. A
            later line holds where two name the same mistake.
        classes: K class names.

    Raises:
        RequestError: if the file cannot be read, names a class that there is not, or holds a cost that is none.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            numbered = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except (OSError, ValueError, csv.Error) as error:
        raise RequestError(f"--cost {path}: cannot be read ({error})", hint="a CSV file of mistakes") from error
    if not numbered or numbered[0][1] != _COLUMNS:
        found = ",".join(numbered[0][1]) if numbered else "missing"
        raise RequestError(
            f"--cost {path}: its first line is {found}, expected true,taken for,cost",
            hint="then a line for each mistake that does not cost 1; * stands for any class",
        )
    costs = 1 - np.eye(len(classes))
    for number, row in numbered[1:]:
        if len(row) != len(_COLUMNS):
            raise RequestError(f"--cost {path}, line {number}: {len(row)} fields, expected {len(_COLUMNS)}")
        true, taken = (_find_classes(name, classes, f"--cost {path}, line {number}") for name in row[:2])
        try:
            cost = float(row[2])
        except ValueError:
            cost = float("nan")
        if not 0 <= cost < float("inf"):
            raise RequestError(f"--cost {path}, line {number}: {row[2]!r} is no cost", hint="a number from 0")
        costs[np.ix_(true, taken)] = cost
    np.fill_diagonal(costs, 0)
    return costs


def weigh_costs(predictions: Predictions, costs: NDArray[np.float64]) -> CostView:
    """Return what a model's mistakes cost.

    Args:
        predictions: of N clips.
        costs: (K, K), from `read_costs`.
    """
    labels, scores = predictions.labels, predictions.scores
    answers = rank_classes(scores)[:, 0]
    least = (scores @ costs).argmin(axis=1)
    by_constant = costs[labels].mean(axis=0)
    cheapest = int(by_constant.argmin())
    return CostView(
        cost=float(costs[labels, answers].mean()),
        cost_by_least=float(costs[labels, least].mean()),
        num_changed=int((answers != least).sum()),
        cost_of_majority=float(by_constant[cheapest]),
        cheapest=predictions.classes[cheapest],
    )


def find_operating_point(predictions: Predictions, name: str, recall: float) -> OperatingPoint:
    """Return the highest threshold at which so many of a class's clips raise an alarm.

    It is found on the clips that it is then judged on: on others the recall will differ.

    Args:
        predictions: of N clips.
        name: the class.
        recall: wanted, more than 0, up to 1.

    Raises:
        RequestError: if there is no such class, no clip of it, or no such recall.
    """
    if name == ANY:
        raise RequestError("--recall *: an alarm is for one class", hint="name it; --recall can be repeated")
    (index,) = _find_classes(name, predictions.classes, "--recall")
    is_class = predictions.labels == index
    if not is_class.any():
        raise RequestError(f'--recall: no clip here is of class "{name}"', hint="judge a split that has some")
    if not 0 < recall <= 1:
        raise RequestError(f"--recall {name}={recall:g}: expected a share, more than 0 and up to 1")
    probabilities = predictions.scores[:, index]
    own = np.sort(probabilities[is_class])[::-1]
    threshold = float(own[max(0, int(np.ceil(recall * len(own) - 1e-9)) - 1)])
    alarms = probabilities >= threshold
    return OperatingPoint(
        name=name,
        threshold=threshold,
        recall=float(alarms[is_class].mean()),
        precision=float(is_class[alarms].mean()),
        num_alarms=int(alarms.sum()),
        num_false=int((alarms & ~is_class).sum()),
        num_clips=int(is_class.sum()),
    )


def parse_recall(text: str) -> tuple[str, float]:
    """Return (class, recall) from a text as "lying down-lying with risk=0.95".

    Raises:
        RequestError: if it is none.
    """
    name, separator, value = text.rpartition("=")
    try:
        if separator:
            return name.strip(), float(value)
    except ValueError:
        pass
    raise RequestError(f"--recall {text}: expected CLASS=SHARE", hint='as in --recall "walking=0.9"')


def _find_classes(name: str, classes: tuple[str, ...], where: str) -> list[int]:
    if name == ANY:
        return list(range(len(classes)))
    if name not in classes:
        raise RequestError(f'{where}: there is no class "{name}"', hint=f"there are {', '.join(classes)}")
    return [classes.index(name)]
