from __future__ import annotations

import numpy as np
import pytest

from thermalctl.recordings.faults import RepeatedFrames, Trend, find_repeated_frames, find_trend


def repeats(*digests: int) -> RepeatedFrames:
    return find_repeated_frames(np.array(digests, dtype=np.uint64))


def trend(levels_c: np.ndarray, seconds_each: float = 1.0) -> Trend:
    found = find_trend(seconds_each * np.arange(len(levels_c)), levels_c.astype(np.float32))
    assert found is not None
    return found


def test_frozen_frames_are_counted_and_the_longest_run_is_placed() -> None:
    assert repeats(1, 1, 2, 3, 3, 3, 4) == RepeatedFrames(num_frozen=3, longest_freeze=3, freeze_at=3, num_duplicates=0)


def test_frames_that_come_back_are_duplicates_however_long_they_stay() -> None:
    assert repeats(1, 2, 1, 1, 2, 1) == RepeatedFrames(num_frozen=1, longest_freeze=2, freeze_at=2, num_duplicates=3)


def test_incomplete_frames_repeat_nothing() -> None:
    assert repeats(0, 0, 1, 0, 0, 0) == RepeatedFrames(num_frozen=0, longest_freeze=0, freeze_at=None, num_duplicates=0)


def test_no_frames_repeat_nothing() -> None:
    assert repeats().num_frozen == 0


def test_even_drift_is_a_slope_and_no_warm_up() -> None:
    found = trend(20 + np.linspace(0, 2, 100), seconds_each=36.0)  # 2 deg C in 99 * 36 s = 0.99 h
    assert found.drift_c_per_hour == pytest.approx(2 / 0.99, rel=1e-3)
    assert found.shift_c == pytest.approx(2.0, rel=1e-3)
    assert (found.warm_up_c, found.warm_up_s) == (0.0, 0.0)
    assert found.is_drifting


def test_someone_passing_by_does_not_bend_the_slope() -> None:
    levels_c = 20 + np.linspace(0, 2, 100)
    levels_c[70:85] += 5
    assert trend(levels_c).shift_c == pytest.approx(2.0, abs=0.15)


def test_warm_up_is_measured_and_the_rest_is_no_drift() -> None:
    found = trend(25 - 5 * np.exp(-np.arange(100) / 10))
    # It begins at the median of the first 5 (of 33 // 6) levels, 20.91; nine tenths are done after about 22 s.
    assert found.warm_up_c == pytest.approx(4.1, abs=0.15)
    assert found.warm_up_s == pytest.approx(25, abs=3)
    assert not found.is_drifting


def test_drift_after_a_warm_up_is_found() -> None:
    found = trend(25 - 8 * np.exp(-np.arange(100) / 4) + 0.015 * np.arange(100))
    assert found.warm_up_c > 5
    assert found.drift_c_per_hour == pytest.approx(54, rel=0.1)


@pytest.mark.parametrize(("shift_c", "drifting"), [(0.9, False), (1.1, True), (-1.1, True)])
def test_less_than_a_degree_is_no_drift(shift_c: float, drifting: bool) -> None:
    assert trend(20 + np.linspace(0, shift_c, 50)).is_drifting == drifting


def test_long_recording_is_thinned_to_medians() -> None:
    levels_c = 20 + np.linspace(0, 3, 5000)
    levels_c[::7] = 60.0
    assert trend(levels_c).shift_c == pytest.approx(3.0, rel=0.03)


def test_order_of_times_counts_not_of_frames() -> None:
    times_s = np.arange(50.0)
    backwards = find_trend(times_s[::-1].copy(), np.linspace(22, 20, 50, dtype=np.float32))
    assert backwards is not None
    assert backwards.shift_c == pytest.approx(2.0, rel=1e-3)


def test_too_few_levels_or_a_clock_that_stands_show_no_trend() -> None:
    assert find_trend(np.arange(8.0), np.arange(8, dtype=np.float32)) is None
    assert find_trend(np.full(20, 7.0), np.arange(20, dtype=np.float32)) is None
    assert find_trend(np.zeros(0), np.zeros(0, dtype=np.float32)) is None
