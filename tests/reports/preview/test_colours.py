from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps

from thermalctl.errors import RequestError
from thermalctl.reports.preview.colours import (
    MISSING,
    choose_class_colour,
    contrast_with,
    make_scale,
    parse_range,
    read_colormap,
)


def test_temperatures_are_painted_as_matplotlib_would() -> None:
    scale = make_scale([], colormap="viridis", range_c=(10.0, 30.0))
    image_c = np.array([[10.0, 20.0, 30.0, 5.0, 35.0]], dtype=np.float32)
    expected = [np.round(np.array(colormaps["viridis"](share)[:3]) * 255) for share in (0.0, 0.5, 1.0, 0.0, 1.0)]
    np.testing.assert_allclose(scale.paint(image_c)[0], expected, atol=2)
    assert scale.origin == "as given"


def test_what_is_no_temperature_has_a_colour_of_its_own() -> None:
    scale = make_scale([], range_c=(10.0, 30.0))
    image_c = np.array([[-273.2, np.nan, 20.0]], dtype=np.float32)
    painted = scale.paint(image_c)
    assert [tuple(colour) for colour in painted[0, :2].tolist()] == [MISSING] * 2
    assert tuple(painted[0, 2].tolist()) != MISSING
    assert scale.find_levels(image_c)[0].tolist()[:2] == [-1, -1]


def test_range_is_percentiles_of_all_images_without_missing_pixels() -> None:
    values = np.linspace(10, 40, 3001, dtype=np.float32)
    images_c = [values[:1500], np.full(5000, -273.2, dtype=np.float32), values[1500:], np.empty(0, dtype=np.float32)]
    scale = make_scale(images_c, range_c=None)
    assert scale.low_c == pytest.approx(10 + 0.005 * 30, abs=0.06)
    assert scale.high_c == pytest.approx(10 + 0.997 * 30, abs=0.06)
    assert scale.origin == "percentiles 0.5 and 99.7 of the recorded frames"


def test_still_room_keeps_a_scale_of_two_degrees() -> None:
    scale = make_scale([np.full((3, 4, 5), 20.0, dtype=np.float32)], range_c=None)
    assert (scale.low_c, scale.high_c) == (19.0, 21.0)


def test_images_without_any_temperature_still_have_a_scale() -> None:
    scale = make_scale([np.full((2, 2), np.nan, dtype=np.float32)], range_c=None)
    assert scale.low_c < scale.high_c
    assert "no frame holds a temperature" in scale.origin


@pytest.mark.parametrize(
    ("text", "expected"), [("18:32", (18.0, 32.0)), ("-5.5:+3", (-5.5, 3.0)), (" 1 : 2 ", (1.0, 2.0))]
)
def test_range_is_parsed(text: str, expected: tuple[float, float]) -> None:
    assert parse_range(text) == expected


@pytest.mark.parametrize("text", ["", "18", "32:18", "20:20", "a:b", "1:2:3", "nan:3", "18-32"])
def test_impossible_range_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="expected LOW:HIGH"):
        parse_range(text)


def test_unknown_colormap_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"Is inferno meant\?"):
        read_colormap("infernal")


def test_classes_have_distinct_colours_that_text_is_legible_on() -> None:
    colours = [choose_class_colour(label) for label in range(14)]
    distances = [
        np.abs(np.subtract(first, second)).sum() for place, first in enumerate(colours) for second in colours[:place]
    ]
    assert min(distances) > 40
    for colour in colours:
        ink = contrast_with(colour)
        assert abs(np.dot(np.subtract(ink, colour), (0.299, 0.587, 0.114))) > 100


def test_text_is_white_on_dark_and_black_on_light() -> None:
    assert contrast_with((0, 0, 120)) == (255, 255, 255)
    assert contrast_with((250, 250, 90)) == (0, 0, 0)
