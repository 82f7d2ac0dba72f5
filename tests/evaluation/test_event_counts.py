from __future__ import annotations

from math import comb, exp, factorial

import pytest

from thermalctl.evaluation.event_counts import (
    EventCounts,
    add_counts,
    find_rate_interval,
    find_rates,
    find_share_interval,
)


def make_counts(**fields: float) -> EventCounts:
    names = (
        "num_true", "num_found", "num_alarms", "num_false", "num_repeated", "num_unjudged", "num_unwatched",
        "num_not_raised", "hours",
    )  # fmt: skip
    return EventCounts(**(dict.fromkeys(names, 0) | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(("num", "of"), [(0, 10), (10, 10), (7, 10), (1, 3)])
def test_ends_of_a_share_s_interval_leave_a_fortieth_of_the_binomial_on_each_side(num: int, of: int) -> None:
    interval = find_share_interval(num, of)
    assert interval is not None

    def at_most(most: int, p: float) -> float:
        return sum(comb(of, k) * p**k * (1 - p) ** (of - k) for k in range(most + 1))

    assert at_most(num, interval.high) == pytest.approx(0.025 if num < of else 1.0, abs=1e-9)
    assert 1 - at_most(num - 1, interval.low) == pytest.approx(0.025 if num else 1.0, abs=1e-9)


@pytest.mark.parametrize("num", [0, 1, 5])
def test_ends_of_a_rate_s_interval_leave_a_fortieth_of_the_poisson_on_each_side(num: int) -> None:
    hours = 0.25
    interval = find_rate_interval(num, hours)
    assert interval is not None

    def at_most(most: int, mean: float) -> float:
        return sum(exp(-mean) * mean**k / factorial(k) for k in range(most + 1))

    assert at_most(num, interval.high * hours) == pytest.approx(0.025, abs=1e-9)
    assert 1 - at_most(num - 1, interval.low * hours) == pytest.approx(0.025 if num else 1.0, abs=1e-9)


def test_no_false_alarm_in_an_hour_may_be_three_point_seven() -> None:
    interval = find_rate_interval(0, 1.0)  # Garwood 1936
    assert interval is not None
    assert (interval.low, round(interval.high, 2)) == (0.0, 3.69)


def test_rates_are_what_the_counts_come_to() -> None:
    counts = make_counts(num_true=8, num_found=6, num_alarms=12, num_false=4, num_repeated=2, hours=0.5)
    rates = find_rates(counts, [3.0, -1.0, 10.0])
    assert (rates.recall, rates.precision, rates.false_per_hour) == (0.75, 0.5, 8.0)
    assert (rates.median_delay_s, rates.worst_delay_s) == (3.0, 10.0)


def test_nothing_has_no_rates() -> None:
    rates = find_rates(make_counts(), [])
    assert set(vars(rates).values()) == {None}


def test_counts_of_recordings_add_up() -> None:
    parts = [make_counts(num_true=2, num_found=1, hours=0.5), make_counts(num_true=3, num_false=4, hours=0.25)]
    assert add_counts(parts) == make_counts(num_true=5, num_found=1, num_false=4, hours=0.75)
