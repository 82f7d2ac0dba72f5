"""How unevenly frames arrive: gaps, bursts, and stamps that are out of order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A gap over so many medians: what was seen then is missing. A sensor that only queues comes to 3.5 in the real
#: recordings, one with a bad link to 70.
LONG_GAP_TIMES = 10.0
#: A frame arrives in a burst if the gap before it is under this share of the median.
BURST_SHARE = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """How unevenly a recording's frames arrive.

    Attributes:
        longest_gap_ms: the longest time without a frame.
        longest_gap_at: the frame that ended it.
        num_long_gaps: gaps over `LONG_GAP_TIMES` medians.
        share_in_bursts: share of gaps under a third of the median, 0 to 1.
        num_backwards: frames stamped before the frame before them.
        num_simultaneous: frames stamped as the frame before them.
    """

    longest_gap_ms: float
    longest_gap_at: int
    num_long_gaps: int
    share_in_bursts: float
    num_backwards: int
    num_simultaneous: int


def summarise_arrival(timestamps_ms: NDArray[np.int64]) -> Arrival | None:
    """Return how unevenly frames arrive; None for fewer than two.

    Args:
        timestamps_ms: (N,) int64, arrival times in ms, in the order of the recording.
    """
    if len(timestamps_ms) < 2:
        return None
    gaps_ms = np.diff(timestamps_ms)
    median_ms = float(np.median(gaps_ms))
    return Arrival(
        longest_gap_ms=float(gaps_ms.max()),
        longest_gap_at=1 + int(gaps_ms.argmax()),
        num_long_gaps=int(np.count_nonzero(gaps_ms > LONG_GAP_TIMES * median_ms)) if median_ms > 0 else 0,
        share_in_bursts=float(np.mean(gaps_ms < BURST_SHARE * median_ms)),
        num_backwards=int(np.count_nonzero(gaps_ms < 0)),
        num_simultaneous=int(np.count_nonzero(gaps_ms == 0)),
    )
