"""Frames that are not what the sensor saw then: frozen or repeated ones; and a scene that drifts or warms up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.recordings.scan import NO_DIGEST

#: Fewer levels show no trend.
MIN_LEVELS = 9
#: A robust slope compares all pairs, so levels are first brought down to so many medians over time.
MAX_LEVELS = 120
#: A scene that rises or falls by less between the ends of a recording is not drifting. Sensors wander: by 0.2 deg C in
#: the real recordings' 84 s, by up to 0.6 in simulated ones. A person stands out by 8.
MIN_SHIFT_C = 1.0
#: A warm-up is over by the middle third of a recording: not more than this share of it is then still to come. Of an
#: even drift, two fifths are.
WARM_UP_REST = 0.25
#: A warm-up is counted until so much of it is left.
WARM_UP_DONE = 0.1


@dataclass(frozen=True, kw_only=True)
class RepeatedFrames:
    """Frames with the content of others of the same recording, to the last bit. A sensor's noise lets none be.

    Attributes:
        num_frozen: frames equal to the frame before.
        longest_freeze: frames in the longest run of equal ones, the first included; 0 where none is frozen.
        freeze_at: the first frame of that run; None where none is frozen.
        num_duplicates: frames that occurred before, but not just before.
    """

    num_frozen: int
    longest_freeze: int
    freeze_at: int | None
    num_duplicates: int


@dataclass(frozen=True, kw_only=True)
class Trend:
    """How the scene's median temperature moves over a recording.

    Attributes:
        drift_c_per_hour: slope after the warm-up, deg C per hour; Theil and Sen's, which a passer-by does not bend.
        shift_c: what that comes to in this recording, deg C.
        warm_up_c: by how much the scene settles in the beginning, deg C; 0 where it does not.
        warm_up_s: how long that takes, seconds; 0 where it does not.
    """

    drift_c_per_hour: float
    shift_c: float
    warm_up_c: float
    warm_up_s: float

    @property
    def is_drifting(self) -> bool:
        """Whether the scene moves far enough to matter."""
        return abs(self.shift_c) >= MIN_SHIFT_C


def find_repeated_frames(digests: NDArray[np.uint64]) -> RepeatedFrames:
    """Return which frames repeat others.

    Args:
        digests: (N,) uint64, from `scan_recordings`; incomplete frames repeat nothing.
    """
    frozen = np.zeros(len(digests), dtype=bool)
    frozen[1:] = (digests[1:] == digests[:-1]) & (digests[1:] != NO_DIGEST)
    starts = np.flatnonzero(~frozen)
    lengths = np.diff(np.append(starts, len(digests)))
    shown = np.sort(digests[starts])
    shown = shown[shown != NO_DIGEST]
    longest = int(lengths.argmax()) if frozen.any() else None
    return RepeatedFrames(
        num_frozen=int(frozen.sum()),
        longest_freeze=0 if longest is None else int(lengths[longest]),
        freeze_at=None if longest is None else int(starts[longest]),
        num_duplicates=int(np.count_nonzero(shown[1:] == shown[:-1])),
    )


def find_trend(times_s: NDArray[np.float64], levels_c: NDArray[np.float32]) -> Trend | None:
    """Return how the scene's temperature moves; None where too little is known.

    Args:
        times_s: (M,) when each level was measured, seconds.
        levels_c: (M,) the scene's median then, deg C.
    """
    if len(times_s) < MIN_LEVELS or times_s.min() == times_s.max():
        return None
    order = np.argsort(times_s, kind="stable")
    each = -(-len(order) // MAX_LEVELS)
    groups = order[: len(order) // each * each].reshape(-1, each)
    times_s, levels_c = np.median(times_s[groups], axis=1), np.median(levels_c[groups], axis=1)
    warm_up_c, settled = _find_warm_up(levels_c)
    slope = _find_slope(times_s[settled:], levels_c[settled:])
    return Trend(
        drift_c_per_hour=3600.0 * slope,
        shift_c=slope * float(times_s[-1] - times_s[settled]),
        warm_up_c=warm_up_c,
        warm_up_s=float(times_s[settled] - times_s[0]),
    )


def _find_slope(times_s: NDArray[np.float64], levels_c: NDArray[np.float32]) -> float:
    """Return the median slope between all pairs of levels, deg C per second; 0 where there is no pair."""
    # scipy.stats.theilslopes also sorts for an interval, which takes 20 times as long.
    first, second = np.triu_indices(len(times_s), 1)
    apart_s = times_s[second] - times_s[first]
    slopes = (levels_c[second] - levels_c[first])[apart_s > 0] / apart_s[apart_s > 0]
    return float(np.median(slopes)) if slopes.size else 0.0


def _find_warm_up(levels_c: NDArray[np.float32]) -> tuple[float, int]:
    """Return by how much the levels (M,) settle in the beginning, and the first that has settled; 0, 0 if none does."""
    third = len(levels_c) // 3
    begin_c = float(np.median(levels_c[: max(1, third // 6)]))
    middle_c, end_c = float(np.median(levels_c[third:-third])), float(np.median(levels_c[-third:]))
    rise_c = end_c - begin_c
    if abs(rise_c) < MIN_SHIFT_C or abs(end_c - middle_c) > WARM_UP_REST * abs(rise_c):
        return 0.0, 0
    return rise_c, int(np.argmax(np.abs(end_c - levels_c) <= WARM_UP_DONE * abs(rise_c)))
