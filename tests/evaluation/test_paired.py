from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from thermalctl.evaluation.paired import compare_answers, find_mcnemar, find_p, weigh_by_class


def make_hits(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    ours = np.repeat([True, True, False, False], [both, first, second, neither])
    theirs = np.repeat([True, False, True, False], [both, first, second, neither])
    return ours, theirs


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        (1, 9, 2 * 11 / 1024),  # 2 * (1 + 10) of 2^10 tosses
        (9, 1, 2 * 11 / 1024),
        (5, 5, 1.0),
        (0, 5, 2 / 32),
        (0, 0, 1.0),
    ],
)
def test_mcnemar_is_a_coins_toss_for_each_clip_on_which_they_differ(first: int, second: int, p: float) -> None:
    found = find_mcnemar(*make_hits(20, first, second, 7))
    assert (found.num_first, found.num_second) == (first, second)
    assert found.p == pytest.approx(p)


def test_swapping_answers_is_mcnemars_test_where_every_clip_counts_alike() -> None:
    ours, theirs = make_hits(20, 1, 9, 7)
    assert find_p(ours.astype(float) - theirs) == pytest.approx(find_mcnemar(ours, theirs).p, abs=0.004)
    assert find_p(np.zeros(5)) == 1.0


def test_clips_of_rare_classes_count_more() -> None:
    labels = np.array([0, 0, 0, 2])
    assert weigh_by_class(labels).tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_difference_of_two_models() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 80)
    first = np.where(rng.random(80) < 0.9, labels, 0)
    second = np.where(rng.random(80) < 0.4, labels, 3)
    sessions = np.arange(80) % 3
    found = compare_answers(labels, first, second, sessions, 4)
    assert found.top1 == pytest.approx((first == labels).mean() - (second == labels).mean())
    means = [balanced_accuracy_score(labels, answers) for answers in (first, second)]
    assert found.mean_class == pytest.approx(means[0] - means[1])
    assert found.mcnemar.p < 0.001
    assert found.mean_class_p < 0.001
    for interval, value in (
        (found.top1_interval, found.top1),
        (found.top1_by_session, found.top1),
        (found.mean_class_interval, found.mean_class),
        (found.mean_class_by_session, found.mean_class),
    ):
        assert interval is not None
        assert 0 < interval.low <= value <= interval.high
    back = compare_answers(labels, second, first, sessions, 4)
    assert back.top1 == -found.top1
    assert back.mcnemar.num_second == found.mcnemar.num_first


def test_single_session_has_no_interval_of_sessions() -> None:
    labels = np.array([0, 1, 1, 0])
    found = compare_answers(labels, labels, 1 - labels, np.zeros(4, dtype=int), 2)
    assert found.top1_by_session is None
    assert found.mean_class_by_session is None
    assert found.top1 == 1
