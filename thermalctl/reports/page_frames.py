"""Thermal frames inside a page: small PNGs with temperatures as colours, boxes over them, and what the colours mean."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from thermalctl.annotations.coco import Box
from thermalctl.reports.preview.canvas import resize_frame
from thermalctl.reports.preview.colours import MISSING, Scale, make_scale

#: Frames are made no larger; what somebody does is still to be seen at this size.
MAX_SIDE = 96
#: Colours of a picture. Over the 20 deg C of a room with people in it a step is 0.3, a pixel's noise.
NUM_COLOURS = 64
#: Temperatures written beside the scale.
_NUM_TICKS = 5


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A person's box in a picture's pixels; `kind` is "person", "other" for others, "elsewhen" for another time."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One thermal frame.

    Attributes:
        uri: PNG as a data URI.
        width: in pixels.
        height: in pixels.
        outlines: boxes drawn over it.
        caption: written below it.
        is_keyframe: whether it is the annotated one.
    """

    uri: str
    width: int
    height: int
    outlines: tuple[Outline, ...]
    caption: str
    is_keyframe: bool


@dataclass(frozen=True, kw_only=True)
class ColourScale:
    """What colours mean: the colours from cold to warm as "#rrggbb", and temperatures, evenly spaced along them."""

    stops: tuple[str, ...]
    ticks: tuple[str, ...]


def make_page_scale(images_c: Iterable[NDArray[np.float32]]) -> Scale:
    """Return one scale for all frames of a page, of `NUM_COLOURS` colours."""
    scale = make_scale(images_c, range_c=None)
    return replace(
        scale, colours=scale.colours[np.arange(len(scale.colours)) // _levels_each(scale) * _levels_each(scale)]
    )


def describe_colours(scale: Scale) -> ColourScale:
    """Return what the colours of a page's scale mean."""
    colours = scale.colours[:: _levels_each(scale)].tolist()
    return ColourScale(
        stops=tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours),
        ticks=tuple(f"{value_c:.1f}" for value_c in np.linspace(scale.low_c, scale.high_c, _NUM_TICKS)),
    )


def make_picture(
    image_c: NDArray[np.float32],
    scale: Scale,
    boxes: Sequence[tuple[Box, str]] = (),
    *,
    caption: str = "",
    is_keyframe: bool = False,
) -> Picture:
    """Return a frame (H, W) deg C with boxes, each of a kind, over it; its longer side is `MAX_SIDE` pixels at most."""
    height, width = image_c.shape
    share = min(1.0, MAX_SIDE / max(height, width))
    width, height = max(1, round(width * share)), max(1, round(height * share))
    return Picture(
        uri=_paint_png(resize_frame(image_c, (width, height)), scale),
        width=width,
        height=height,
        outlines=tuple(
            Outline(
                x=round((box.cx - box.w / 2) * width, 2),
                y=round((box.cy - box.h / 2) * height, 2),
                width=round(box.w * width, 2),
                height=round(box.h * height, 2),
                kind=kind,
            )
            for box, kind in boxes
        ),
        caption=caption,
        is_keyframe=is_keyframe,
    )


def _paint_png(image_c: NDArray[np.float32], scale: Scale) -> str:
    each = _levels_each(scale)
    levels = scale.find_levels(image_c)
    picture = Image.fromarray(np.where(levels < 0, NUM_COLOURS, levels // each).astype(np.uint8))
    picture.putpalette([*scale.colours[::each].ravel().tolist(), *MISSING])
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _levels_each(scale: Scale) -> int:
    return len(scale.colours) // NUM_COLOURS
