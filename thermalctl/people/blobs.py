"""Warm blobs: connected pixels that are warmer than the empty room, and of a person's size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from thermalctl.annotations.coco import Box

#: A pixel within this many standard deviations of its own noise is not warm. Sensors' corners are noisy.
_LEAST_EXCESS_NOISE = 4.0
#: How warm somebody is, is told by this percentile of their pixels: higher ones are a hot cup's, lower ones a blurred
#: edge's.
_CONTRAST_PERCENTILE = 90.0
#: Of the frame's area: somebody whom the frame's edge cuts off, and somebody right under a low ceiling's sensor. In the
#: real recordings boxes take 1.2 to 9.6 %, two thirds of it warm; a kettle takes 0.4 %.
_LEAST_AREA, _MOST_AREA = 0.005, 0.25
#: And no fewer pixels than this, whatever the frame's size: single ones go wrong.
_LEAST_PIXELS = 3
#: Of the frame's shorter side: people's glow reaches no further, nor their next step.
_MARGIN_SHARE = 0.05
_NEIGHBOURS = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True, kw_only=True)
class WarmthSettings:
    """What counts as somebody's warmth. The choice of each is measured in docs/people.md.

    Attributes:
        contrast_c: how much warmer than the room somebody is at least who was not there before, deg C. Half of it will
            do for somebody who was. People of the real recordings are 3.5 to 8 deg C warmer, what they leave on a bed
            is 1 to 3. A sensor high up or with a blurred lens may need less.
        outline_share: people end where the warmth has fallen to this share of their own. It leaves out warmth that
            somebody left behind, and the glow around them.
        least_excess_c: a pixel less warmer than the room than this is nobody's, deg C.
    """

    contrast_c: float = 3.0
    outline_share: float = 0.4
    least_excess_c: float = 1.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """Something warm of a person's size.

    Attributes:
        box: the smallest box around its pixels.
        contrast_c: how much warmer than the empty room it is, deg C.
        pixels: (n, 2) int, its rows and columns.
    """

    box: Box
    contrast_c: float
    pixels: NDArray[np.intp]

    @property
    def heat(self) -> float:
        """Contrast times number of pixels: what a person keeps of themselves while they move and turn."""
        return self.contrast_c * len(self.pixels)


def find_warm_blobs(
    excess_c: NDArray[np.float32], noise_c: NDArray[np.float32] | float, settings: WarmthSettings
) -> list[Detection]:
    """Return what is warm and of a person's size, however weak.

    Args:
        excess_c: (H, W), how much warmer than the empty room.
        noise_c: (H, W) standard deviation of each pixel, deg C.
        settings: what counts as warm.
    """
    is_warm = excess_c > np.maximum(settings.least_excess_c, _LEAST_EXCESS_NOISE * np.asarray(noise_c))
    labels, _ = ndimage.label(is_warm, structure=_NEIGHBOURS)
    least, most = count_least_pixels(excess_c.shape), _MOST_AREA * excess_c.size
    found = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        is_inside, corner = labels[place] == number, np.array([place[0].start, place[1].start])
        if np.count_nonzero(is_inside) < least:
            continue
        outline_c = settings.outline_share * np.percentile(excess_c[place][is_inside], _CONTRAST_PERCENTILE)
        pieces, num_pieces = ndimage.label(is_inside & (excess_c[place] > outline_c), structure=_NEIGHBOURS)
        for piece in range(1, num_pieces + 1):
            pixels = np.argwhere(pieces == piece)
            if least <= len(pixels) <= most:
                found.append(outline(pixels + corner, excess_c))
    return found


def outline(pixels: NDArray[np.intp], excess_c: NDArray[np.float32]) -> Detection:
    """Return the detection that these pixels (n, 2) of a frame (H, W) are."""
    height, width = excess_c.shape
    (top, left), (bottom, right) = pixels.min(axis=0).tolist(), (pixels.max(axis=0) + 1).tolist()
    return Detection(
        box=Box(
            cx=(left + right) / 2 / width,
            cy=(top + bottom) / 2 / height,
            w=(right - left) / width,
            h=(bottom - top) / height,
        ),
        contrast_c=float(np.percentile(excess_c[tuple(pixels.T)], _CONTRAST_PERCENTILE)),
        pixels=pixels,
    )


def count_least_pixels(frame_size: tuple[int, ...]) -> int:
    """Return how many pixels somebody has at least in frames of this (H, W)."""
    height, width = frame_size
    return max(_LEAST_PIXELS, round(_LEAST_AREA * height * width))


def find_margin(frame_size: tuple[int, ...]) -> int:
    """Return how many pixels around somebody are still about them, in frames of this (H, W)."""
    return max(1, round(_MARGIN_SHARE * min(frame_size)))


def draw_places(
    detections: Iterable[Detection], frame_size: tuple[int, ...], *, with_margin: bool
) -> NDArray[np.bool_]:
    """Return which pixels are theirs, and with the margin also those about them, (H, W) bool."""
    places = np.zeros(frame_size, dtype=np.bool_)
    for detection in detections:
        places[tuple(detection.pixels.T)] = True
    if with_margin and places.any():
        places = ndimage.binary_dilation(places, _NEIGHBOURS, iterations=find_margin(frame_size))
    return places
