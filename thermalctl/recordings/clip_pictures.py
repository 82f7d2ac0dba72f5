"""Mean pictures of clips, small enough that those of thousands of clips can be held and compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: A mean picture has at most so many cells each way; at 40x60 a cell is 4x4 pixels, about as wide as someone is.
PICTURE_CELLS = 16


class ClipPictures:
    """Mean pictures of clips that overlap at will, while each frame is added up once.

    What is kept is the running sum wherever a clip starts or stops; a clip's sum is the difference of two of them.

    Args:
        frame_size: (height, width) in pixels.
        clips: (K, 2) int, each clip's first frame and the one after its last.
    """

    def __init__(self, frame_size: tuple[int, int], clips: NDArray[np.intp]) -> None:
        self._clips = clips
        self._cell = -(-max(frame_size) // PICTURE_CELLS)
        self.size = (frame_size[0] // self._cell, frame_size[1] // self._cell)
        self._marks = np.unique(clips)
        self._sums = np.zeros((len(self._marks), *self.size))
        self._counts = np.zeros(len(self._marks), dtype=np.int64)
        self._sum = np.zeros(self.size)
        self._count = 0
        self._num_passed = 0

    def find_marks(self, start: int, stop: int) -> list[int]:
        """Return the frames from `start` to `stop` before which a clip starts or stops, increasing."""
        low, high = np.searchsorted(self._marks, (start, stop))
        marks: list[int] = self._marks[low:high].tolist()
        return marks

    def mark(self) -> None:
        """Note that the next mark is reached: what was added so far lies before it."""
        self._sums[self._num_passed] = self._sum
        self._counts[self._num_passed] = self._count
        self._num_passed += 1

    def add(self, pixel_sums_c: NDArray[np.float32], num_frames: int) -> None:
        """Add so many complete frames, summed by pixel (H, W)."""
        height, width = self.size
        cells = pixel_sums_c[: height * self._cell, : width * self._cell]  # at most a cell's width is cut off
        self._sum += cells.reshape(height, self._cell, width, self._cell).sum(axis=(1, 3), dtype=np.float64)
        self._count += num_frames

    def finish(self) -> NDArray[np.float32]:
        """Return the mean pictures (K, h, w) in deg C; NaN for a clip without a complete frame."""
        while self._num_passed < len(self._marks):
            self.mark()
        first, stop = np.searchsorted(self._marks, self._clips.T)
        counts = (self._counts[stop] - self._counts[first]) * self._cell**2
        sums_c = self._sums[stop] - self._sums[first]
        sums_c[counts == 0] = np.nan
        pictures: NDArray[np.float32] = (sums_c / np.maximum(counts, 1)[:, None, None]).astype(np.float32)
        return pictures
