"""When frames arrived: the gaps between them, and how long a clip of so many frames lasts.

The stamps are arrival times. The sensor measures at an even pace, the link delivers in bursts, so that 64 consecutive
frames of one recording span anything between 9 and 15 seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError


@dataclass(frozen=True, kw_only=True)
class ClipSpan:
    """How long a clip of consecutive frames lasts, in seconds from its first frame's arrival to its last one's."""

    median_s: float
    min_s: float
    max_s: float


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When a recording's frames arrived.

    Attributes:
        num_frames: N.
        median_gap_ms: median time between neighbouring frames.
        gap_p5_ms: 5th percentile of it.
        gap_p95_ms: 95th percentile of it.
        largest_gap_ms: the longest time without a frame.
        num_out_of_order: how many frames are stamped no later than the frame before: out of order, or duplicates.
        frame_rate_hz: 1000 / `median_gap_ms`; the pace inside a burst, where frames arrive in bursts. 0 where the
            median gap is not positive.
        window_frames: how many consecutive frames `clip_span` is about.
        clip_span: how long they last; None where the recording has fewer.
    """

    num_frames: int
    median_gap_ms: float
    gap_p5_ms: float
    gap_p95_ms: float
    largest_gap_ms: float
    num_out_of_order: int
    frame_rate_hz: float
    window_frames: int
    clip_span: ClipSpan | None


def summarise_timing(timestamps_ms: NDArray[np.int64], *, window_frames: int) -> Timing:
    """Return when a recording's frames arrived, and how long its clips last.

    Args:
        timestamps_ms: (N,) int, arrival times in ms.
        window_frames: frames in a clip, at least 1.

    Raises:
        RecordingError: if there are fewer than two frames, and so no gap between any.
    """
    if len(timestamps_ms) < 2:
        raise RecordingError(
            f"{len(timestamps_ms)} timestamps, expected at least 2: one frame has no pace",
            hint="leave this recording out, or record it again",
        )
    gaps_ms = np.diff(timestamps_ms)
    p5, median, p95 = (float(value) for value in np.percentile(gaps_ms, (5, 50, 95)))
    return Timing(
        num_frames=len(timestamps_ms),
        median_gap_ms=median,
        gap_p5_ms=p5,
        gap_p95_ms=p95,
        largest_gap_ms=float(gaps_ms.max()),
        num_out_of_order=int(np.count_nonzero(gaps_ms <= 0)),
        frame_rate_hz=1000.0 / median if median > 0 else 0.0,
        window_frames=window_frames,
        clip_span=_find_clip_span(timestamps_ms, window_frames),
    )


def _find_clip_span(timestamps_ms: NDArray[np.int64], window_frames: int) -> ClipSpan | None:
    num_clips = len(timestamps_ms) - window_frames + 1
    if num_clips < 1:
        return None
    spans_s = (timestamps_ms[window_frames - 1 :] - timestamps_ms[:num_clips]) / 1000.0
    return ClipSpan(median_s=float(np.median(spans_s)), min_s=float(spans_s.min()), max_s=float(spans_s.max()))
