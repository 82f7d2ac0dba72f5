from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from thermalctl.annotations.coco import Box
from thermalctl.reports.page_frames import NUM_COLOURS, Picture, describe_colours, make_page_scale, make_picture
from thermalctl.reports.preview.colours import MISSING, make_scale


def decode(picture: Picture) -> np.ndarray:
    head, _, data = picture.uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def test_each_pixel_has_the_colour_of_its_temperature() -> None:
    image_c = np.linspace(15, 30, 40 * 60, dtype=np.float32).reshape(40, 60)
    painted = decode(make_picture(image_c, make_page_scale([image_c])))
    assert painted.shape == (40, 60, 3)
    # Of 256 colours every fourth is left: each is at most three places from the one that it stands for.
    exact = make_scale([image_c], range_c=None).paint(image_c).astype(int)
    assert np.abs(painted - exact).max() <= 20
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == NUM_COLOURS


def test_pixel_without_a_temperature_has_a_colour_of_its_own() -> None:
    image_c = np.full((4, 6), 20.0, dtype=np.float32)
    image_c[3] = -273.2
    image_c[0, 0] = np.nan
    painted = decode(make_picture(image_c, make_page_scale([image_c])))
    assert {tuple(pixel) for pixel in painted[3].tolist()} == {MISSING} == {tuple(painted[0, 0].tolist())}
    assert tuple(painted[1, 1].tolist()) != MISSING


def test_large_frames_are_made_smaller_and_small_ones_kept() -> None:
    rng = np.random.default_rng(0)
    for size, wanted in (((240, 320), (72, 96)), ((4, 6), (4, 6)), ((320, 240), (96, 72))):
        image_c = rng.normal(20, 3, size).astype(np.float32)
        picture = make_picture(image_c, make_page_scale([image_c]))
        assert (picture.height, picture.width) == wanted == decode(picture).shape[:2]
        assert len(picture.uri) < 12_000


def test_boxes_are_in_the_pictures_pixels() -> None:
    image_c = np.full((40, 60), 20.0, dtype=np.float32)
    [outline] = make_picture(image_c, make_page_scale([image_c]), [(Box(0.5, 0.25, 0.2, 0.3), "person")]).outlines
    # Centre (30, 10), 12 wide and 12 high.
    assert (outline.x, outline.y, outline.width, outline.height, outline.kind) == (24, 4, 12, 12, "person")


def test_colours_are_described_from_cold_to_warm() -> None:
    image_c = np.linspace(10, 30, 200, dtype=np.float32)
    scale = make_page_scale([image_c])
    described = describe_colours(scale)
    assert len(described.stops) == NUM_COLOURS
    assert described.stops[0] == "#000004"  # the first colour of inferno
    assert (described.ticks[0], described.ticks[-1]) == (f"{scale.low_c:.1f}", f"{scale.high_c:.1f}")
    assert [float(tick) for tick in described.ticks] == sorted(float(tick) for tick in described.ticks)
