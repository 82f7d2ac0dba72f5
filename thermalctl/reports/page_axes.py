"""Axes of a page's charts: where values and times lie on a track, and what is written along it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

#: Length of a track in its own units.
TRACK_WIDTH = 1000
#: Recordings share one axis of time unless the longest lasts so many times as long as the shortest.
MAX_DURATION_RATIO = 4.0

_TICKS = 5
#: Arrival times come in whole ms, so a logarithmic axis begins there.
_LEAST_LOG = 1.0
#: Units of time by the seconds from which they are used.
_TIME_UNITS = ((3 * 3600.0, 3600.0, "h"), (600.0, 60.0, "min"), (0.0, 1.0, "s"))


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A value written on an axis, `percent` of the way along it."""

    percent: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Where values lie on a track.

    Attributes:
        low: value at the left end.
        high: value at the right end.
        values: those that are written on it.
        unit: of the values.
        is_log: whether equal ratios are equally far apart.
    """

    low: float
    high: float
    values: tuple[float, ...]
    unit: str
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, 0 to `TRACK_WIDTH`; one beyond an end at that end."""
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = (math.log(max(number, _LEAST_LOG)) for number in (value, low, high))
        return TRACK_WIDTH * min(1.0, max(0.0, (value - low) / (high - low)))

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """What is written on it."""
        return tuple(
            Tick(percent=round(100 * self.place(value) / TRACK_WIDTH, 2), text=f"{value:,g}") for value in self.values
        )


def make_axis(values: Iterable[float], unit: str, *, from_zero: bool = False) -> Axis:
    """Return an axis between round numbers that holds all values."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    low = min(0.0, low) if from_zero else low
    if low == high:
        high = low + 1.0
    found = MaxNLocator(nbins=_TICKS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    ticks = [float(f"{tick:.9g}") for tick in found]  # 0.30000000000000004 is meant to be 0.3
    return Axis(low=ticks[0], high=ticks[-1], values=tuple(ticks), unit=unit)


def make_log_axis(values: Iterable[float], unit: str) -> Axis:
    """Return a logarithmic axis between 1s and 3s that holds all values; what is below 1 lies at its left end."""
    known = [max(value, _LEAST_LOG) for value in values if math.isfinite(value)]
    lowest, highest = min(known, default=1.0), max(known, default=10.0)
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 2)
    steps = [step * 10.0**decade for decade in decades for step in (1, 3)]
    low = max(step for step in steps if step <= lowest)
    high = min(step for step in steps if step >= highest and step > low)
    return Axis(low=low, high=high, values=tuple(step for step in steps if low <= step <= high), unit=unit, is_log=True)


@dataclass(frozen=True, kw_only=True)
class TimeAxes:
    """Where the seconds since their first frame lie on recordings' tracks.

    Attributes:
        axis: written above the tracks: one for all, or shares of each where their lengths differ too much.
        unit_s: seconds in a unit of it.
        own: each recording's axis.
    """

    axis: Axis
    unit_s: float
    own: Mapping[str, Axis]

    def place(self, recording: str, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where times, seconds, lie on a recording's track, 0 to `TRACK_WIDTH`; the shape of `times_s`."""
        axis = self.own[recording]
        shares: NDArray[np.float64] = (times_s / self.unit_s - axis.low) / (axis.high - axis.low)
        return TRACK_WIDTH * np.clip(shares, 0.0, 1.0)


def make_time_axes(durations_s: Mapping[str, float]) -> TimeAxes:
    """Return axes of time for recordings of such lengths, seconds."""
    longest, shortest = max(durations_s.values(), default=0.0), min(durations_s.values(), default=0.0)
    unit_s, unit = next((unit_s, unit) for least_s, unit_s, unit in _TIME_UNITS if longest >= least_s)
    if longest <= MAX_DURATION_RATIO * shortest:
        axis = make_axis([longest / unit_s], unit, from_zero=True)
        return TimeAxes(axis=axis, unit_s=unit_s, own=dict.fromkeys(durations_s, axis))
    own = {name: Axis(low=0.0, high=length_s or 1.0, values=(), unit="s") for name, length_s in durations_s.items()}
    shares = Axis(low=0.0, high=100.0, values=(0.0, 25.0, 50.0, 75.0, 100.0), unit="% of each")
    return TimeAxes(axis=shares, unit_s=1.0, own=own)
