"""Animations as files: GIF, which plays everywhere, and MP4, which is a third of the size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from thermalctl.errors import RequestError
from thermalctl.files import replace_file
from thermalctl.reports.preview.canvas import ALARM, FAINT, GREY, INK, PAPER
from thermalctl.reports.preview.colours import MISSING, Scale, choose_class_colour

#: GIF counts time in hundredths of a second, and players slow down what is shorter than two of them.
MIN_GIF_DELAY_CS = 2
#: MPEG-4 part 2: the one codec for MP4 that every build of OpenCV has and that is quick. H.264 it may not ship, and
#: its VP9 took a second for each picture. Media players play it, browsers do not.
CODEC = "mp4v"
#: Of a GIF's 256 colours, so many are temperatures; the rest are text and boxes.
NUM_TEMPERATURES = 200
_NUM_GREYS = 12

OnProgress = Callable[[int, int], None]


class MovingPictures(Protocol):
    """What can be written as an animation.

    Attributes:
        size: (width, height) in pixels, both even: video codecs halve them.
    """

    size: tuple[int, int]

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Image.Image]: ...

    def list_labels(self) -> list[int]:
        """Return the ids of the classes whose colours appear."""


def choose_frame_seconds(frame_rate_hz: float, *, is_gif: bool) -> float:
    """Return how long each picture is shown, seconds; for a GIF the nearest that it can say."""
    if not is_gif:
        return 1 / frame_rate_hz
    return max(MIN_GIF_DELAY_CS, round(100 / frame_rate_hz)) / 100


def write_gif(
    path: Path, animation: MovingPictures, scale: Scale, *, frame_s: float, on_progress: OnProgress | None = None
) -> None:
    """Write an animation to `path` as a GIF that repeats, whole or not at all."""
    palette = _make_palette(animation, scale)
    pictures = (
        image.quantize(palette=palette, dither=Image.Dither.NONE) for image in _count_off(animation, on_progress)
    )
    first = next(pictures)
    with replace_file(path) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pictures,
            duration=round(1000 * frame_s),
            loop=0,
            optimize=False,
        )


def write_mp4(path: Path, animation: MovingPictures, *, frame_s: float, on_progress: OnProgress | None = None) -> None:
    """Write an animation to `path` as MP4, MPEG-4 part 2, whole or not at all.

    Raises:
        RequestError: if OpenCV is missing or cannot write MP4, or what it wrote does not play.
    """
    try:
        import cv2
    except ImportError as error:
        raise RequestError(f"MP4 needs OpenCV, which cannot be imported ({error})", hint="--format gif") from error
    with replace_file(path) as temporary:
        fourcc = cv2.VideoWriter.fourcc(*CODEC)
        writer = cv2.VideoWriter(str(temporary), cv2.CAP_FFMPEG, fourcc, 1 / frame_s, animation.size)
        if not writer.isOpened():
            raise RequestError(f"OpenCV {cv2.__version__} cannot write MP4 with {CODEC}", hint="--format gif")
        for image in _count_off(animation, on_progress):
            writer.write(np.ascontiguousarray(np.asarray(image)[..., ::-1]))
        writer.release()
        film = cv2.VideoCapture(str(temporary), cv2.CAP_FFMPEG)
        num_played = 0
        while film.grab():
            num_played += 1
        film.release()
        if num_played != len(animation):  # OpenCV says nothing when a disk is full
            raise RequestError(
                f"{path}: {num_played} of {len(animation)} pictures were written", hint="is the disk full? --format gif"
            )


def _count_off(animation: MovingPictures, on_progress: OnProgress | None) -> Iterator[Image.Image]:
    for number, image in enumerate(animation, start=1):
        yield image
        if on_progress is not None:
            on_progress(number, len(animation))


def _make_palette(animation: MovingPictures, scale: Scale) -> Image.Image:
    """Return the 256 colours that every picture of the GIF uses, so that a temperature never changes its colour."""
    levels = np.linspace(0, len(scale.colours) - 1, NUM_TEMPERATURES).round().astype(int)
    greys = np.linspace(INK, PAPER, _NUM_GREYS)
    classes = [choose_class_colour(label) for label in animation.list_labels()]
    others = np.array([MISSING, ALARM, GREY, FAINT, (0, 0, 0), *classes])
    others = others[: 256 - len(greys) - len(levels)]  # 39 classes; those after them get the nearest colour
    colours = np.vstack([greys, others, scale.colours[levels]]).round().astype(np.uint8)
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours.tobytes())
    return palette
