"""Pixels that do not see the room: stuck, dead or noisy ones, and spots of the room that are always hot.

A fault is told from the room by the lens. The lens spreads every point of the room over the pixels around it, so a
pixel that differs while its neighbours do not has nothing to look at; and it lets no pixel be quieter than the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from thermalctl.recordings.scan import PixelPictures

#: Fewer complete frames show no pixel's noise well enough.
MIN_FRAMES = 32
#: A stuck pixel changes by less than this share of what its neighbours change by. One that the sensor makes up from
#: its eight neighbours still changes by 1 / sqrt(8) = 0.35; such pixels come to 0.28 in real recordings.
STUCK_SHARE = 0.2
#: Where more pixels than this share are half as quiet as their neighbours, frames are rounded more coarsely than their
#: noise is wide, and a pixel that stays the same is nothing special.
MAX_SHARE_QUIET = 0.05
#: A dead pixel's mean lies so far outside the range of its neighbours' means: eight times the noise of a pixel.
DEAD_MIN_C = 2.0
#: And by so many times their usual change: at the edge of the lens, pixels are eight times as noisy as elsewhere.
DEAD_TIMES_CHANGE = 8.0
#: And its neighbours share in its deviation by less than this. The sharpest spot that a lens makes (standard deviation
#: 0.65 pixels) leaves them a median of 0.19 of it; next to the dead pixel of the real sensor it is at most 0.06.
DEAD_SHARED = 0.12
#: A noisy pixel changes by so many times what the median pixel does. People walking about come to 2.6 times.
NOISY_TIMES = 4.0
#: A hot spot is all the time so much warmer than the scene: a radiator or lamp, hardly a person lying still (2.6).
HOT_SPOT_C = 5.0
#: It covers at most this share of the frame; more is a floor in the sun.
HOT_SPOT_SHARE = 0.02

_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)


@dataclass(frozen=True, kw_only=True)
class FaultyPixel:
    """A pixel that does not see the room.

    Attributes:
        row: from 0, at the top.
        column: from 0, at the left.
        kind: "stuck" if it does not change as its neighbours do; "dead" if it does, far from them all.
        offset_c: its mean less the median of its neighbours' means, deg C.
    """

    row: int
    column: int
    kind: Literal["stuck", "dead"]
    offset_c: float


@dataclass(frozen=True, kw_only=True)
class HotSpot:
    """A small place that is hot all the time.

    Attributes:
        row: of its hottest pixel, from 0, at the top.
        column: of its hottest pixel, from 0, at the left.
        num_pixels: its size.
        temperature_c: mean of its hottest pixel, deg C.
        above_c: that, less the median of the scene.
    """

    row: int
    column: int
    num_pixels: int
    temperature_c: float
    above_c: float


def find_faulty_pixels(pixels: PixelPictures) -> tuple[FaultyPixel, ...]:
    """Return the stuck and dead pixels, row by row; none where there are too few frames to tell."""
    if pixels.num_frames < MIN_FRAMES or min(pixels.mean_c.shape) < 3:
        return ()
    neighbours_change_c = _filter(pixels.change_c, "median")
    stuck = pixels.change_c < STUCK_SHARE * neighbours_change_c
    if np.mean(pixels.change_c < 0.5 * neighbours_change_c) > MAX_SHARE_QUIET:
        stuck[:] = False
    below_c = _filter(pixels.mean_c, "min") - pixels.mean_c
    above_c = pixels.mean_c - _filter(pixels.mean_c, "max")
    outside_c = np.maximum(below_c, above_c)
    suspect = (outside_c >= DEAD_MIN_C) & (outside_c >= DEAD_TIMES_CHANGE * neighbours_change_c)
    dead = np.zeros_like(stuck)
    for row, column in np.argwhere(suspect & ~stuck).tolist():
        dead[row, column] = _is_alone(pixels.mean_c, row, column)
    return tuple(
        FaultyPixel(
            row=row,
            column=column,
            kind="stuck" if stuck[row, column] else "dead",
            offset_c=float(pixels.mean_c[row, column] - np.median(_ring(pixels.mean_c, row, column, 1))),
        )
        for row, column in np.argwhere(stuck | dead).tolist()
    )


def count_noisy_pixels(pixels: PixelPictures) -> int:
    """Return how many pixels are far noisier than most, as at the edge of a wide lens."""
    return int(np.count_nonzero(pixels.change_c > NOISY_TIMES * np.median(pixels.change_c)))


def find_hot_spots(pixels: PixelPictures, faulty: tuple[FaultyPixel, ...]) -> tuple[HotSpot, ...]:
    """Return what is hot all the time, hottest first; faulty pixels are none."""
    scene_c = float(np.median(pixels.mean_c))
    hot = pixels.coldest_c >= scene_c + HOT_SPOT_C
    for pixel in faulty:
        hot[pixel.row, pixel.column] = False
    places, _ = ndimage.label(hot, structure=np.ones((3, 3)))
    spots = []
    for number, window in enumerate(ndimage.find_objects(places), start=1):
        inside = places[window] == number
        if inside.sum() > max(1.0, HOT_SPOT_SHARE * hot.size):
            continue
        mean_c = np.where(inside, pixels.mean_c[window], -np.inf)
        row, column = np.unravel_index(int(mean_c.argmax()), mean_c.shape)
        hottest_c = float(mean_c[row, column])
        spots.append(
            HotSpot(
                row=int(row) + window[0].start,
                column=int(column) + window[1].start,
                num_pixels=int(inside.sum()),
                temperature_c=hottest_c,
                above_c=hottest_c - scene_c,
            )
        )
    return tuple(sorted(spots, key=lambda spot: -spot.temperature_c))


def _filter(picture: NDArray[np.float64], kind: Literal["min", "max", "median"]) -> NDArray[np.float64]:
    """Return the least, greatest or median of each pixel's eight neighbours, (H, W)."""
    rank = {"min": 0, "median": 4, "max": 7}[kind]
    # "mirror" repeats neighbours beyond the edge, and unlike "reflect" never the pixel itself.
    found: NDArray[np.float64] = ndimage.rank_filter(picture, rank, footprint=_NEIGHBOURS, mode="mirror")
    return found


def _is_alone(mean_c: NDArray[np.float64], row: int, column: int) -> bool:
    """Return whether a pixel's neighbours take no part in what it shows."""
    # Of medians, a slope of the room across the pixel cancels.
    around_c = np.median(_ring(mean_c, row, column, 2))
    neighbours_c = np.median(_ring(mean_c, row, column, 1))
    own_c = mean_c[row, column] - around_c
    return bool((neighbours_c - around_c) / own_c < DEAD_SHARED)


def _ring(picture: NDArray[np.float64], row: int, column: int, distance: int) -> NDArray[np.float64]:
    """Return the pixels of the square so far around a pixel, those inside the frame."""
    rows, columns = np.indices(picture.shape)
    ring: NDArray[np.float64] = picture[np.maximum(abs(rows - row), abs(columns - column)) == distance]
    return ring
