from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rich.text import Text

from thermalctl.reports.preview.clips import PreviewClip
from thermalctl.reports.preview.colours import Scale, choose_class_colour, make_scale
from thermalctl.reports.preview.terminal import SHADES, count_side_by_side, draw_clips

MakeClip = Callable[..., PreviewClip]
CLASSES = ("standing", "lying on the floor")


@pytest.fixture(scope="module")
def scale() -> Scale:
    return make_scale([], range_c=(10.0, 30.0))


def draw(clip: PreviewClip, scale: Scale, *, width: int = 80, coloured: bool = True) -> list[Text]:
    return draw_clips([clip], scale, CLASSES, width=width, coloured=coloured)


def halves(lines: list[Text]) -> list[list[tuple[Any, Any]]]:
    """Return the colours of the upper and the lower half of every half block, by line."""
    found = []
    for line in lines:
        styles = {offset: span.style for span in line.spans for offset in range(span.start, span.end)}
        cells: list[Any] = [styles[place] for place, character in enumerate(line.plain) if character == "▀"]
        if cells:
            found.append([(tuple(style.color.triplet), tuple(style.bgcolor.triplet)) for style in cells])
    return found


@pytest.mark.parametrize(("width", "number"), [(20, 1), (52, 2), (80, 3), (120, 4), (200, 7)])
def test_as_many_frames_stand_side_by_side_as_are_recognisable(width: int, number: int) -> None:
    assert count_side_by_side(width) == number


@pytest.mark.parametrize("width", [30, 80, 133])
@pytest.mark.parametrize("shape", [(16, 16), (40, 60), (60, 40), (120, 160)])
@pytest.mark.parametrize("coloured", [True, False])
def test_pictures_fit_the_width(
    make_clip: MakeClip, scale: Scale, width: int, shape: tuple[int, int], coloured: bool
) -> None:
    frames_c = np.full((6, *shape), 20, dtype=np.float32)
    lines = draw(make_clip(frames_c, labels=(0, 1), incomplete=[1]), scale, width=width, coloured=coloured)
    pictures = [line for line in lines if "▀" in line.plain or "+" * 5 in line.plain]
    assert len(pictures) > 5
    assert max(line.cell_len for line in pictures) <= width


def test_half_blocks_have_the_colours_of_the_rows_above_and_below(make_clip: MakeClip, scale: Scale) -> None:
    # 8 rows of 8 pixels fill 44 columns; 44 pixels high is 22 lines, the upper half warm.
    frame_c = np.full((1, 8, 8), 12, dtype=np.float32)
    frame_c[0, :4] = 28
    cells = halves(draw(make_clip(frame_c), scale))
    assert len(cells) == 22 and len(cells[0]) == 44
    warm, cold = (tuple(scale.paint(np.float32([[value]]))[0, 0].tolist()) for value in (28, 12))
    assert cells[0][-1] == (warm, warm)
    assert cells[5][-1] == (warm, warm) and cells[16][-1] == (cold, cold)
    assert cells[-1][-1] == (cold, cold)


def test_keyframe_has_a_box_in_its_classes_colour(make_clip: MakeClip, scale: Scale) -> None:
    frames_c = np.full((2, 40, 60), 20, dtype=np.float32)
    cells = halves(draw(make_clip(frames_c, labels=(1,)), scale))
    colour = choose_class_colour(1)
    columns = [place for row in cells for place, pair in enumerate(row) if colour in pair]
    assert columns
    assert min(columns) >= len(cells[0]) // 2  # the second frame is the keyframe


def test_without_colour_warmth_is_a_denser_shade(make_clip: MakeClip, scale: Scale) -> None:
    frame_c = np.full((1, 40, 60), 10.5, dtype=np.float32)
    frame_c[0, :, 40:] = 29.5
    frame_c[0, :, :4] = np.nan
    lines = draw(make_clip(frame_c), scale, coloured=False)
    assert all(not span.style or "rgb" not in str(span.style) for line in lines[-3:] for span in line.spans)
    picture = lines[-1].plain
    assert (picture[0], picture[20], picture[-1]) == ("?", SHADES[0], SHADES[-1])
    assert any("┌" in line.plain and "┐" in line.plain for line in lines)


def test_heading_says_what_and_when_and_captions_what_is_special(make_clip: MakeClip, scale: Scale) -> None:
    clip = make_clip(np.full((3, 8, 8), 20), labels=(0, 1), incomplete=[0], remark="pair 1")
    text = "\n".join(line.plain for line in draw(clip, scale))
    assert text.startswith("10.0 °C ")
    assert "■ standing  ■ also lying on the floor\n" in text
    assert "A_1_k5 · train · A_1 frame 5 · 2025-01-06 09:00:00 UTC · 1 of 3 frames incomplete · pair 1\n" in text
    assert "-0.10 s, incomplete" in text and "0 s keyframe" in text and "+0.10 s" in text


def test_draws_stand_beside_the_recorded_frame(make_clip: MakeClip, scale: Scale) -> None:
    draws_c = np.full((2, 1, 6, 6), 28, dtype=np.float32)
    lines = draw(make_clip(np.full((1, 8, 12), 12), draws_c=draws_c), scale)
    caption = next(line.plain for line in lines if "draw 1" in line.plain)
    assert caption.index("keyframe") < caption.index("draw 1") < caption.index("draw 2")
    warm = tuple(scale.paint(np.float32([[28]]))[0, 0].tolist())
    assert halves(lines)[0][-1] == (warm, warm)
