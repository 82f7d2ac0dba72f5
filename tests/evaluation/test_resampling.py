from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from thermalctl.evaluation.resampling import (
    bootstrap,
    draw_weights,
    find_interval,
    number_groups,
    simulate_coverage,
)


def test_whole_groups_are_drawn() -> None:
    groups = number_groups(["b", "a", "b", "c", "a", "b"])
    assert groups.tolist() == [1, 0, 1, 2, 0, 1]
    weights = draw_weights(groups, 3000, np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()  # three draws of three groups
    assert weights[:, 3].mean() == pytest.approx(1, abs=0.05)


def test_interval_of_clips_is_that_of_scipy() -> None:
    values = np.random.default_rng(5).normal(size=40)
    drawn = bootstrap(lambda weights: {"mean": weights @ values / weights.sum(axis=1)}, np.arange(40), num_draws=20_000)
    ours = find_interval(drawn["mean"])
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=0).confidence_interval
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_many_clips_are_resampled_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        shapes.append(weights.shape)
        return {"total": weights.sum(axis=1)}

    monkeypatch.setattr("thermalctl.evaluation.resampling._MAX_WEIGHTS", 1000)
    assert bootstrap(measure, np.arange(300), num_draws=7)["total"].tolist() == [300] * 7
    assert shapes == [(3, 300), (3, 300), (1, 300)]


def test_number_that_most_resamples_lack_has_no_interval() -> None:
    values = np.array([0.5, np.nan, np.nan, 0.7, np.nan])
    assert find_interval(values) is None
    interval = find_interval(np.array([0.1, np.nan, 0.2, 0.3, 0.4]))
    assert interval is not None
    assert 0.1 <= interval.low < interval.high <= 0.4


@pytest.mark.parametrize(
    ("num_sessions", "least", "most"),
    [(2, 0.43, 0.55), (5, 0.75, 0.89), (50, 0.925, 0.97), (120, 0.93, 0.97)],
)
def test_interval_of_sessions_holds_the_truth_as_often_as_is_known(
    num_sessions: int, least: float, most: float
) -> None:
    """Two points hold the truth between them half the time; the percentile interval is as it claims from fifty on."""
    assert least < simulate_coverage([200] * num_sessions, 0.7, by_group=True) < most


def test_interval_of_clips_holds_the_truth_where_sessions_do_not_differ() -> None:
    assert simulate_coverage([300], 0.7, by_group=False, correlation=1e-6) == pytest.approx(0.95, abs=0.02)
    # Where they do it is far too narrow, however many clips there are.
    assert simulate_coverage([300] * 3, 0.7, by_group=False) < 0.3


def test_rates_at_the_ends_are_simulated_too() -> None:
    for rate in (0.0, 1.0):
        assert 0 <= simulate_coverage([30, 43], rate, by_group=True) <= 1
