from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from thermalctl.streams.frames import Frame


@pytest.fixture
def make_frames() -> Callable[..., list[Frame]]:
    """Frames with these arrival times, each full of its number; those named are incomplete."""

    def make(times_ms: list[int], *, first: int = 0, incomplete: tuple[int, ...] = ()) -> list[Frame]:
        return [
            Frame(
                number=number,
                timestamp_ms=time_ms,
                frame_c=np.full((2, 3), number, dtype=np.float32),
                is_incomplete=number in incomplete,
            )
            for number, time_ms in enumerate(times_ms, start=first)
        ]

    return make
