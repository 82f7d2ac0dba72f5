"""How many people keyframes show, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.dataset.samples import Sample


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median and 5th and 95th percentile of something."""

    p5: float
    median: float
    p95: float


@dataclass(frozen=True, kw_only=True)
class PeopleStatistics:
    """How many people keyframes show, and how large they are.

    Attributes:
        keyframes_by_people: how many keyframes show 0, 1, 2, ... people; all splits together.
        box_width_px: widths of people's boxes, pixels of the recording.
        box_height_px: their heights.
        box_area_px: their areas.
    """

    keyframes_by_people: tuple[int, ...]
    box_width_px: Spread
    box_height_px: Spread
    box_area_px: Spread


def summarise_people(samples: Sequence[Sample], frame_size: tuple[int, int]) -> PeopleStatistics:
    """Return how many people keyframes show, and how large they are.

    Args:
        samples: whole keyframes, at least one.
        frame_size: (height, width) in pixels.
    """
    height, width = frame_size
    boxes = np.array([(box.w * width, box.h * height) for sample in samples for box in sample.boxes])
    counts = np.bincount([len(sample.boxes) for sample in samples])
    return PeopleStatistics(
        keyframes_by_people=tuple(counts.tolist()),
        box_width_px=_measure_spread(boxes[:, 0]),
        box_height_px=_measure_spread(boxes[:, 1]),
        box_area_px=_measure_spread(boxes.prod(axis=1)),
    )


def _measure_spread(values: NDArray[np.float64]) -> Spread:
    p5, median, p95 = (float(value) for value in np.percentile(values, (5, 50, 95)))
    return Spread(p5=p5, median=median, p95=p95)
