"""The square around a person that a model of people looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thermalctl.clip_spec import ClipSpec


def find_person_regions(
    boxes: NDArray[np.floating], frame_size: tuple[int, ...], spec: ClipSpec
) -> NDArray[np.float32]:
    """Return the squares around boxes, in the shape of `boxes`: x, y, width, height in pixels.

    The square goes with the person, and its side stays: `spec.person_margin` times the longest side of any box of the
    clip, and at least `spec.person_min_px`. In a picture whose scale changed from frame to frame a person who lies down
    would not grow longer, and the room would seem to move. A square may reach beyond the frame.

    Args:
        boxes: (N, 4) centre x, centre y, width, height in 0..1, or (N, T, 4) where they move.
        frame_size: (H, W) in pixels.
        spec: how wide to look.
    """
    height, width = frame_size
    scaled = np.asarray(boxes, dtype=np.float64) * [width, height, width, height]
    sides = np.empty_like(scaled[..., 2:])
    longest = scaled[..., 2:].reshape(len(scaled), -1).max(axis=1)
    sides.T[:] = np.maximum(spec.person_margin * longest, spec.person_min_px)
    return np.concatenate([scaled[..., :2] - sides / 2, sides], axis=-1).astype(np.float32)
