"""Signs of life: what tells a person who lies still from a radiator, and from the warm mat that they have left."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.people.association import measure_step
from thermalctl.people.blobs import Detection, draw_places

#: A pixel has changed by this, deg C, eight times the noise that averaging leaves; of something hot by this share.
_CHANGE_C, _CHANGE_SHARE = 0.8, 0.2
#: Somebody has stirred when this share of their pixels has changed.
_STIRRED_SHARE = 0.1
#: Somebody has walked who was elsewhere so long ago, s, by so much of their longer side. The sun's patch is slower.
_WALK_S, _WALK_STEP = 4.0, 0.5
#: Only what has been apart from others for so long, s, can be said to have stirred itself: the average has then
#: forgotten them.
_SETTLING_S = 2.0
#: Merely warming or cooling by no more than this factor is no change: it is taken out.
_MOST_GAIN = 2.0


class Liveliness:
    """What one warm thing has shown of life.

    Attributes:
        has_walked: it once went elsewhere. Radiators do not.
        is_alive: it has stirred or walked, apart from all others, since it was last in doubt which of two it is.
        last_stirred_s: when it last changed its shape or its place.
    """

    def __init__(self, detection: Detection, smooth_c: NDArray[np.float32], now_s: float) -> None:
        """Begin as it was first seen, with the average of the frames so far (H, W)."""
        self.has_walked = False
        self.is_alive = False
        self.last_stirred_s = now_s
        self._reference, self._reference_c = detection, smooth_c
        self._last_near_s, self._was_settled = now_s, False
        self._way: deque[tuple[float, Box]] = deque()

    def watch(
        self,
        detection: Detection,
        smooth_c: NDArray[np.float32],
        now_s: float,
        *,
        is_apart: bool,
        was_seen: bool,
    ) -> None:
        """Take in how it is seen in the next frame.

        Args:
            detection: as what.
            smooth_c: (H, W) average of the frames so far, warmth above the room's; a new array each time.
            now_s: when.
            is_apart: whether nothing else is near. Two that touch change each other's shape, and their middle is
                elsewhere: neither is life.
            was_seen: in the frame before as well. Who was hidden may have been moved by whoever hid them.
        """
        if is_apart:
            self._follow_way(detection.box, smooth_c.shape, now_s)
        else:
            self._be_near(now_s)
        is_settled = now_s - self._last_near_s >= _SETTLING_S
        if not was_seen or (is_settled and not self._was_settled):
            self._reference, self._reference_c = detection, smooth_c
        elif self._has_changed(detection, smooth_c):
            self._reference, self._reference_c = detection, smooth_c
            self.last_stirred_s = now_s
            self.is_alive |= is_settled
        self._was_settled = is_settled

    def doubt(self, now_s: float) -> None:
        """Something parted from it, and may be what was alive of the two: begin anew."""
        self.is_alive = False
        self._be_near(now_s)

    def _follow_way(self, box: Box, frame_size: tuple[int, ...], now_s: float) -> None:
        self._way.append((now_s, box))
        while self._way[0][0] < now_s - _WALK_S:
            self._way.popleft()
        if measure_step(self._way[0][1], box, frame_size) > _WALK_STEP:
            self.has_walked = self.is_alive = True

    def _be_near(self, now_s: float) -> None:
        self._last_near_s, self._was_settled = now_s, False
        self._way.clear()

    def _has_changed(self, detection: Detection, smooth_c: NDArray[np.float32]) -> bool:
        place = draw_places([detection, self._reference], smooth_c.shape, with_margin=False)
        now_c, before_c = smooth_c[place], self._reference_c[place]
        gain = np.clip(now_c.mean() / max(float(before_c.mean()), _CHANGE_C), 1 / _MOST_GAIN, _MOST_GAIN)
        least_change_c = max(_CHANGE_C, _CHANGE_SHARE * detection.contrast_c)
        return bool(np.mean(np.abs(now_c - gain * before_c) > least_change_c) > _STIRRED_SHARE)
