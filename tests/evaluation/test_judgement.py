from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from thermalctl.evaluation.judgement import Judgement, judge

CLASSES = ("a", "b", "c", "d", "e", "f", "g")


def make(make_predictions: Any, *, num_sessions: int = 2, num: int = 60, share: float = 0.8, **fields: Any) -> Any:
    """Predictions of which a share is right; the last two classes have no clip, the class before them one."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, num)
    labels[0] = 4
    scores = rng.dirichlet(np.full(7, 0.3), num)
    answers = np.where(rng.random(num) < share, labels, rng.integers(0, 4, num))
    scores[np.arange(num), answers] += 2
    scores /= scores.sum(axis=1, keepdims=True)
    sessions = tuple(f"s{(index + index // 7) % num_sessions}" for index in range(num))
    return make_predictions(labels.tolist(), scores, classes=CLASSES, sessions=sessions, **fields)


def test_interval_of_clips_is_about_the_binomial_one(make_predictions: Any) -> None:
    found = judge(make(make_predictions)).numbers["top1"]
    assert found.value is not None
    assert found.by_clip is not None
    low, high = binom.ppf([0.025, 0.975], 60, found.value) / 60
    assert (found.by_clip.low, found.by_clip.high) == (pytest.approx(low, abs=0.025), pytest.approx(high, abs=0.025))
    assert found.by_session is not None
    assert found.by_session.low <= found.value <= found.by_session.high


def test_every_number_has_an_interval_about_it(make_predictions: Any) -> None:
    found = judge(make(make_predictions, num_sessions=6)).numbers
    assert set(found) == {
        "top1", "mean_class", "macro_f1", "top3", "top5", "log_loss", "brier", "ece", "mean_average_precision"
    }  # fmt: skip
    for number in found.values():
        assert number.value is not None
        assert number.by_clip is not None
        assert number.by_session is not None
        if number.name not in ("ece", "mean_class", "macro_f1", "mean_average_precision"):  # which resampling biases
            assert number.by_clip.low <= number.value <= number.by_clip.high, number.name


def test_few_clips_and_none_are_marked(make_predictions: Any) -> None:
    found = judge(make(make_predictions)).classes
    assert [one.is_few for one in found] == [False] * 4 + [True] * 3
    assert found[0].recall is not None
    assert (found[6].recall, found[6].average_precision) == (None, None)


def test_coverage_is_that_of_the_sessions_at_hand(make_predictions: Any) -> None:
    two, many = (judge(make(make_predictions, num_sessions=number)) for number in (2, 30))
    assert two.coverage_by_session is not None
    assert many.coverage_by_session is not None
    assert two.coverage_by_session < 0.6 < 0.88 < many.coverage_by_session
    alone = judge(make(make_predictions, num_sessions=1))
    assert (alone.num_sessions, alone.coverage_by_session) == (1, None)
    assert alone.numbers["top1"].by_session is None


def judge_beside(make_predictions: Any, share: float) -> Judgement:
    """Judge a model beside baselines that are right as often as it, and never."""
    answers = np.stack([make(make_predictions, share=0.8).scores.argmax(axis=1), np.full(60, 6)])
    names = ("as good", "always g")
    return judge(make(make_predictions, share=share, reference_names=names, reference_answers=answers))


def test_baseline_is_beaten_by_more_than_chance_or_not_at_all(make_predictions: Any) -> None:
    found = judge_beside(make_predictions, 0.8)
    assert [one.name for one in found.references] == ["as good", "always g"]
    assert [one.name for one in found.unbeaten] == ["as good"]
    assert found.references[0].comparison.mcnemar.p == 1
    assert found.references[1].top1 == 0
    better = judge_beside(make_predictions, 1.0)
    assert better.unbeaten == ()


def test_what_never_varies_is_not_called_certain(make_predictions: Any) -> None:
    """All right: by Clopper and Pearson 20 of 20 may as well be 83 % (0.025 ** (1 / 20))."""
    labels = [0, 1] * 10
    predictions = make_predictions(labels, np.eye(2)[labels], classes=("a", "b"), sessions=tuple("abcdef" * 3 + "ab"))
    found = judge(predictions)
    interval = found.numbers["top1"].by_clip
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(0.025 ** (1 / 20)), 1.0)
    assert found.numbers["mean_class"].by_clip is None
    assert found.classes[0].recall is not None
    assert found.classes[0].recall.low == pytest.approx(0.025 ** (1 / 10))


def test_class_of_few_sessions_has_intervals_of_clips(make_predictions: Any) -> None:
    labels = [0] * 30 + [1] * 6
    answers = [0] * 30 + [1, 1, 1, 0, 0, 0]
    sessions = tuple("abcdef" * 5) + ("a",) * 6  # the second class is in one of six sessions
    scores = np.where(np.eye(2)[answers] == 1, 0.9, 0.1)
    found = judge(make_predictions(labels, scores, classes=("a", "b"), sessions=sessions)).classes[1].recall
    assert found is not None
    assert found.low < 0.3 < 0.7 < found.high
