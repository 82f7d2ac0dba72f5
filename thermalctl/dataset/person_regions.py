"""The square around a person that a model of people looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def find_person_regions(boxes: NDArray[np.floating], frame_size: tuple[int, ...], margin: float) -> NDArray[np.float32]:
    """Return the squares around boxes, in the shape of `boxes`: x, y, width, height in pixels.

    The square goes with the person, and its side stays: `margin` times the longest side of any box of the clip. In a
    picture whose scale changed from frame to frame a person who lies down would not grow longer, and the room would
    seem to move. A square may reach beyond the frame.

    Args:
        boxes: (N, 4) centre x, centre y, width, height in 0..1, or (N, T, 4) where they move.
        frame_size: (H, W) in pixels.
        margin: `ClipSpec.person_margin`.
    """
    height, width = frame_size
    scaled = np.asarray(boxes, dtype=np.float64) * [width, height, width, height]
    sides = np.empty_like(scaled[..., 2:])
    sides.T[:] = margin * scaled[..., 2:].reshape(len(scaled), -1).max(axis=1)
    return np.concatenate([scaled[..., :2] - sides / 2, sides], axis=-1).astype(np.float32)
