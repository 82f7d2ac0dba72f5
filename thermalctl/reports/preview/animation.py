"""Clips as moving pictures: all at once, at the speed at which their frames arrived, in step at their keyframes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from thermalctl.errors import RequestError
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
    fit_text,
    get_font,
    paint_frame,
    wrap_text,
)
from thermalctl.reports.preview.clips import PreviewClip
from thermalctl.reports.preview.colours import Scale, choose_class_colour
from thermalctl.reports.preview.words import format_offset

#: More clips at once are too small to be seen.
MAX_PANELS = 36
#: A longer animation has a break in it, or is of another kind of recording.
MAX_SECONDS = 120.0
#: Boxes belong to the keyframe; a tenth of a second would be too short to see them, so they stay this long around it.
BOX_SECONDS = 0.5

MARGIN, GAP = 20, 16
TITLE_PX, CLOCK_PX, TEXT_PX = 16, 22, 13
#: Frames are as wide as fills this many pixels, within these.
PAGE_FILL, MIN_TILE, MAX_TILE = 800, 150, 480
MIN_PAGE = 420
BAR_PX = 8
#: A class's name is broken into so many lines at most.
MAX_NAME_LINES = 3
_CHIP = TEXT_PX + 4  # the class's colour before its name


@dataclass(frozen=True, kw_only=True, eq=False)
class _Panel:
    """One of the pictures that move.

    Attributes:
        clip: what it is of.
        frames_c: (T, h, w) deg C, in order of arrival.
        times_s: (T,) when each arrived.
        incomplete: (T,) which are incomplete as recorded; never of a draw.
        name: above it.
        is_draw: whether it was augmented, and nobody's box is where it was.
    """

    clip: PreviewClip
    frames_c: NDArray[np.float32]
    times_s: NDArray[np.float64]
    incomplete: NDArray[np.bool_]
    name: str
    is_draw: bool


class Animation:
    """Clips as a sequence of pictures.

    Args:
        clips: with all their frames, at least one clip.
        scale: the colours of all frames.
        classes: class names in id order.
        title: of the whole.
        frame_s: how long each picture is shown, seconds.

    Attributes:
        size: (width, height) in pixels, both even: video codecs halve them.
        ticks_s: when each picture is, seconds from the keyframe; 0 is one of them.

    Raises:
        RequestError: if there are too many clips, or one lasts too long.
    """

    def __init__(
        self, clips: Sequence[PreviewClip], scale: Scale, classes: Sequence[str], *, title: str, frame_s: float
    ) -> None:
        self._scale, self._classes = scale, classes
        rows = [_list_panels(clip) for clip in clips]
        self._panels = [panel for row in rows for panel in row]
        if len(self._panels) > MAX_PANELS:
            raise RequestError(
                f"{len(self._panels)} moving pictures at once, expected at most {MAX_PANELS}",
                hint="show fewer with --count, or fewer draws with --augmented",
            )
        self.ticks_s = _find_ticks(self._panels, frame_s)
        num_columns = max(map(len, rows)) if len(clips[0].draws_c) else _choose_columns(len(self._panels))
        side = int(np.clip((PAGE_FILL - GAP * (num_columns - 1)) // num_columns, MIN_TILE, MAX_TILE))
        self._tiles = [fit_frame(panel.frames_c.shape[1:], side) for panel in self._panels]
        self._cell = (max(MIN_TILE, *(width for width, _ in self._tiles)), max(height for _, height in self._tiles))
        width = max(MIN_PAGE, num_columns * (self._cell[0] + GAP) - GAP + 2 * MARGIN)
        self._title = wrap_text(title, get_font(TITLE_PX), width - 2 * MARGIN, max_lines=3)
        line = round(LINE * TEXT_PX)
        self._top = MARGIN + round(LINE * (TITLE_PX * len(self._title) + CLOCK_PX)) + GAP
        font = get_font(TEXT_PX)
        self._names = [
            wrap_text(panel.name, font, self._cell[0] - (0 if panel.is_draw else _CHIP), max_lines=MAX_NAME_LINES)
            for panel in self._panels
        ]
        self._caption = line * (max(map(len, self._names)) + 1) + 4
        num_rows = math.ceil(len(self._panels) / num_columns)
        self._places = [
            (
                MARGIN + (number % num_columns) * (self._cell[0] + GAP),
                self._top + (number // num_columns) * (self._caption + self._cell[1] + GAP),
            )
            for number in range(len(self._panels))
        ]
        self._bar_top = self._top + num_rows * (self._caption + self._cell[1] + GAP)
        height = self._bar_top + BAR_PX + MARGIN
        self.size = (width + width % 2, height + height % 2)
        self._background = self._draw_background()

    def __len__(self) -> int:
        return len(self.ticks_s)

    def __iter__(self) -> Iterator[Image.Image]:
        for tick_s in self.ticks_s:
            yield self.draw(float(tick_s))

    def list_labels(self) -> list[int]:
        """Return the ids of the classes whose colours appear."""
        labels = {person.label for panel in self._panels for person in panel.clip.people}
        return sorted(labels | {panel.clip.sample.label for panel in self._panels})

    def draw(self, tick_s: float) -> Image.Image:
        """Return the picture at a time, seconds from the keyframe: of each clip the frame that arrived last."""
        image = self._background.copy()
        draw = ImageDraw.Draw(image)
        clock = get_font(CLOCK_PX, bold=True)
        y = self._top - GAP - round(LINE * CLOCK_PX)
        draw.text((self.size[0] - MARGIN, y), format_offset(tick_s), font=clock, fill=INK, anchor="ra")
        for panel, place, tile in zip(self._panels, self._places, self._tiles, strict=True):
            self._draw_panel(draw, image, panel, place, tile, tick_s)
        left, right = MARGIN, self.size[0] - MARGIN
        duration_s = max(1e-9, float(self.ticks_s[-1] - self.ticks_s[0]))
        at, keyframe = (
            left + round((right - left) * min(1.0, max(0.0, (time_s - self.ticks_s[0]) / duration_s)))
            for time_s in (tick_s, 0.0)
        )
        draw.rectangle((left, self._bar_top, at, self._bar_top + BAR_PX), fill=GREY)
        draw.rectangle((keyframe - 1, self._bar_top - 4, keyframe + 1, self._bar_top + BAR_PX), fill=INK)
        return image

    def _draw_background(self) -> Image.Image:
        image = Image.new("RGB", self.size, PAPER)
        draw = ImageDraw.Draw(image)
        y = draw_lines(draw, (MARGIN, MARGIN), self._title, TITLE_PX)
        bar_width = min(500, self.size[0] - 2 * MARGIN - 130)
        draw_scale(draw, image, (MARGIN, round(y) + 6), bar_width, self._scale, size_px=TEXT_PX)
        for panel, name, (x, y) in zip(self._panels, self._names, self._places, strict=True):
            if panel.is_draw:
                draw_lines(draw, (x, y), name, TEXT_PX)
                continue
            colour = choose_class_colour(panel.clip.sample.label)
            draw.rectangle((x, y + 2, x + TEXT_PX - 2, y + TEXT_PX), fill=colour, outline=GREY)
            draw_lines(draw, (x + _CHIP, y), name, TEXT_PX)
        draw.rectangle((MARGIN, self._bar_top, self.size[0] - MARGIN, self._bar_top + BAR_PX), fill=FAINT)
        return image

    def _draw_panel(
        self,
        draw: ImageDraw.ImageDraw,
        image: Image.Image,
        panel: _Panel,
        place: tuple[int, int],
        tile: tuple[int, int],
        tick_s: float,
    ) -> None:
        step = max(0, int(np.searchsorted(panel.times_s, tick_s + 1e-6, side="right")) - 1)
        is_incomplete = bool(panel.incomplete[step])
        caption, colour = f"{panel.clip.sample.recording} frame {panel.clip.sample.keyframe}", GREY
        if panel.is_draw:
            caption = ""
        elif tick_s < panel.times_s[0] - 1e-6:
            caption = "not begun"
        elif tick_s > panel.times_s[-1] + BOX_SECONDS:
            caption = "ended"
        elif is_incomplete:
            caption, colour = "incomplete", ALARM
        x, y = place[0], place[1] + self._caption
        font = get_font(TEXT_PX)
        draw.text((x, y - 4), fit_text(caption, font, self._cell[0]), font=font, fill=colour, anchor="ld")
        width, height = tile
        image.paste(paint_frame(panel.frames_c[step], self._scale, tile), (x, y))
        is_near = abs(tick_s) <= BOX_SECONDS and not panel.is_draw
        if is_near:
            draw_people(draw, panel.clip.people, self._classes, (x, y, width, height))
        if is_near or is_incomplete:
            outline = ALARM if is_incomplete else INK
            draw.rectangle((x - 3, y - 3, x + width + 2, y + height + 2), outline=outline, width=3)


def _list_panels(clip: PreviewClip) -> list[_Panel]:
    order = np.argsort(clip.times_s, kind="stable")  # a clock that was set back
    times_s = clip.times_s[order]
    recorded = _Panel(
        clip=clip,
        frames_c=clip.frames_c[order],
        times_s=times_s,
        incomplete=clip.incomplete[order],
        name=clip.label,
        is_draw=False,
    )
    draws = [
        _Panel(
            clip=clip,
            frames_c=draw_c[order],
            times_s=times_s,
            incomplete=np.zeros(len(order), dtype=bool),
            name=f"draw {number}",
            is_draw=True,
        )
        for number, draw_c in enumerate(clip.draws_c, start=1)
    ]
    return [recorded, *draws]


def _choose_columns(number: int) -> int:
    return number if number <= 3 else math.ceil(math.sqrt(number))


def _find_ticks(panels: Sequence[_Panel], frame_s: float) -> NDArray[np.float64]:
    begin_s, end_s = min(panel.times_s[0] for panel in panels), max(panel.times_s[-1] for panel in panels)
    if end_s - begin_s > MAX_SECONDS:
        longest = max(panels, key=lambda panel: float(panel.times_s[-1] - panel.times_s[0])).clip.sample
        raise RequestError(
            f'the clips, of which "{longest.sample_id}" is the longest, last {end_s - begin_s:,.0f} s, '
            f"expected at most {MAX_SECONDS:g} s",
            hint="choose others with --sample, or look at them as --format png",
        )
    return np.arange(math.floor(begin_s / frame_s), math.ceil(end_s / frame_s) + 1) * frame_s
