"""Incomplete frames: which they are, and the one rule that repairs them.

When a packet is lost, the sensor's driver shifts the rows that did arrive upwards and fills the tail of the frame with
0 K. Nothing in such a frame can be trusted to be at its place, so the whole frame counts as lost. The device
preprocessor applies the same rule with torch operations; a test holds the two together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError

#: A pixel below this is no temperature, deg C. 0 K reads as -273.2 in float32, so compare with a bound, not a value.
INCOMPLETE_BELOW_C = -50.0


def find_incomplete_frames(frames_c: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which frames are incomplete, (N,) bool.

    Args:
        frames_c: (N, H, W) float32, deg C. A frame with a pixel that is not a number is incomplete too.
    """
    coldest_c = frames_c.min(axis=(1, 2), initial=np.inf)
    incomplete: NDArray[np.bool_] = ~(coldest_c >= INCOMPLETE_BELOW_C)  # true for NaN, which no comparison holds for
    return incomplete


def find_nearest_complete(incomplete: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return for each frame the index of the nearest complete frame, (N,) int; of two equally near, the earlier.

    Args:
        incomplete: (N,) bool, from `find_incomplete_frames`.

    Raises:
        RecordingError: if no frame is complete.
    """
    complete = np.flatnonzero(~incomplete)
    if complete.size == 0:
        raise RecordingError(
            f"none of {len(incomplete)} frames is complete",
            hint=f"every frame holds a pixel below {INCOMPLETE_BELOW_C:g} deg C; check the sensor's connection",
        )
    frames = np.arange(len(incomplete))
    place = np.searchsorted(complete, frames)
    before = complete[np.maximum(place - 1, 0)]
    after = complete[np.minimum(place, len(complete) - 1)]
    nearest: NDArray[np.intp] = np.where(np.abs(frames - before) <= np.abs(after - frames), before, after)
    return nearest


def repair_incomplete_frames(frames_c: NDArray[np.float32], incomplete: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the frames with each incomplete one replaced by the nearest complete one.

    Args:
        frames_c: (N, H, W) float32, deg C.
        incomplete: (N,) bool, from `find_incomplete_frames`.

    Raises:
        RecordingError: if no frame is complete.
    """
    return frames_c[find_nearest_complete(incomplete)]
