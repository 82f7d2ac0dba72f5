"""Which of the warm things in a frame is which of those that were there a moment ago."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from thermalctl.annotations.coco import Box
from thermalctl.dataset.person_tracks import MAX_SPEED
from thermalctl.people.blobs import Detection, count_least_pixels, draw_places, find_margin, outline

#: How far from where they were somebody may be, in their box's longer sides: at once, since frames of a burst are
#: stamped closer together than they were measured; and at most, however long nobody saw them.
_LEAST_REACH, _MOST_REACH = 0.5, 1.5
#: What twice or half the heat costs, beside a distance of one side and an overlap wholly lost, which cost 1. With less,
#: a person's number stays with the warm mat that they put down.
_HEAT_COST = 0.5
#: Whoever is left with less than this share of their former pixels is hidden by the other.
_LEAST_PART = 0.25
#: Larger than every possible cost.
_IMPOSSIBLE = 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class Sighting:
    """How something warm was last seen, and how long ago, s."""

    detection: Detection
    elapsed_s: float


def split_shared(
    detections: Sequence[Detection], people: Sequence[Detection], excess_c: NDArray[np.float32]
) -> list[Detection]:
    """Return the detections with each that several people have become divided among them.

    Two people who touch are one blob. Each of its pixels goes to the person whose last pixels it is nearest to.

    Args:
        detections: of this frame.
        people: who was seen apart before, as they were last seen.
        excess_c: (H, W), of this frame.
    """
    if not detections or len(people) < 2:
        return list(detections)
    away_px = [_measure_distance(person, excess_c.shape) for person in people]
    owners = [_find_largest_overlap(detections, away, find_margin(excess_c.shape)) for away in away_px]
    apart: list[Detection] = []
    for number, detection in enumerate(detections):
        sharing = [person for person, owner in enumerate(owners) if owner == number]
        if len(sharing) < 2:
            apart.append(detection)
            continue
        nearest = np.argmin([away_px[person][tuple(detection.pixels.T)] for person in sharing], axis=0)
        for place, person in enumerate(sharing):
            pixels = detection.pixels[nearest == place]
            if len(pixels) >= max(count_least_pixels(excess_c.shape), _LEAST_PART * len(people[person].pixels)):
                apart.append(outline(pixels, excess_c))
    return apart


def associate(
    detections: Sequence[Detection], sightings: Sequence[Sighting], frame_size: tuple[int, ...]
) -> dict[int, int]:
    """Return by index of a sighting the index of the detection that it has become; what is not seen is left out.

    The pairs are those of the least total cost: distance, overlap lost and change of heat.
    """
    if not detections or not sightings:
        return {}
    costs = np.array([[_find_cost(seen, detection, frame_size) for detection in detections] for seen in sightings])
    pairs = zip(*linear_sum_assignment(costs), strict=True)
    return {int(row): int(column) for row, column in pairs if costs[row, column] < _IMPOSSIBLE}


def measure_step(first: Box, second: Box, frame_size: tuple[int, ...]) -> float:
    """Return how far one box's centre is from another's, in the mean of their longer sides."""
    height, width = frame_size
    distance = np.hypot((first.cx - second.cx) * width, (first.cy - second.cy) * height)
    side = (max(first.w * width, first.h * height) + max(second.w * width, second.h * height)) / 2
    return float(distance / side)


def measure_gap(first: Box, second: Box, frame_size: tuple[int, ...]) -> float:
    """Return how many pixels there are between two boxes, along x or y, whichever are more; below 0 if they overlap."""
    height, width = frame_size
    across = (abs(first.cx - second.cx) - (first.w + second.w) / 2) * width
    down = (abs(first.cy - second.cy) - (first.h + second.h) / 2) * height
    return max(across, down)


def _find_cost(seen: Sighting, detection: Detection, frame_size: tuple[int, ...]) -> float:
    before = seen.detection
    step = measure_step(before.box, detection.box, frame_size)
    if step > min(_LEAST_REACH + MAX_SPEED * seen.elapsed_s, _MOST_REACH):
        return _IMPOSSIBLE
    doublings = abs(float(np.log2(detection.heat / before.heat)))
    return step + 1 - _measure_overlap(before.box, detection.box) + _HEAT_COST * doublings


def _measure_overlap(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes, 0..1."""
    across = min(first.cx + first.w / 2, second.cx + second.w / 2) - max(
        first.cx - first.w / 2, second.cx - second.w / 2
    )
    down = min(first.cy + first.h / 2, second.cy + second.h / 2) - max(first.cy - first.h / 2, second.cy - second.h / 2)
    shared = max(across, 0.0) * max(down, 0.0)
    return shared / (first.w * first.h + second.w * second.h - shared)


def _measure_distance(person: Detection, frame_size: tuple[int, ...]) -> NDArray[np.float64]:
    """Return how far each pixel of a frame is from those where somebody was, (H, W), pixels."""
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(
        ~draw_places([person], frame_size, with_margin=False)
    )
    return distance


def _find_largest_overlap(detections: Sequence[Detection], away_px: NDArray[np.float64], margin_px: int) -> int | None:
    """Return the detection with the most pixels where somebody was, or no further off than the margin; None if none."""
    overlaps = [np.count_nonzero(away_px[tuple(detection.pixels.T)] <= margin_px) for detection in detections]
    return int(np.argmax(overlaps)) if max(overlaps) > 0 else None
