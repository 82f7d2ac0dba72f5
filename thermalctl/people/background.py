"""What the room looks like with nobody in it, learnt frame by frame while people are there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

#: Side of the window whose median is the background of a first frame, as a share of the frame's shorter side. Someone
#: lying in the real recordings takes 17 x 8 of its 17 x 17 pixels, less than the half that a median withstands.
_WINDOW_SHARE = 0.42
#: How fast what is warmer than the background becomes part of it, where nobody is, s: slow against somebody who goes
#: unnoticed for some frames, fast against the sun.
_WARMING_S = 120.0
#: And at first, while it is little more than one frame with that frame's noise, s.
_FIRST_WARMING_S = 10.0
#: How fast what is colder becomes part of it, s. A person only makes a place warmer, so the background was wrong there:
#: somebody lay there in the first frame, and has left.
_COOLING_S = 2.0
#: Colder than the background by this is no noise, which has a standard deviation of 0.25 deg C in the real recordings.
_COLDER_C = 1.0
#: A pixel's noise is told by the median of its change from frame to frame, which a person who comes and goes does not
#: sway. The median is approached in steps of this share, from the noise of the real sensor's pixels, deg C.
_NOISE_STEP, _FIRST_NOISE_C = 0.05, 0.25
#: Standard deviation of normal noise over the median of such changes, 1 / (0.6745 sqrt(2)).
_NOISE_BY_CHANGE = 1.0483
#: More time than this does not count between two frames, s: an interruption teaches nothing.
MAX_STEP_S = 1.0


def estimate_background(frame_c: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what one frame would look like without its people, (H, W) float32: the median of the surroundings.

    Nowhere is it colder than the frame's median, so that a chair on a cold floor is not warm. The frame is mirrored at
    its edges: that doubles the warm rim that a wide lens shows, and so keeps the rim in the background.
    """
    side = max(5, round(_WINDOW_SHARE * min(frame_c.shape)) | 1)
    around_c: NDArray[np.float32] = median_filter(frame_c, size=side, mode="reflect")
    return np.maximum(around_c, np.median(frame_c))


class RoomBackground:
    """The empty room as this sensor sees it, up to an offset of the whole frame.

    The offset is found anew in each frame, as the median of the differences: sensors drift, and jump by a degree when
    their shutter calibrates them.
    """

    def __init__(self, frame_c: NDArray[np.float32], people: NDArray[np.bool_]) -> None:
        """Begin with a frame (H, W), and with its surroundings where people (H, W) are."""
        self._room_c: NDArray[np.float32] = np.where(people, estimate_background(frame_c), frame_c)
        self._learnt_s = np.zeros(frame_c.shape, dtype=np.float32)
        self._last_excess_c: NDArray[np.float32] | None = None
        self._change_c = np.full(frame_c.shape, _FIRST_NOISE_C / _NOISE_BY_CHANGE, dtype=np.float32)

    @property
    def noise_c(self) -> NDArray[np.float32]:
        """The standard deviation of each pixel, (H, W) float32; large in corners that the lens leaves dark."""
        return self._change_c * np.float32(_NOISE_BY_CHANGE)

    def measure_excess(self, frame_c: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how much warmer a frame is than the empty room, (H, W) float32, deg C."""
        difference_c: NDArray[np.float32] = frame_c - self._room_c
        return difference_c - np.median(difference_c)

    def learn(self, excess_c: NDArray[np.float32], people: NDArray[np.bool_], elapsed_s: float) -> None:
        """Take over what has changed in the room.

        Args:
            excess_c: (H, W), from `measure_excess`.
            people: (H, W) where somebody is: no warmth is learnt there, however long they lie still.
            elapsed_s: since the frame before.
        """
        if self._last_excess_c is not None:
            has_changed_more = np.abs(excess_c - self._last_excess_c) > self._change_c
            self._change_c *= np.where(has_changed_more, 1 + _NOISE_STEP, 1 / (1 + _NOISE_STEP)).astype(np.float32)
        self._last_excess_c = excess_c
        step_s = np.float32(min(max(elapsed_s, 0.0), MAX_STEP_S))
        is_colder = excess_c < -_COLDER_C
        is_room = is_colder | ~people
        self._learnt_s[is_room] += step_s
        memory_s = np.where(is_colder, _COOLING_S, np.clip(self._learnt_s, _FIRST_WARMING_S, _WARMING_S))
        share = np.where(is_room, step_s / memory_s, 0)
        self._room_c += share.astype(np.float32) * excess_c

    def take_over(self, excess_c: NDArray[np.float32], place: NDArray[np.bool_]) -> None:
        """Make all that is at `place` (H, W) part of the room at once."""
        self._room_c[place] += excess_c[place]
