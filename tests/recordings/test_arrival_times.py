from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.errors import RecordingError
from thermalctl.recordings.arrival_times import TimeScale, count_times, find_time_scale, parse_iso_time, read_times

NINE_MS = 1_736_154_000_000  # 2025-01-06 09:00 UTC


@pytest.mark.parametrize(
    ("text", "after_ms"),
    [
        ("2025-01-06T09:00:00Z", 0),
        ("2025-01-06 09:00:00", 0),
        ("2025-01-06T09:00:00.1709", 170),
        ("2025-01-06T09:00:00,5+00:00", 500),
        ("2025-01-06T10:30:00+01:30", 0),
        ("2025-01-06T04:00:00-0500", 0),
        ("20250106T090000Z", 0),
        ("20250106_090001_250", 1250),
        ("2025-01-06T09-00-02.5", 2500),
        ("2025-01-06_09_00_02", 2000),
    ],
)
def test_iso_times_are_read_as_utc_unless_they_say_otherwise(text: str, after_ms: int) -> None:
    assert parse_iso_time(text) == NINE_MS + after_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "22.5",
        "1760482260170",
        "1712101010.1234",
        "2025-13-06T09:00:00",
        "2025-02-30 09:00:00",
        "2025-01-06",
        "٢٠٢٥",
    ],
)
def test_what_is_no_iso_time_is_none(text: str) -> None:
    assert parse_iso_time(text) is None


@given(
    moment=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)),
    zone_minutes=st.integers(-14 * 60, 14 * 60),
)
def test_iso_times_are_read_as_python_writes_them(moment: datetime, zone_minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=zone_minutes)))
    expected = (aware - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    assert parse_iso_time(aware.isoformat()) == expected


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("time_ms", "ms"),
        ("Time [ms]", "ms"),
        ("timestamps_s", "s"),
        ("time(s)", "s"),
        ("timestamps", None),
        ("t", None),
    ],
)
def test_name_tells_the_scale(name: str, scale: TimeScale | None) -> None:
    assert find_time_scale(name) == scale


@pytest.mark.parametrize(
    ("values", "scale", "start_ms", "expected_ms"),
    [
        ([NINE_MS, NINE_MS + 165], None, None, [NINE_MS, NINE_MS + 165]),
        ([NINE_MS / 1000, NINE_MS / 1000 + 0.165], None, None, [NINE_MS, NINE_MS + 165]),
        ([0.0, 0.165, 0.331], None, NINE_MS, [NINE_MS, NINE_MS + 165, NINE_MS + 331]),
        ([0, 165, 331], "ms", NINE_MS, [NINE_MS, NINE_MS + 165, NINE_MS + 331]),
        ([5.0, 5.5, 5.25], "s", 1000, [6000, 6500, 6250]),
    ],
)
def test_numbers_become_ms_since_1970(
    values: list[float], scale: TimeScale | None, start_ms: int | None, expected_ms: list[int]
) -> None:
    times = read_times(np.array(values), where="a", scale=scale, start_ms=start_ms)
    assert times.dtype == np.int64
    assert times.tolist() == expected_ms


def test_numpy_datetimes_are_utc() -> None:
    values = np.array(["2025-01-06T09:00:00", "2025-01-06T09:00:01"], "datetime64[s]")
    assert read_times(values, where="a", scale=None, start_ms=None).tolist() == [NINE_MS, NINE_MS + 1000]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0.0, 165.0, 330.0]), "a: times go up to 330, 165 from one frame to the next; it is unclear"),
        (np.array([0.0, 0.2]), "a: times go up to 0.2, counted from the recording's start, which is not known"),
        (np.array([1e9, np.nan]), "a: the time of frame 1 is nan"),
        (np.array([-1, 5]), "a: the time of frame 0 is -1"),
        (np.array([1e18, 2e18]), "a: the time of frame 0 is 1e[+]18"),
        (np.array([5e7, 6e7]), "it is unclear in which unit"),
        (np.array(["x", "y"]), "a: times are <U1, expected numbers"),
        (np.array(["NaT"], "datetime64[ms]"), "expected numbers"),
    ],
)
def test_what_is_no_time_is_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        read_times(values, where="a", scale=None, start_ms=None)


def test_counted_frames_get_even_times_with_gaps_where_some_are_missing() -> None:
    times = count_times(np.array([0, 1, 4]), where="a", frame_rate_hz=8.0, start_ms=1000)
    assert times.tolist() == [1000, 1125, 1500]


@pytest.mark.parametrize(
    ("frame_rate_hz", "start_ms", "missing"),
    [(None, None, "--frame-rate HZ and --start TIME"), (6.0, None, "or --start TIME"), (None, 5, "or --frame-rate HZ")],
)
def test_missing_rate_and_start_are_named(frame_rate_hz: float | None, start_ms: int | None, missing: str) -> None:
    with pytest.raises(RecordingError, match=missing):
        count_times(np.arange(3), where="a", frame_rate_hz=frame_rate_hz, start_ms=start_ms)
