"""What contact sheets and animations are drawn with: text that fits, frames, boxes and the temperature scale."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from thermalctl.reports.preview.clips import Person
from thermalctl.reports.preview.colours import RGB, Scale, choose_class_colour, contrast_with, find_known

PAPER: RGB = (255, 255, 255)
INK: RGB = (27, 27, 27)
GREY: RGB = (105, 105, 105)
FAINT: RGB = (215, 215, 215)
#: Incomplete frames.
ALARM: RGB = (214, 84, 0)

#: Height of a line of text as a multiple of its size.
LINE = 1.35

_LABEL_PX = 12

#: Left, top, right and bottom in pixels, right and bottom within.
_Rectangle = tuple[int, int, int, int]


@functools.cache
def get_font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return matplotlib's own DejaVu Sans: it is on every machine that this runs on."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size_px)


def fit_text(text: str, font: ImageFont.FreeTypeFont, width_px: float) -> str:
    """Return the text, its end replaced by an ellipsis where it is wider than `width_px`."""
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(f"{text}…") > width_px:
        text = text[:-1]
    return f"{text.rstrip()}…"


def wrap_text(text: str, font: ImageFont.FreeTypeFont, width_px: float, *, max_lines: int) -> list[str]:
    """Return the text in at most `max_lines` lines of `width_px`, broken between words; the last one may be cut."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < max_lines - 1:
        number = 1
        while number < len(words) and font.getlength(" ".join(words[: number + 1])) <= width_px:
            number += 1
        lines.append(fit_text(" ".join(words[:number]), font, width_px))
        words = words[number:]
    return [*lines, fit_text(" ".join(words), font, width_px)] if words else lines


def draw_lines(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], lines: Sequence[str], size_px: int, colour: RGB = INK
) -> float:
    """Draw lines of text below each other and return where the next one would begin."""
    x, y = place
    for line in lines:
        draw.text((x, y), line, font=get_font(size_px), fill=colour)
        y += LINE * size_px
    return y


def fit_frame(shape: Sequence[int], side: int) -> tuple[int, int]:
    """Return (width, height) of a frame's picture whose longer side is `side` pixels.

    Where that enlarges the frame (H, W) at least twofold, it is by a whole factor, and the side may be shorter.
    """
    height, width = shape
    factor = side / max(height, width)
    if factor >= 2:
        factor = int(factor)
    return max(1, round(width * factor)), max(1, round(height * factor))


def resize_frame(image_c: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a frame (H, W) deg C at `size`, (width, height) in pixels.

    Enlarged by a whole factor it keeps the sensor's own pixels; otherwise temperatures are interpolated, except where
    one is missing, which would spread.
    """
    height, width = image_c.shape
    if (width, height) == size:
        return image_c
    is_whole = size[0] % width == 0 and size[1] % height == 0
    if is_whole or not find_known(image_c).all():
        method = Image.Resampling.NEAREST
    else:
        method = Image.Resampling.BICUBIC if size[0] > width else Image.Resampling.BOX
    return np.asarray(Image.fromarray(np.ascontiguousarray(image_c, dtype=np.float32)).resize(size, method))


def paint_frame(image_c: NDArray[np.float32], scale: Scale, size: tuple[int, int]) -> Image.Image:
    """Return a frame (H, W) deg C as a picture of `size`, (width, height) in pixels; see `resize_frame`."""
    return Image.fromarray(scale.paint(resize_frame(image_c, size)))


def draw_people(
    draw: ImageDraw.ImageDraw, people: Sequence[Person], classes: Sequence[str], tile: tuple[int, int, int, int]
) -> None:
    """Draw everyone's box in the colour of what they do, with its name beside it, over nobody where there is room.

    Args:
        draw: what is drawn on.
        people: who.
        classes: class names in id order.
        tile: where the frame is drawn: left, top, width, height in pixels.
    """
    _, _, width, height = tile
    font, line_px = get_font(_LABEL_PX), round(LINE * _LABEL_PX)
    boxes = [_find_box(person, tile) for person in people]
    for person, (x0, y0, x1, y1) in zip(people, boxes, strict=True):
        colour = choose_class_colour(person.label)
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0), width=4)  # legible on any temperature
        draw.rectangle((x0, y0, x1, y1), outline=colour, width=2)
    labels: list[_Rectangle] = []
    for person, box in zip(people, boxes, strict=True):
        lines = wrap_text(classes[person.label], font, width - 6, max_lines=2)
        size = (round(max(map(font.getlength, lines))) + 6, line_px * len(lines))
        if size[1] > height:
            continue  # the frame is too low for a line; the clip's heading names the class too
        label = _place_label(size, box, tile, boxes, labels)
        labels.append(label)
        colour = choose_class_colour(person.label)
        draw.rectangle(label, fill=colour)
        for number, line in enumerate(lines):
            place = (label[0] + 3, label[1] + number * line_px)
            draw.text(place, line, font=font, fill=contrast_with(colour))


def draw_scale(
    draw: ImageDraw.ImageDraw, image: Image.Image, place: tuple[int, int], width: int, scale: Scale, *, size_px: int
) -> int:
    """Draw the temperature scale as a bar with its ends named, and return how high it is, pixels."""
    left, top = place
    height = size_px + 3
    font = get_font(size_px)
    low, high = f"{scale.low_c:.1f} °C", f"{scale.high_c:.1f} °C"
    bar_left = left + round(font.getlength(low)) + 8
    bar_width = width - (bar_left - left) - round(font.getlength(high)) - 8
    levels = np.linspace(0, len(scale.colours) - 1, bar_width).round().astype(int)
    bar = np.broadcast_to(scale.colours[levels], (height, bar_width, 3))
    image.paste(Image.fromarray(np.ascontiguousarray(bar)), (bar_left, top))
    draw.text((left, top), low, font=font, fill=INK)
    draw.text((bar_left + bar_width + 8, top), high, font=font, fill=INK)
    return height


def _find_box(person: Person, tile: tuple[int, int, int, int]) -> _Rectangle:
    left, top, width, height = tile
    box = person.box
    return (
        max(left, round(left + (box.cx - box.w / 2) * width)),
        max(top, round(top + (box.cy - box.h / 2) * height)),
        min(left + width, round(left + (box.cx + box.w / 2) * width)) - 1,
        min(top + height, round(top + (box.cy + box.h / 2) * height)) - 1,
    )


def _place_label(
    size: tuple[int, int],
    box: _Rectangle,
    tile: tuple[int, int, int, int],
    boxes: Sequence[_Rectangle],
    labels: Sequence[_Rectangle],
) -> _Rectangle:
    """Return where in the tile a label is near its box and hides neither people nor other labels, as far as it can."""
    left, top, width, height = tile
    across = (box[0], box[2] + 3, *range(left, max(left, left + width - size[0]) + 1, 4))
    along = (box[1] - size[1] - 2, box[3] + 3, *range(top, top + height - size[1] + 1, 6))
    places = [
        (x, y, x + size[0], y + size[1])
        for y in along
        for x in across
        if top <= y <= top + height - size[1] and left <= x <= max(left, left + width - size[0])
    ]

    def judge(place: _Rectangle) -> float:
        hidden = 5 * sum(_measure_overlap(place, other) for other in boxes)
        hidden += 40 * sum(_measure_overlap(place, other) for other in labels)
        # A label as wide as the frame is always off to a side; what tells whose it is is the gap between the two.
        apart = max(0, place[0] - box[2], box[0] - place[2]) + max(0, place[1] - box[3], box[1] - place[3])
        return hidden + 20 * apart + 0.5 * abs(place[0] - box[0])

    return min(places, key=judge)


def _measure_overlap(first: _Rectangle, second: _Rectangle) -> int:
    """Return how many pixels two rectangles have in common."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0, width) * max(0, height)
