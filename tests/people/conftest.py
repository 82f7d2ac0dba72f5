from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.people.tracking import PersonTracker, TrackedPerson

Frame = NDArray[np.float32]
#: top, left, bottom, right in pixels, the last two exclusive; deg C above the room.
Warm = tuple[int, int, int, int, float]


class Room:
    """A hand-made room of 24x32 pixels at 22 deg C, and warm rectangles in it."""

    size = (24, 32)
    start_ms = 1_736_154_000_000

    def draw(self, *warm: Warm, room_c: float = 22.0) -> Frame:
        """A frame without noise."""
        frame_c = np.full(self.size, room_c, dtype=np.float32)
        for top, left, bottom, right, contrast_c in warm:
            frame_c[top:bottom, left:right] = room_c + contrast_c
        return frame_c

    def walk(self, first: int, last: int, *others: Warm, top: int = 8, contrast_c: float = 6.0) -> list[Frame]:
        """Somebody of 8x4 pixels who goes a pixel a frame, their left side from one column to another."""
        lefts = range(first, last + 1) if last >= first else range(first, last - 1, -1)
        return [self.draw((top, left, top + 8, left + 4, contrast_c), *others) for left in lefts]

    def film(self, frames_c: Iterable[Frame], *, seed: int = 0) -> Iterator[Frame]:
        """The frames with a sensor's noise of 0.25 deg C."""
        rng = np.random.default_rng(seed)
        for frame_c in frames_c:
            yield frame_c + rng.normal(0.0, 0.25, size=frame_c.shape).astype(np.float32)

    def show(
        self, tracker: PersonTracker, frames_c: Iterable[Frame], *, period_ms: int = 200, seed: int = 0
    ) -> list[tuple[TrackedPerson, ...]]:
        """Show a tracker noisy frames, that long after those before; return who it says is there in each."""
        first = tracker.num_frames
        return [
            tracker.update(frame_c, self.start_ms + (first + number) * period_ms)
            for number, frame_c in enumerate(self.film(frames_c, seed=seed + first))
        ]

    def box(self, top: int, left: int, bottom: int, right: int) -> Box:
        """The box of a rectangle."""
        height, width = self.size
        return Box(
            (left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height
        )


@pytest.fixture(scope="session")
def room() -> Room:
    return Room()
