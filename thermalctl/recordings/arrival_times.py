"""Times of frames as other people write them: ms or seconds since 1970, seconds from the start, or ISO 8601."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.import_options import MAX_TIME_MS

#: What a name such as `time_ms` says about the numbers under it.
TimeScale = Literal["ms", "s"]

#: ms since 1970 are at least this: March 1973.
_MIN_EPOCH_MS = 10**11
#: Seconds since 1970 lie between these: 2001 to 2096.
MIN_EPOCH_S, _MAX_EPOCH_S = 10**9, 4 * 10**9
#: Counted from the start, a recording has at most 115 days; a longer one is in another unit.
_MAX_ELAPSED_S = 10**7
#: A thermal array sends several frames a second. Seconds that are further apart than this are ms.
_MAX_GAP_S = 10.0

# Colons and points are not allowed in file names everywhere, so that those hold - and _ in their place. Separators
# agree with one another, or seconds since 1970 with four decimals could be a date too.
_ISO_TIME = re.compile(
    r"(?P<year>\d{4})(-?)(?P<month>\d{2})\2(?P<day>\d{2})[T_ -]?"
    r"(?P<hour>\d{2})([:_.-]?)(?P<minute>\d{2})\6(?P<second>\d{2})(?:[.,_](?P<fraction>\d{1,9}))?"
    r"\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)


def parse_iso_time(text: str) -> int | None:
    """Return an ISO 8601 date and time as ms since 1970; None if the text is none.

    A time without a zone is taken as UTC. `-` and `_` may stand for `:` and `.`, as in file names; a fraction of a
    second that ends between two ms is rounded down.
    """
    found = _ISO_TIME.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (
        int(found[name]) for name in ("year", "month", "day", "hour", "minute", "second")
    )
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        return None
    fraction_ms = int(f"{found['fraction'] or ''}000"[:3])
    return to_epoch_ms(moment) + fraction_ms - _parse_zone_ms(found["zone"])


def to_epoch_ms(moment: datetime) -> int:
    """Return an aware time as ms since 1970, rounded down."""
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def find_time_scale(name: str) -> TimeScale | None:
    """Return what a name says about its numbers: `time_ms`, `Time [ms]`, `timestamps_s`; None if nothing."""
    last = re.split(r"[^a-z]+", name.casefold().rstrip(" ])"))[-1]
    if last in ("ms", "msec", "millis", "milliseconds"):
        return "ms"
    return "s" if last in ("s", "sec", "secs", "seconds") else None


def read_times(
    values: NDArray[np.generic], *, where: str, scale: TimeScale | None, start_ms: int | None
) -> NDArray[np.int64]:
    """Return times as ms since 1970, (N,) int64.

    Args:
        values: (N,) numbers or numpy datetimes (UTC): ms or seconds since 1970, or counted from the recording's start.
        where: what an error names: the file and the field.
        scale: what the field's name says; None: judged by size.
        start_ms: the recording's start, for times counted from it.

    Raises:
        RecordingError: if the values are no times, it is unclear which, or the start is needed and missing.
    """
    if np.issubdtype(values.dtype, np.datetime64) and not np.isnat(values).any():
        return values.astype("datetime64[ms]").astype(np.int64)
    if not (np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.floating)):
        raise RecordingError(f"{where}: times are {values.dtype}, expected numbers, each a time", hint=_KNOWN)
    numbers = values.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= 0) & (numbers < MAX_TIME_MS)))
    if wrong.size:
        raise RecordingError(
            f"{where}: the time of frame {wrong[0]} is {values[wrong[0]]}, expected 0 to {MAX_TIME_MS - 1}", hint=_KNOWN
        )
    if numbers.size == 0:
        return np.empty(0, dtype=np.int64)
    last = float(numbers.max())
    if last >= _MIN_EPOCH_MS and scale != "s":
        return np.rint(numbers).astype(np.int64)
    if MIN_EPOCH_S <= last < _MAX_EPOCH_S and scale != "ms":
        return np.rint(numbers * 1000.0).astype(np.int64)
    seconds = numbers / 1000.0 if scale == "ms" else numbers
    gap_s = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    if last >= _MAX_ELAPSED_S * (1000 if scale == "ms" else 1) or (scale is None and gap_s > _MAX_GAP_S):
        raise RecordingError(
            f"{where}: times go up to {last:g}, {gap_s:g} from one frame to the next; it is unclear in which unit",
            hint=f'{_KNOWN}; a name that ends in "_ms" or "_s" tells',
        )
    if start_ms is None:
        raise RecordingError(
            f"{where}: times go up to {last:g}, counted from the recording's start, which is not known", hint=_SAY_START
        )
    return start_ms + np.rint(seconds * 1000.0).astype(np.int64)


def count_times(
    places: NDArray[np.int64], *, where: str, frame_rate_hz: float | None, start_ms: int | None
) -> NDArray[np.int64]:
    """Return when frames were taken that only have a place (N,), from 0, in ms since 1970.

    Raises:
        RecordingError: if the frame rate or the start was not told.
    """
    if frame_rate_hz is None or start_ms is None:
        told = {"--frame-rate HZ": frame_rate_hz, "--start TIME": start_ms}
        missing = [option for option, value in told.items() if value is None]
        raise RecordingError(
            f"{where}: says nothing about when its frames were taken; expected a time for each, or "
            f"{' and '.join(missing)}",
            hint="the start tells recordings of one session from others, so that it cannot be made up",
        )
    timestamps_ms: NDArray[np.int64] = start_ms + np.rint(places * (1000.0 / frame_rate_hz)).astype(np.int64)
    return timestamps_ms


def _parse_zone_ms(zone: str | None) -> int:
    if zone is None or zone[0] not in "+-":
        return 0
    east_ms = (int(zone[1:3]) * 60 + int(zone[-2:])) * 60_000
    return east_ms if zone[0] == "+" else -east_ms


_KNOWN = "known are ms or seconds since 1970, seconds from the start, and ISO 8601"
_SAY_START = "say when it starts: --start TIME, or a line `start: 2025-01-06T09:00:00Z` above a table's rows"
