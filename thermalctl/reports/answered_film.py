"""A recording as a moving picture with what a model answers to it: boxes, the answer in words, and a bar of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from PIL import Image, ImageDraw

from thermalctl.annotations.coco import Box
from thermalctl.errors import RequestError
from thermalctl.recordings.health import INCOMPLETE_BELOW_C
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
from thermalctl.reports.preview.clips import Person
from thermalctl.reports.preview.colours import Scale, choose_class_colour
from thermalctl.streams.frames import ArrivedFrame
from thermalctl.streams.track import NONE, AnswerTrack

#: A longer one is a film of many megabytes that nobody watches.
MAX_SECONDS = 600.0
#: Pictures a second.
FRAME_RATE_HZ = 5.0
#: An answer is shown while its keyframe is at most so far away, seconds.
_NEAR_S = 3.0
_SIDE, _MARGIN, _TITLE_PX, _TEXT_PX, _BAR_PX = 480, 16, 15, 14, 14


class AnsweredFilm:
    """The pictures of a recording, at the speed at which its frames arrived.

    Attributes:
        size: (width, height) in pixels, both even.

    Args:
        read_frames: begins to read the frames, in order.
        track: the answers.
        classes: class names in id order.
        scale: the colours of all frames.
        frame_size: (H, W) of the frames.
        title: above the pictures.
        start_ms: when the recording begins, ms since 1970.
        end_ms: when it ends.

    Raises:
        RequestError: if it lasts too long.
    """

    def __init__(
        self,
        read_frames: Callable[[], Iterable[ArrivedFrame]],
        track: AnswerTrack,
        classes: tuple[str, ...],
        scale: Scale,
        *,
        frame_size: tuple[int, int],
        title: str,
        start_ms: int,
        end_ms: int,
    ) -> None:
        self._read_frames = read_frames
        self._track = track
        self._classes = classes
        self._scale = scale
        self._start_ms, self._end_ms = start_ms, end_ms
        self._tile = fit_frame(frame_size, _SIDE)
        width = max(self._tile[0], 300) + 2 * _MARGIN
        self._title = wrap_text(title, get_font(_TITLE_PX), width - 2 * _MARGIN, max_lines=2)
        self._top = _MARGIN + round(LINE * (_TITLE_PX * len(self._title) + _TEXT_PX)) + 12
        self._text_top = self._top + self._tile[1] + 8
        self._bar_top = self._text_top + round(LINE * _TEXT_PX) + 6
        height = self._bar_top + _BAR_PX + _MARGIN
        self.size = (width + width % 2, height + height % 2)
        self._ticks_ms = np.arange(start_ms, end_ms + 1, 1000 / FRAME_RATE_HZ)
        self._background = self._draw_background()

    def __len__(self) -> int:
        return len(self._ticks_ms)

    def __iter__(self) -> Iterator[Image.Image]:
        frames = iter(self._read_frames())
        shown = next(frames)
        coming: ArrivedFrame | None = shown
        for tick_ms in self._ticks_ms:
            while coming is not None and coming.timestamp_ms <= tick_ms:
                shown = coming
                coming = next(frames, None)
            yield self._draw(shown, float(tick_ms))

    def list_labels(self) -> list[int]:
        """Return the ids of the classes whose colours appear."""
        return [class_id for class_id in np.unique(self._track.class_ids).tolist() if class_id != NONE]

    def _draw(self, frame: ArrivedFrame, tick_ms: float) -> Image.Image:
        image = self._background.copy()
        draw = ImageDraw.Draw(image)
        image.paste(paint_frame(frame.frame_c, self._scale, self._tile), (_MARGIN, self._top))
        tile = (_MARGIN, self._top, *self._tile)
        words, colour = self._find_words(tick_ms)
        people = self._list_people(tick_ms)
        if people:
            draw_people(draw, people, self._classes, tile)
        elif colour is not None:
            draw.rectangle((_MARGIN, self._text_top + 2, _MARGIN + 12, self._text_top + 14), fill=colour, outline=GREY)
        font = get_font(_TEXT_PX)
        draw.text((_MARGIN + 18, self._text_top), words, font=font, fill=INK)
        seconds = (tick_ms - self._start_ms) / 1000
        clock = f"{int(seconds // 60)}:{seconds % 60:04.1f}"
        if not bool((frame.frame_c >= INCOMPLETE_BELOW_C).all()):
            clock = f"incomplete  {clock}"
            draw.rectangle((tile[0], tile[1], tile[0] + tile[2] - 1, tile[1] + tile[3] - 1), outline=ALARM, width=3)
        draw.text((self.size[0] - _MARGIN, self._text_top), clock, font=font, fill=GREY, anchor="ra")
        at = self._find_place(tick_ms)
        draw.rectangle((at - 1, self._bar_top - 4, at + 1, self._bar_top + _BAR_PX + 3), fill=INK)
        return image

    def _find_near(self, tick_ms: float) -> list[int]:
        """Return the answers about the keyframe nearest to a moment, if it is near."""
        times_ms = self._track.times_ms
        if not len(times_ms):
            return []
        distances_ms = np.abs(times_ms - tick_ms)
        nearest = times_ms[distances_ms.argmin()]
        near: list[int] = np.flatnonzero(times_ms == nearest).tolist()
        return near if abs(nearest - tick_ms) <= 1000 * _NEAR_S else []

    def _find_words(self, tick_ms: float) -> tuple[str, tuple[int, int, int] | None]:
        near = self._find_near(tick_ms)
        if not near:
            return "not judged", None
        best = max(near, key=lambda index: float(self._track.probabilities[index]))
        class_id = int(self._track.class_ids[best])
        if class_id == NONE:
            return "no complete frame", None
        words = f"{self._classes[class_id]} {self._track.probabilities[best]:.2f}"
        return words, choose_class_colour(class_id)

    def _list_people(self, tick_ms: float) -> list[Person]:
        near = [index for index in self._find_near(tick_ms) if not np.isnan(self._track.boxes[index]).any()]
        return [
            Person(box=Box(*map(float, self._track.boxes[index])), label=int(self._track.class_ids[index]))
            for index in near
            if self._track.class_ids[index] != NONE
        ]

    def _draw_background(self) -> Image.Image:
        image = Image.new("RGB", self.size, PAPER)
        draw = ImageDraw.Draw(image)
        y = draw_lines(draw, (_MARGIN, _MARGIN), self._title, _TITLE_PX)
        draw_scale(draw, image, (_MARGIN, round(y) + 4), self.size[0] - 2 * _MARGIN, self._scale, size_px=_TEXT_PX)
        left, right = _MARGIN, self.size[0] - _MARGIN
        draw.rectangle((left, self._bar_top, right, self._bar_top + _BAR_PX), fill=FAINT)
        for stretch in self._track.find_stretches(self._classes):
            if stretch.class_name is None:
                continue
            colour = choose_class_colour(self._classes.index(stretch.class_name))
            ends = (self._find_place(stretch.start_ms), max(self._find_place(stretch.end_ms), left + 1))
            draw.rectangle((ends[0], self._bar_top, ends[1], self._bar_top + _BAR_PX), fill=colour)
        return image

    def _find_place(self, time_ms: float) -> int:
        left, right = _MARGIN, self.size[0] - _MARGIN
        share = (time_ms - self._start_ms) / max(1, self._end_ms - self._start_ms)
        return left + round((right - left) * min(1.0, max(0.0, share)))


def check_length(seconds: float, *, where: str) -> None:
    """Check that a recording is short enough to be drawn moving.

    Raises:
        RequestError: if it is not.
    """
    if seconds > MAX_SECONDS:
        raise RequestError(
            f"{where}: lasts {seconds:,.0f} s, and an animation at most {MAX_SECONDS:,.0f} s",
            hint="leave --animation out; --timeline draws any length",
        )
