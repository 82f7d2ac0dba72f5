from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

Scene = NDArray[np.float32]


@pytest.fixture(scope="session")
def make_scene() -> Callable[..., Scene]:
    """Frames (N, H, W) of a room at about 22 deg C with somebody of 30 in it, in steps of 0.1; no two pixels agree."""

    def make(num_frames: int = 5, frame_size: tuple[int, int] = (8, 8)) -> Scene:
        height, width = frame_size
        frames_c = np.random.default_rng(4).normal(22.0, 0.4, (num_frames, height, width))
        for frame in range(num_frames):
            frames_c[frame, height // 4 : height // 2, 1 : 1 + width // 3] += 8.0 + 0.1 * frame
        return np.round(frames_c, 1).astype(np.float32)

    return make
