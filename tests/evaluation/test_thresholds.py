from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.errors import NotHeldError, RequestError
from thermalctl.evaluation.judgement import Judgement, judge
from thermalctl.evaluation.thresholds import check_thresholds, parse_thresholds


@pytest.fixture
def judgement(make_predictions: Any) -> Judgement:
    """Of four clips three are right: 0.75, and of two classes one and a half: 0.75."""
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    return judge(make_predictions([0, 0, 1, 1], scores, classes=("a", "b")))


@pytest.mark.parametrize("text", ["top1=0.75", "top1=0.75000000001", "mean_class=0.7,top1=0.7", "brier=0.5"])
def test_what_is_reached_holds(text: str, judgement: Judgement) -> None:
    check_thresholds(judgement, parse_thresholds(text, judgement.numbers))


def test_what_falls_short_is_named_with_what_was_expected(judgement: Judgement) -> None:
    thresholds = parse_thresholds("top1=0.8,mean_class=0.7,brier=0.01", judgement.numbers)
    with pytest.raises(NotHeldError, match=r"top1 is 0\.75, expected 0\.8 or more; brier is .*expected 0\.01 or less"):
        check_thresholds(judgement, thresholds)


def test_number_that_is_undefined_does_not_hold(judgement: Judgement) -> None:
    with pytest.raises(NotHeldError, match="top5 is undefined"):
        check_thresholds(judgement, parse_thresholds("top5=0.1", judgement.numbers))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("top1", "'top1' is no NAME=NUMBER"),
        ("top1=high", "'top1=high' is no NAME=NUMBER"),
        ("top1=nan", "is no NAME=NUMBER"),
        ("top1=0.7,", "'' is no NAME=NUMBER"),
        ("top2=0.7", "no number 'top2'"),
        ("top1=70", "top1 is a share, 0 to 1"),
    ],
)
def test_nonsense_is_refused(text: str, message: str, judgement: Judgement) -> None:
    with pytest.raises(RequestError, match=message):
        parse_thresholds(text, judgement.numbers)
