from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.reports.page_axes import make_axis, make_log_axis, make_time_axes

numbers = st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000)


def test_axis_lies_between_round_numbers_and_names_them() -> None:
    axis = make_axis([7.6, 45.0], "deg C")
    assert (axis.low, axis.high, axis.unit) == (0.0, 50.0, "deg C")
    assert [(tick.text, tick.percent) for tick in axis.ticks] == [
        ("0", 0), ("10", 20), ("20", 40), ("30", 60), ("40", 80), ("50", 100),
    ]  # fmt: skip
    assert axis.place(30.0) == 600.0


def test_axis_from_zero_holds_zero() -> None:
    assert make_axis([80.0, 90.0], "s", from_zero=True).low == 0.0
    assert make_axis([80.0, 90.0], "s").low == 80.0


@given(st.lists(numbers, max_size=5), numbers)
def test_every_value_has_a_place_on_the_track(values: list[float], other: float) -> None:
    for axis in (make_axis(values, ""), make_log_axis(values, "")):
        assert all(0 <= axis.place(value) <= 1000 for value in (*values, other))
        assert axis.low <= min(values, default=0.0) + 1e-3 or axis.is_log
        assert axis.high >= max(values, default=0.0) - 1e-3


@given(numbers, numbers)
def test_larger_values_lie_further_right(first: float, second: float) -> None:
    axis = make_axis([first, second], "")
    lower, higher = sorted((first, second))
    assert axis.place(lower) <= axis.place(higher)
    assert first == second or axis.place(lower) < axis.place(higher)


def test_equal_ratios_are_equally_far_apart_on_a_logarithmic_axis() -> None:
    axis = make_log_axis([38.0, 2633.0], "ms")
    assert [tick.text for tick in axis.ticks] == ["30", "100", "300", "1,000", "3,000"]
    assert axis.place(300.0) == pytest.approx(500.0)  # 30 * 10 = 300, 300 * 10 = 3000
    assert axis.place(0.0) == axis.place(-5.0) == 0.0


def test_values_that_are_no_numbers_are_passed_over() -> None:
    axis = make_axis([float("nan"), 3.0, float("inf")], "")
    assert axis.low <= 3.0 <= axis.high < 10.0


def test_recordings_of_similar_length_share_an_axis() -> None:
    axes = make_time_axes({"a": 84.0, "b": 60.0})
    assert (axes.axis.high, axes.axis.unit) == (100.0, "s")
    np.testing.assert_allclose(axes.place("a", np.array([0.0, 42.0])), [0.0, 420.0])
    np.testing.assert_allclose(axes.place("b", np.array([60.0])), [600.0])


def test_recordings_of_very_different_length_have_axes_of_their_own() -> None:
    axes = make_time_axes({"long": 7200.0, "short": 60.0})
    assert axes.axis.unit == "% of each"
    np.testing.assert_allclose(axes.place("long", np.array([3600.0])), [500.0])
    np.testing.assert_allclose(axes.place("short", np.array([30.0, 60.0])), [500.0, 1000.0])


@pytest.mark.parametrize(("longest_s", "unit", "high"), [(599, "s", 600), (3600, "min", 60), (36_000, "h", 10)])
def test_times_are_told_in_a_unit_that_suits_them(longest_s: float, unit: str, high: float) -> None:
    axes = make_time_axes({"a": longest_s})
    assert (axes.axis.unit, axes.axis.high) == (unit, high)
    np.testing.assert_allclose(axes.place("a", np.array([longest_s])), [1000 * longest_s / axes.unit_s / high])


def test_recording_of_one_moment_has_an_axis() -> None:
    assert make_time_axes({"a": 0.0}).place("a", np.zeros(2)).tolist() == [0.0, 0.0]
    assert make_time_axes({"a": 0.0, "b": 5.0}).place("a", np.zeros(2)).tolist() == [0.0, 0.0]
