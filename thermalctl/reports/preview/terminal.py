"""Clips in a terminal: two pixels to a character where there is colour, shades where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from rich.text import Text

from thermalctl.reports.preview.canvas import ALARM, resize_frame
from thermalctl.reports.preview.clips import Person, PreviewClip
from thermalctl.reports.preview.colours import RGB, Scale, choose_class_colour
from thermalctl.reports.preview.words import describe_clip, describe_step

#: A frame narrower than this shows nobody's shape; wider, and fewer fit side by side than are of use.
MIN_COLUMNS, MAX_COLUMNS = 25, 44
GAP = 2
#: From cold to warm where there is no colour; what is no temperature has its own.
SHADES = " .:-=+*#%@"
MISSING_SHADE = "?"
_SCALE_COLUMNS = 30


def count_side_by_side(width: int) -> int:
    """Return how many frames fit in a line of so many characters."""
    return max(1, (width + GAP) // (MIN_COLUMNS + GAP))


def draw_clips(
    clips: Sequence[PreviewClip], scale: Scale, classes: Sequence[str], *, width: int, coloured: bool
) -> list[Text]:
    """Return the clips as lines for a terminal.

    Args:
        clips: with the frames to show; a clip with draws is a line of pictures for each frame, as recorded and then
            each draw.
        scale: the colours of all frames.
        classes: class names in id order.
        width: of the terminal, characters.
        coloured: whether it shows 256 colours or more; else frames are shades.
    """
    lines = [_draw_scale(scale, coloured=coloured)]
    for clip in clips:
        lines += [Text(), *_draw_heading(clip, classes, width)]
        pictures = _list_pictures(clip)
        fitting = min(count_side_by_side(width), max(map(len, pictures)))
        columns = min(MAX_COLUMNS, (width - GAP * (fitting - 1)) // fitting)
        for row in pictures:
            for start in range(0, len(row), fitting):
                blocks = [
                    _draw_picture(picture, clip, scale, columns, coloured) for picture in row[start : start + fitting]
                ]
                lines += _join(blocks, columns)
    return lines


#: A frame (H, W) deg C, what is written above it, in what style, and who is boxed in it.
_Picture = tuple[NDArray[np.float32], str, str, tuple[Person, ...]]


def _list_pictures(clip: PreviewClip) -> list[list[_Picture]]:
    recorded: list[_Picture] = []
    for step, frame_c in enumerate(clip.frames_c):
        is_keyframe = step == clip.keyframe
        colour = f"rgb({ALARM[0]},{ALARM[1]},{ALARM[2]})" if clip.incomplete[step] else "none"
        style = f"bold {colour}" if is_keyframe else colour if clip.incomplete[step] else "dim"
        recorded.append((frame_c, describe_step(clip, step), style, clip.people if is_keyframe else ()))
    if not len(clip.draws_c):
        return [recorded]
    return [
        [picture, *((draw_c[step], f"draw {number}", "dim", ()) for number, draw_c in enumerate(clip.draws_c, start=1))]
        for step, picture in enumerate(recorded)
    ]


def _draw_heading(clip: PreviewClip, classes: Sequence[str], width: int) -> list[Text]:
    name = Text.assemble(("■ ", _foreground(choose_class_colour(clip.sample.label))), (clip.label, "bold"))
    for label in dict.fromkeys(person.label for person in clip.people if person.label != clip.sample.label):
        name.append("  ■ ", _foreground(choose_class_colour(label))).append(f"also {classes[label]}")
    name.truncate(width, overflow="ellipsis")
    return [name, Text(describe_clip(clip), style="dim")]


def _draw_picture(picture: _Picture, clip: PreviewClip, scale: Scale, columns: int, coloured: bool) -> list[Text]:
    """Return a caption and a frame, each line exactly `columns` wide."""
    image_c, words, style, people = picture
    caption = Text(words, style=style)
    caption.truncate(columns, overflow="ellipsis", pad=True)
    height, width = image_c.shape
    rows = max(1, round(columns * height / width / 2))
    draw = _draw_half_blocks if coloured else _draw_shades
    return [caption, *draw(image_c, scale, columns, rows, people)]


def _draw_half_blocks(
    image_c: NDArray[np.float32], scale: Scale, columns: int, rows: int, people: Sequence[Person]
) -> list[Text]:
    pixels = scale.paint(resize_frame(image_c, (columns, 2 * rows))).copy()
    for person in people:
        left, top, right, bottom = _find_box(person, columns, 2 * rows)
        colour = choose_class_colour(person.label)
        pixels[[top, bottom], left : right + 1] = colour
        pixels[top : bottom + 1, [left, right]] = colour
    lines = []
    for upper, lower in zip(pixels[0::2].tolist(), pixels[1::2].tolist(), strict=True):
        line = Text()
        for above, below in zip(upper, lower, strict=True):
            line.append("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        lines.append(line)
    return lines


def _draw_shades(
    image_c: NDArray[np.float32], scale: Scale, columns: int, rows: int, people: Sequence[Person]
) -> list[Text]:
    levels = scale.find_levels(resize_frame(image_c, (columns, rows)))
    shades = np.array([*SHADES, MISSING_SHADE])
    characters = shades[np.where(levels < 0, len(SHADES), levels * len(SHADES) // len(scale.colours))]
    for person in people:
        left, top, right, bottom = _find_box(person, columns, rows)
        characters[[top, bottom], left : right + 1] = "─"
        characters[top : bottom + 1, [left, right]] = "│"
        characters[[top, top, bottom, bottom], [left, right, left, right]] = list("┌┐└┘")
    return [Text("".join(row)) for row in characters]


def _find_box(person: Person, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the cells just around a person, as far as they are in the picture."""
    box = person.box
    return (
        max(0, int((box.cx - box.w / 2) * width) - 1),
        max(0, int((box.cy - box.h / 2) * height) - 1),
        min(width - 1, int((box.cx + box.w / 2) * width) + 1),
        min(height - 1, int((box.cy + box.h / 2) * height) + 1),
    )


def _join(blocks: Sequence[Sequence[Text]], columns: int) -> list[Text]:
    """Return blocks of lines side by side, shorter ones filled up below."""
    height = max(map(len, blocks))
    filled = [[*block, *[Text(" " * columns)] * (height - len(block))] for block in blocks]
    return [Text(" " * GAP).join(parts) for parts in zip(*filled, strict=True)]


def _draw_scale(scale: Scale, *, coloured: bool) -> Text:
    line = Text(f"{scale.low_c:.1f} °C ")
    if coloured:
        for colour in scale.colours[
            np.linspace(0, len(scale.colours) - 1, _SCALE_COLUMNS).round().astype(int)
        ].tolist():
            line.append("█", _foreground(colour))
    else:
        line.append(SHADES)
    return line.append(f" {scale.high_c:.1f} °C")


def _foreground(colour: RGB) -> Style:
    return Style(color=Color.from_rgb(*colour))
