from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.evaluation.baselines import uniform_baseline
from thermalctl.evaluation.judgement import judge
from thermalctl.evaluation.metrics import compute_metrics
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.resampling import Interval
from thermalctl.reports.judged import (
    describe_sureness,
    describe_unbeaten,
    format_number,
    format_p,
    list_other_numbers,
    list_rows,
)

CLASSES = ("a", "b", "c", "d")
LABELS = [0] * 20 + [1] * 15 + [2] * 5


@pytest.fixture
def make(answer: Any) -> Any:
    """Predictions of 40 clips, of which so many of the first are answered wrongly; two baselines beside them."""

    def make(num_wrong: int, num_sessions: int = 2) -> Predictions:
        predicted = [3] * num_wrong + LABELS[num_wrong:]
        trees = np.array([3] * 4 + LABELS[4:])
        sessions = tuple(f"s{(index + index // 7) % num_sessions}" for index in range(40))
        references = {
            "reference_names": ("majority", "trees"),
            "reference_answers": np.stack([np.zeros(40, int), trees]),
        }
        made: Predictions = answer(LABELS, predicted, CLASSES, sessions=sessions, **references)
        return made

    return make


def test_model_stands_above_the_baselines_the_best_first(make: Any) -> None:
    predictions = make(8)
    rows = list_rows(compute_metrics(predictions), judge(predictions), (uniform_baseline(predictions.labels, CLASSES),))
    assert [row[0] for row in rows] == ["this model", "trees", "majority", "drawn evenly"]
    assert rows[0][1].startswith("80.0 [")
    assert rows[1][1].startswith("90.0 [")
    assert rows[1][4] == "better, p = 0.12"  # four clips, all won by the trees: 2 / 2^4
    assert rows[2][4] == "worse, p = 0.036"  # 8 of 28 clips on which they differ
    assert rows[3][1:] == ("25.0", "25.0", "-", "")


def test_baseline_that_is_not_beaten_is_named_with_both_tests(make: Any) -> None:
    predictions = make(8)
    told = describe_unbeaten(compute_metrics(predictions), judge(predictions))
    assert told is not None
    assert told.startswith(
        'The model does not beat, by more than chance, "trees": top-1 80.0 against 90.0 (p = 0.12), mean class 86.7'
    )
    assert told.count('"') == 2
    perfect = make(0)
    verdict = describe_unbeaten(compute_metrics(perfect), judge(perfect))
    assert verdict is not None  # four clips more are no proof
    assert "(p = 0.12)" in verdict


def test_few_sessions_are_said_to_say_little(make: Any) -> None:
    two = " ".join(describe_sureness(judge(make(8))))
    assert "With the 2 sessions drawn anew: top-1 80.0 [" in two
    assert "Neither is what it claims: 2 sessions say little about others" in two
    one = " ".join(describe_sureness(judge(make(8, num_sessions=1))))
    assert "All clips are of one session" in one
    many = " ".join(describe_sureness(judge(make(8, num_sessions=10))))
    assert "the 10 sessions drawn anew" in many
    assert "they hold the truth in" in many


def test_other_numbers_are_those_that_are_defined(make: Any) -> None:
    found = dict(list_other_numbers(judge(make(8))))
    assert list(found) == ["top-3", "mean average precision", "calibration error", "log loss", "Brier score"]
    assert found["log loss"].startswith("0.") or found["log loss"].startswith("1.")


@pytest.mark.parametrize(
    ("value", "interval", "plain", "expected"),
    [
        (None, None, False, "-"),
        (0.5, None, False, "50.0"),
        (0.5, Interval(low=0.25, high=0.751), False, "50.0 [25, 75]"),
        (0.5, Interval(low=0.4761, high=0.5239), False, "50.0 [47.6, 52.4]"),
        (1.2345, Interval(low=1, high=2), True, "1.234 [1.00, 2.00]"),
    ],
)
def test_numbers_are_formatted(value: float | None, interval: Interval | None, plain: bool, expected: str) -> None:
    assert format_number(value, interval, plain=plain) == expected


@pytest.mark.parametrize(("p", "expected"), [(0.0001, "p < 0.001"), (0.0123, "p = 0.012"), (0.576, "p = 0.58"), (1, "p = 1.00")])  # fmt: skip  # noqa: E501
def test_p_is_formatted(p: float, expected: str) -> None:
    assert format_p(p) == expected
