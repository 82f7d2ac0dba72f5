"""Clips as one picture: a row for each, its frames from left to right on one temperature scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from thermalctl.errors import RequestError
from thermalctl.files import replace_file
from thermalctl.reports.preview.canvas import (
    ALARM,
    FAINT,
    GREY,
    INK,
    LINE,
    PAPER,
    draw_lines,
    draw_people,
    draw_scale,
    fit_frame,
    get_font,
    paint_frame,
    wrap_text,
)
from thermalctl.reports.preview.clips import PreviewClip
from thermalctl.reports.preview.colours import MISSING, RGB, Scale, choose_class_colour, find_known
from thermalctl.reports.preview.words import describe_clip, describe_scale, describe_step

#: A sheet of more pixels opens nowhere.
MAX_PIXELS = 150_000_000

MARGIN, GAP = 24, 8
#: Text in pixels: the sheet's title, a clip's class, everything else.
TITLE_PX, CLASS_PX, TEXT_PX = 20, 16, 13
#: The longer side of a frame: as wide as fills the page, within these.
PAGE_FILL, MIN_TILE, MAX_TILE = 1560, 180, 480
#: The page is at least so wide, for its text.
MIN_PAGE = 760
#: The longest caption, "0 s keyframe, incomplete" in bold, needs so much room.
MIN_CELL = 184


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One picture on the sheet."""

    image_c: NDArray[np.float32]
    caption: str
    clip: PreviewClip
    is_keyframe: bool
    is_incomplete: bool
    is_draw: bool


def write_contact_sheet(
    path: Path, clips: Sequence[PreviewClip], scale: Scale, classes: Sequence[str], *, title: str, remark: str = ""
) -> None:
    """Write the sheet of `draw_contact_sheet` to `path` as PNG, whole or not at all."""
    sheet = draw_contact_sheet(clips, scale, classes, title=title, remark=remark)
    with replace_file(path) as temporary:
        sheet.save(temporary, format="PNG", compress_level=4)


def draw_contact_sheet(
    clips: Sequence[PreviewClip], scale: Scale, classes: Sequence[str], *, title: str, remark: str = ""
) -> Image.Image:
    """Return the clips as one picture.

    A clip is a heading and a row of its frames. A clip with draws is a row for each frame: as recorded, then each draw.

    Args:
        clips: with the frames to show, at least one clip.
        scale: the colours of all frames.
        classes: class names in id order.
        title: of the whole sheet.
        remark: a line below it.

    Raises:
        RequestError: if the sheet would be too large.
    """
    tables = [_list_rows(clip) for clip in clips]
    num_columns = max(len(row) for rows in tables for row in rows)
    side = int(np.clip((PAGE_FILL - GAP * (num_columns - 1)) // num_columns, MIN_TILE, MAX_TILE))
    sizes = {tile.image_c.shape: fit_frame(tile.image_c.shape, side) for rows in tables for row in rows for tile in row}
    cell_width = max(MIN_CELL, *(width for width, _ in sizes.values()))
    width = max(MIN_PAGE, num_columns * (cell_width + GAP) - GAP + 2 * MARGIN)
    inside = width - 2 * MARGIN

    top = _Heading(title, remark, scale, clips, inside)
    headings = [_ClipHeading(clip, classes, inside) for clip in clips]
    caption_px = round(LINE * TEXT_PX) + 2
    height = MARGIN + top.height
    for rows, heading in zip(tables, headings, strict=True):
        height += heading.height + sum(caption_px + _row_height(row, sizes) + GAP for row in rows) + 2 * GAP
    height += MARGIN // 2
    if width * height > MAX_PIXELS:
        raise RequestError(
            f"a sheet of {len(clips)} clips would be {width}x{height} pixels, expected {MAX_PIXELS:,} pixels at most",
            hint="show fewer with --count, or fewer frames with --frames",
        )

    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    top.draw(draw, sheet)
    y = MARGIN + top.height
    for rows, heading in zip(tables, headings, strict=True):
        draw.line((MARGIN, y, width - MARGIN, y), fill=FAINT)
        heading.draw(draw, y + GAP)
        y += heading.height
        for row in rows:
            for column, tile in enumerate(row):
                x = MARGIN + column * (cell_width + GAP)
                _draw_tile(draw, sheet, tile, (x, y), caption_px, sizes[tile.image_c.shape], cell_width, scale, classes)
            y += caption_px + _row_height(row, sizes) + GAP
        y += 2 * GAP
    return sheet


def _list_rows(clip: PreviewClip) -> list[list[Tile]]:
    def make(step: int, image_c: NDArray[np.float32], caption: str, *, is_draw: bool = False) -> Tile:
        return Tile(
            image_c=image_c,
            caption=caption,
            clip=clip,
            is_keyframe=step == clip.keyframe and not is_draw,
            is_incomplete=bool(clip.incomplete[step]) and not is_draw,
            is_draw=is_draw,
        )

    recorded = [make(step, frame_c, describe_step(clip, step)) for step, frame_c in enumerate(clip.frames_c)]
    if not len(clip.draws_c):
        return [recorded]
    return [
        [
            tile,
            *(
                make(step, draw_c[step], f"draw {number}", is_draw=True)
                for number, draw_c in enumerate(clip.draws_c, start=1)
            ),
        ]
        for step, tile in enumerate(recorded)
    ]


def _row_height(row: Sequence[Tile], sizes: dict[tuple[int, ...], tuple[int, int]]) -> int:
    return max(sizes[tile.image_c.shape][1] for tile in row)


def _draw_tile(
    draw: ImageDraw.ImageDraw,
    sheet: Image.Image,
    tile: Tile,
    place: tuple[int, int],
    caption_px: int,
    size: tuple[int, int],
    cell_width: int,
    scale: Scale,
    classes: Sequence[str],
) -> None:
    x, y = place
    font = get_font(TEXT_PX, bold=tile.is_keyframe)
    colour = ALARM if tile.is_incomplete else INK if tile.is_keyframe else GREY
    [caption] = wrap_text(tile.caption, font, cell_width, max_lines=1)
    draw.text((x, y), caption, font=font, fill=colour)
    y += caption_px
    sheet.paste(paint_frame(tile.image_c, scale, size), (x, y))
    width, height = size
    if tile.is_keyframe:
        draw_people(draw, tile.clip.people, classes, (x, y, width, height))
    if tile.is_keyframe or tile.is_incomplete:
        draw.rectangle((x - 3, y - 3, x + width + 2, y + height + 2), outline=colour, width=3)


class _Heading:
    """The sheet's title, what its colours mean, and the scale."""

    def __init__(self, title: str, remark: str, scale: Scale, clips: Sequence[PreviewClip], width: int) -> None:
        self.scale, self.width = scale, width
        self.title = wrap_text(title, get_font(TITLE_PX), width, max_lines=3)
        texts = [remark, describe_scale(scale), "black frame: keyframe, with its boxes"]
        if any(clip.incomplete.any() for clip in clips):
            texts[-1] += "; orange: incomplete as recorded"
        self.has_missing = any(not find_known(clip.frames_c).all() for clip in clips)
        self.lines = [line for text in texts if text for line in wrap_text(text, get_font(TEXT_PX), width, max_lines=4)]
        self.bar_width = min(width, 620)
        self.height = round(LINE * (TITLE_PX * len(self.title) + TEXT_PX * len(self.lines)) + TEXT_PX) + 3 * GAP

    def draw(self, draw: ImageDraw.ImageDraw, sheet: Image.Image) -> None:
        y = draw_lines(draw, (MARGIN, MARGIN), self.title, TITLE_PX)
        y = draw_lines(draw, (MARGIN, y), self.lines, TEXT_PX, GREY)
        draw_scale(draw, sheet, (MARGIN, round(y) + GAP // 2), self.bar_width, self.scale, size_px=TEXT_PX)
        if self.has_missing:
            x, y = MARGIN + self.bar_width + 2 * GAP, round(y) + GAP // 2
            draw.rectangle((x, y, x + TEXT_PX, y + TEXT_PX), fill=MISSING)
            draw.text((x + TEXT_PX + 6, y), "no temperature", font=get_font(TEXT_PX), fill=INK)


class _ClipHeading:
    """A clip's class, everyone's class in their colours, and which clip it is; as many lines as it takes."""

    def __init__(self, clip: PreviewClip, classes: Sequence[str], width: int) -> None:
        self.lines = wrap_text(describe_clip(clip), get_font(TEXT_PX), width, max_lines=4)
        entries = [(clip.label, choose_class_colour(clip.sample.label), True)]
        others = dict.fromkeys(person.label for person in clip.people if person.label != clip.sample.label)
        entries += [(f"also {classes[label]}", choose_class_colour(label), False) for label in others]
        self.entries: list[tuple[int, int, str, RGB, bool]] = []
        x = line = 0
        for name, colour, bold in entries:
            font = get_font(CLASS_PX, bold=bold)
            [text] = wrap_text(name, font, width - CLASS_PX - 8, max_lines=1)
            entry_width = CLASS_PX + 8 + round(font.getlength(text)) + 20
            if x and x + entry_width - 20 > width:
                x, line = 0, line + 1
            self.entries.append((x, line, text, colour, bold))
            x += entry_width
        self.height = round(LINE * (CLASS_PX * (line + 1) + TEXT_PX * len(self.lines))) + 2 * GAP

    def draw(self, draw: ImageDraw.ImageDraw, top: float) -> None:
        for x, line, text, colour, bold in self.entries:
            left, y = MARGIN + x, top + round(line * LINE * CLASS_PX)
            draw.rectangle((left, y + 2, left + CLASS_PX, y + 2 + CLASS_PX), fill=colour, outline=GREY)
            draw.text((left + CLASS_PX + 8, y), text, font=get_font(CLASS_PX, bold=bold), fill=INK)
        y = top + round((self.entries[-1][1] + 1) * LINE * CLASS_PX)
        draw_lines(draw, (MARGIN, y), self.lines, TEXT_PX, GREY)
