"""Where one person has been seen, for as long as anyone may ask."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.dataset.person_tracks import PersonTrack


class BoxHistory:
    """A person's boxes by the number of the frame in which they were seen."""

    def __init__(self) -> None:
        self._frames: list[int] = []
        self._boxes: list[Box] = []

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def last_frame(self) -> int:
        """The last frame in which the person was seen."""
        return self._frames[-1]

    def append(self, frame: int, box: Box) -> None:
        """Add a sighting, later than all before."""
        self._frames.append(frame)
        self._boxes.append(box)

    def forget_before(self, frame: int) -> None:
        """Drop all sightings before a frame but the last, which tells where the person comes from."""
        first = max(0, bisect_left(self._frames, frame) - 1)
        del self._frames[:first], self._boxes[:first]

    def is_seen_between(self, first: int, last: int) -> bool:
        """Return whether there is a sighting from one frame to another, both included."""
        place = bisect_left(self._frames, first)
        return place < len(self._frames) and self._frames[place] <= last

    def measure_presence(self, frames: NDArray[np.integer]) -> float:
        """Return the share of these frames (T,) from the first sighting to the last."""
        return float(np.mean((frames >= self._frames[0]) & (frames <= self._frames[-1])))

    def to_track(self) -> PersonTrack:
        """Return the sightings as a track: straight between two, and as at the ends outside them."""
        return PersonTrack(
            keyframes=np.array(self._frames, dtype=np.intp), boxes=np.array(self._boxes, dtype=np.float64)
        )
