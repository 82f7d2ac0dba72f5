from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from thermalctl.clip_spec import ClipSpec


class FakeModel:
    """Answers class 1 as surely as the clip's last frame is warm: its mean over 100 deg C; counts its batches."""

    def __init__(self, spec: ClipSpec, frame_size: tuple[int, int] | None = None) -> None:
        self.path = Path("fake.onnx")
        self.sha256 = "0" * 64
        self.classes = spec.classes
        self.clip_spec = spec
        self.frame_size = frame_size
        self.runs_on = "nothing"
        self.trained_frames: frozenset[int] | None = None
        self.batches: list[int] = []
        self.boxes: list[NDArray[np.floating] | None] = []

    def predict(self, clips: NDArray[np.floating], boxes: NDArray[np.floating] | None = None) -> NDArray[np.float32]:
        self.batches.append(len(clips))
        self.boxes.append(boxes)
        share = clips[:, -1].mean(axis=(1, 2)) / 100
        return np.stack([1 - share, share], axis=1).astype(np.float32)


@pytest.fixture
def make_model() -> Callable[..., FakeModel]:
    """A model of clips of 4 frames with two classes, "low" and "high"."""

    def make(*, frame_size: tuple[int, int] | None = None, **spec: object) -> FakeModel:
        values = {"classes": ("low", "high"), "num_frames": 4} | spec
        return FakeModel(ClipSpec(**values), frame_size)  # type: ignore[arg-type]

    return make
