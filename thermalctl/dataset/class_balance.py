"""How much each class counts in the loss, by how often it occurs or by a file of one's own."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.json_records import quote, read_json_object
from thermalctl.errors import ConfigError, DatasetError, summarise_problems

#: Cui et al. try 0.9 to 0.9999. At 0.999 further clips stop adding at about 1,000, a large class of a small dataset.
DEFAULT_BETA = 0.999
#: Beside eight clips of the commonest class, one that weighs ten times as much is already more than half of the step.
#: Without a cap, one clip in a class of its own would outweigh one of a class of 300 by 259 to 1.
DEFAULT_CAP = 10.0

#: The second cell of a CSV file's first row, where that row names the columns.
_HEADER = "weight"
_FORMAT_HINT = 'JSON: {"class name": weight, ...}; CSV: class name,weight in each row'


def inverse_weights(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the loss weight of each class, (K,) float64: total / (K * count), an unseen class counted as 1.

    Source: `get_class_weights` of the finetuning guide's dataset class.

    Args:
        counts: (K,) clips of each class.
    """
    weights: NDArray[np.float64] = counts.sum() / (len(counts) * np.maximum(counts, 1).astype(np.float64))
    return weights


def effective_weights(
    counts: NDArray[np.int64], *, beta: float = DEFAULT_BETA, cap: float = DEFAULT_CAP
) -> NDArray[np.float64]:
    """Return the loss weight of each class by its effective number of clips, (K,) float64.

    (1 - beta) / (1 - beta^count): clips of one class resemble each other, and the more there are the less each adds
    (Cui et al. 2019, https://arxiv.org/abs/1901.05555, equation 2). The weights of the classes that
    occur have mean 1; a class that never does gets 1, which no label ever asks for.

    Args:
        counts: (K,) clips of each class; at least one occurs.
        beta: 0 for equal weights, towards 1 for the inverse of the count.
        cap: the most that one class weighs, as a multiple of the least.

    Raises:
        ConfigError: if `beta` or `cap` is impossible.
    """
    if not 0 <= beta < 1:
        raise ConfigError(f"effective_weights.beta is {beta!r}, expected 0 or more and less than 1")
    if not cap >= 1:
        raise ConfigError(f"effective_weights.cap is {cap!r}, expected 1 or more")
    occurring = counts > 0
    found = (1 - beta) / (1 - beta ** counts[occurring].astype(np.float64))
    capped = np.minimum(found, cap * found.min())
    weights = np.ones(len(counts))
    weights[occurring] = capped / capped.mean()
    return weights


def read_class_weights(path: Path) -> dict[str, float]:
    """Return the weights in a file by class name: a JSON object, or CSV with a class and its weight in each row.

    A CSV file's first row may name the columns, the second one "weight".

    Raises:
        DatasetError: if the file cannot be read, names a class twice, or a weight is no number of 0 or more.
    """
    found = read_json_object(path) if path.suffix.lower() == ".json" else _read_csv(path)
    problems = _find_value_problems(found)
    if problems:
        raise DatasetError(summarise_problems([f"{path}: {problem}" for problem in problems]), hint=_FORMAT_HINT)
    return {name: float(weight) for name, weight in found.items()}


def order_weights(
    weights: Mapping[str, float], classes: Sequence[str], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return weights given by class name in id order, (K,) float64; a class without one never occurs and gets 1.

    Args:
        weights: weight by class name.
        classes: (K,) names in id order.
        counts: (K,) training clips of each.

    Raises:
        ConfigError: if a name is no class, a class that occurs has no weight, or a weight is no number of 0 or more.
    """
    problems = _find_value_problems(weights)
    for name in weights:
        if name not in classes:
            near = difflib.get_close_matches(name, classes, n=1)
            problems.append(
                f"{quote(name)} is no class of the dataset" + (f"; is {quote(near[0])} meant?" if near else "")
            )
    problems += [
        f"{quote(name)} has no weight, and {count} training clips"
        for name, count in zip(classes, counts.tolist(), strict=True)
        if count and name not in weights
    ]
    if not problems and not any(weights[name] for name, count in zip(classes, counts, strict=True) if count):
        problems.append("every class that occurs has weight 0")
    if problems:
        raise ConfigError(
            summarise_problems([f"class weights: {problem}" for problem in problems]),
            hint="each class that occurs in train needs one; thermalctl inspect-dataset lists them",
        )
    return np.array([float(weights.get(name, 1.0)) for name in classes])


def _find_value_problems(weights: Mapping[str, Any]) -> list[str]:
    return [
        f"{quote(name)} has weight {quote(weight)}, expected a number, 0 or more"
        for name, weight in weights.items()
        if not isinstance(weight, (int, float)) or isinstance(weight, bool) or not 0 <= weight < math.inf
    ]


def _read_csv(path: Path) -> dict[str, float | str]:
    """Return the weights in a CSV file by class name; one that is no number as the text it is."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file, strict=True), start=1) if row]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})", hint=_FORMAT_HINT) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: is not CSV in UTF-8 ({error})", hint=_FORMAT_HINT) from error
    if rows and rows[0][1][-1].strip().lower() == _HEADER:
        rows = rows[1:]
    weights: dict[str, float | str] = {}
    problems = [] if rows else [f"{path}: holds no weights"]
    for number, row in rows:
        if len(row) != 2:
            problems.append(f"{path}: row {number} has {len(row)} cells, expected 2")
            continue
        name, weight = (cell.strip() for cell in row)
        if name in weights:
            problems.append(f"{path}: row {number} names {quote(name)} again")
        weights[name] = _read_number(weight)
    if problems:
        raise DatasetError(summarise_problems(problems), hint=_FORMAT_HINT)
    return weights


def _read_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
