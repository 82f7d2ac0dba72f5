"""Temperatures and classes as colours: one scale for everything in a picture."""

from __future__ import annotations

import colorsys
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from thermalctl.errors import RequestError
from thermalctl.recordings.health import INCOMPLETE_BELOW_C

DEFAULT_COLORMAP = "inferno"
#: The scale runs between these percentiles of what is shown: a person is 3 % of a frame, a lamp 0.2 %.
RANGE_PERCENTILES = (0.5, 99.7)
#: No scale is narrower, deg C: the noise of a still room is not to look like a scene.
MIN_SPAN_C = 2.0

#: A pixel that holds no temperature: a colour that no common colormap has.
MISSING = (86, 112, 120)

RGB = tuple[int, int, int]
_LEVELS = 256
#: Hues that stand out on dark purple, orange and yellow: green, cyan, blue, magenta.
_FIRST_HUE, _HUE_SPAN = 0.25, 0.62
_LIGHTNESSES = (0.6, 0.78, 0.68)
_GOLDEN = 0.618034  # neighbouring ids get distant hues


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """How temperatures become colours.

    Attributes:
        low_c: deg C of the first colour; what is colder has it too.
        high_c: deg C of the last one.
        origin: where the two come from, in words.
        colours: (256, 3) uint8, RGB from the coldest to the warmest.
    """

    low_c: float
    high_c: float
    origin: str
    colours: NDArray[np.uint8]

    def find_levels(self, image_c: NDArray[np.float32]) -> NDArray[np.intp]:
        """Return the place of each temperature in `colours`; -1 where there is no temperature. Any shape."""
        shares = (image_c.astype(np.float64) - self.low_c) / (self.high_c - self.low_c)
        known = find_known(image_c)
        levels = np.clip(np.round(np.where(known, shares, 0.0) * (_LEVELS - 1)), 0, _LEVELS - 1)
        return np.where(known, levels, -1).astype(np.intp)

    def paint(self, image_c: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the picture of temperatures (..., H, W) deg C: (..., H, W, 3) uint8, RGB."""
        with_missing = np.vstack([self.colours, np.array([MISSING], dtype=np.uint8)])
        painted: NDArray[np.uint8] = with_missing[self.find_levels(image_c)]  # -1 is the last, which is MISSING
        return painted


def make_scale(
    images_c: Iterable[NDArray[np.float32]], *, colormap: str = DEFAULT_COLORMAP, range_c: tuple[float, float] | None
) -> Scale:
    """Return one scale for all of `images_c`.

    Args:
        images_c: arrays of any shape, deg C; pixels without a temperature do not count.
        colormap: a name that matplotlib knows.
        range_c: (low, high) deg C; None for percentiles of the images.

    Raises:
        RequestError: if there is no such colormap.
    """
    colours = read_colormap(colormap)
    if range_c is not None:
        return Scale(low_c=range_c[0], high_c=range_c[1], origin="as given", colours=colours)
    known = [image_c[find_known(image_c)] for image_c in images_c]
    values = np.concatenate([np.empty(0, dtype=np.float32), *known])
    if not len(values):
        return Scale(low_c=0.0, high_c=40.0, origin="no frame holds a temperature", colours=colours)
    low_c, high_c = (float(value) for value in np.percentile(values, RANGE_PERCENTILES))
    middle_c, half_c = (low_c + high_c) / 2, max(high_c - low_c, MIN_SPAN_C) / 2
    low, high = RANGE_PERCENTILES
    return Scale(
        low_c=round(middle_c - half_c, 1),
        high_c=round(middle_c + half_c, 1),
        origin=f"percentiles {low:g} and {high:g} of the recorded frames",
        colours=colours,
    )


def parse_range(text: str) -> tuple[float, float]:
    """Return (low, high) deg C from a text as "18:32".

    Raises:
        RequestError: if it is none.
    """
    number = r"\s*([-+]?\d+(?:\.\d*)?)\s*"
    match = re.fullmatch(f"{number}:{number}", text)
    if match is None or float(match[1]) >= float(match[2]):
        raise RequestError(f"--range {text}: expected LOW:HIGH in deg C, the lower first", hint="as in --range 18:32")
    return float(match[1]), float(match[2])


def read_colormap(name: str) -> NDArray[np.uint8]:
    """Return a colormap of matplotlib as 256 colours, (256, 3) uint8.

    Raises:
        RequestError: if there is none of that name.
    """
    if name not in colormaps:
        near = difflib.get_close_matches(name, list(colormaps), n=1, cutoff=0.5)
        meant = f". Is {near[0]} meant?" if near else ""
        raise RequestError(
            f"--colormap {name}: matplotlib has no such colormap{meant}",
            hint="inferno, magma, viridis, cividis, turbo, gray, coolwarm, ...",
        )
    colours: NDArray[np.uint8] = (colormaps[name](np.linspace(0, 1, _LEVELS))[:, :3] * 255).round().astype(np.uint8)
    return colours


def choose_class_colour(label: int) -> RGB:
    """Return the colour of a class by its id, the same in every picture."""
    hue = _FIRST_HUE + _HUE_SPAN * ((label * _GOLDEN) % 1)
    red, green, blue = colorsys.hls_to_rgb(hue, _LIGHTNESSES[label % len(_LIGHTNESSES)], 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def contrast_with(colour: RGB) -> RGB:
    """Return black or white, whichever is legible on a colour."""
    red, green, blue = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else (255, 255, 255)  # ITU-R BT.601


def find_known(image_c: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which pixels hold a temperature, the image's shape; NaN and what the sensor fills gaps with do not."""
    known: NDArray[np.bool_] = image_c >= INCOMPLETE_BELOW_C
    return known
