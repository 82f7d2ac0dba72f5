from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from thermalctl.annotations.coco import Box
from thermalctl.reports.preview.canvas import (
    draw_people,
    draw_scale,
    fit_frame,
    fit_text,
    get_font,
    paint_frame,
    resize_frame,
    wrap_text,
)
from thermalctl.reports.preview.clips import Person
from thermalctl.reports.preview.colours import choose_class_colour, make_scale

FONT = get_font(13)
LONG = "transition-lying on the bed or couch, seen from above"


def test_text_that_fits_is_left_alone_and_other_text_is_cut_to_fit() -> None:
    assert fit_text("standing", FONT, 200) == "standing"
    cut = fit_text(LONG, FONT, 100)
    assert cut.endswith("…") and LONG.startswith(cut[:-1])
    assert 80 < FONT.getlength(cut) <= 100


def test_text_is_broken_between_words_and_only_the_last_line_cut() -> None:
    lines = wrap_text(LONG, FONT, 140, max_lines=5)
    assert " ".join(lines) == LONG
    assert len(lines) > 1 and all(FONT.getlength(line) <= 140 for line in lines)
    two = wrap_text(LONG, FONT, 140, max_lines=2)
    assert two[0] == lines[0] and two[1].endswith("…")
    assert wrap_text("x" * 100, FONT, 60, max_lines=2)[0].endswith("…")


def test_enlarged_frame_keeps_the_sensors_pixels() -> None:
    image_c = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(resize_frame(image_c, (9, 6)), image_c.repeat(3, axis=0).repeat(3, axis=1))


def test_reduced_frame_is_the_mean() -> None:
    image_c = np.array([[10, 20, 30, 50], [20, 30, 30, 50]], dtype=np.float32)
    np.testing.assert_allclose(resize_frame(image_c, (2, 1)), [[20, 40]])


def test_missing_pixels_do_not_spread() -> None:
    image_c = np.full((6, 6), 20, dtype=np.float32)
    image_c[3:] = -273.2
    assert set(np.unique(resize_frame(image_c, (5, 5)))) == {np.float32(20), np.float32(-273.2)}


@pytest.mark.parametrize(
    ("shape", "side", "size"),
    [
        ((40, 60), 180, (180, 120)),
        ((40, 60), 190, (180, 120)),
        ((16, 16), 190, (176, 176)),
        ((60, 40), 190, (120, 180)),
        ((120, 160), 184, (184, 138)),
        ((256, 384), 192, (192, 128)),
        ((1, 400), 100, (100, 1)),
    ],
)
def test_frames_keep_their_aspect_and_are_enlarged_by_whole_factors(
    shape: tuple[int, int], side: int, size: tuple[int, int]
) -> None:
    assert fit_frame(shape, side) == size


def test_painted_frame_has_the_scales_colours_where_the_temperatures_are() -> None:
    scale = make_scale([], range_c=(10.0, 30.0))
    image = np.asarray(paint_frame(np.array([[10, 30], [20, 20]], dtype=np.float32), scale, (20, 20)))
    assert image.shape == (20, 20, 3)
    assert image[0, 0].tolist() == scale.colours[0].tolist() == image[9, 9].tolist()
    assert image[0, 10].tolist() == scale.colours[255].tolist()


def draw(
    people: list[Person], classes: list[str], tile: tuple[int, int, int, int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = Image.new("RGB", (400, 300), (90, 90, 90))
    draw_people(ImageDraw.Draw(image), people, classes, tile)
    return np.asarray(image)


def test_box_is_drawn_in_its_classes_colour_where_it_is() -> None:
    person = Person(box=Box(0.5, 0.5, 0.4, 0.2), label=1)
    image = draw([person], ["", "walking"], (100, 50, 200, 200))
    colour = list(choose_class_colour(1))
    # Half of 200 is 100 from the tile's corner; 40 either way, 20 up and down.
    for row, column in ((130, 170), (130, 160), (169, 200), (140, 160), (140, 239)):
        assert image[row, column].tolist() == colour
    assert image[150, 200].tolist() == [90, 90, 90]
    assert image[128, 159].tolist() != colour  # outside


@pytest.mark.parametrize("cx", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("cy", [0.0, 0.5, 1.0])
def test_boxes_and_labels_of_any_length_stay_inside_the_frame(cx: float, cy: float) -> None:
    people = [Person(box=Box(cx, cy, 0.3, 0.3), label=label) for label in (0, 1)]
    image = draw(people, [LONG * 3, "sitting"], (100, 50, 150, 100))
    image = image.copy()
    image[49:151, 99:251] = 90  # one pixel of black around a box may be beside it
    assert (image == 90).all()


def test_labels_hide_neither_people_nor_each_other_where_there_is_room() -> None:
    people = [Person(box=Box(0.2, y, 0.1, 0.1), label=label) for label, y in enumerate((0.3, 0.42))]
    image = draw(people, ["standing", "walking"], (0, 0, 400, 300))
    for label, person in enumerate(people):
        top, bottom = (round((person.box.cy + side * 0.05) * 300) for side in (-1, 1))
        inside = image[top + 4 : bottom - 4, 64:96]
        assert (inside == 90).all()
        # A label is a filled rectangle: many pixels of the colour, beyond the box's outline.
        outline = 2 * 2 * (40 + 30)
        assert (image == choose_class_colour(label)).all(axis=-1).sum() > outline + 300


def test_frame_too_low_for_text_still_has_its_box() -> None:
    image = draw([Person(box=Box(0.5, 0.5, 0.5, 0.8), label=0)], ["standing"], (0, 0, 60, 10))
    assert (image == choose_class_colour(0)).all(axis=-1).any()


def test_scale_bar_runs_from_the_first_colour_to_the_last() -> None:
    scale = make_scale([], range_c=(10.0, 30.0))
    image = Image.new("RGB", (500, 60), (255, 255, 255))
    height = draw_scale(ImageDraw.Draw(image), image, (10, 10), 480, scale, size_px=13)
    row = np.asarray(image)[10 + height // 2]
    first = np.flatnonzero((row == scale.colours[0]).all(axis=-1))
    last = np.flatnonzero((row == scale.colours[255]).all(axis=-1))
    assert len(first) and len(last)
    assert last[-1] - first[0] > 300
