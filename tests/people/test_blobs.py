from __future__ import annotations

import numpy as np
import pytest

from thermalctl.people.blobs import WarmthSettings, count_least_pixels, draw_places, find_margin, find_warm_blobs

SETTINGS = WarmthSettings()


def excess(*warm: tuple[int, int, int, int, float], size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """A room without warmth, and rectangles (top, left, bottom, right, deg C) in it."""
    excess_c = np.zeros(size, dtype=np.float32)
    for top, left, bottom, right, contrast_c in warm:
        excess_c[top:bottom, left:right] = contrast_c
    return excess_c


def test_box_encloses_the_warm_pixels() -> None:
    (blob,) = find_warm_blobs(excess((6, 8, 12, 16, 5.0)), 0.0, SETTINGS)
    assert blob.box == pytest.approx((12 / 32, 9 / 24, 8 / 32, 6 / 24))
    assert blob.contrast_c == pytest.approx(5.0)
    assert len(blob.pixels) == 48
    assert blob.heat == pytest.approx(240.0)


def test_two_apart_are_two() -> None:
    blobs = find_warm_blobs(excess((2, 2, 8, 6, 5.0), (12, 20, 18, 24, 3.0)), 0.0, SETTINGS)
    assert [round(blob.contrast_c) for blob in blobs] == [5, 3]


def test_pixels_that_touch_by_a_corner_are_one() -> None:
    assert len(find_warm_blobs(excess((2, 2, 6, 6, 5.0), (6, 6, 10, 10, 5.0)), 0.0, SETTINGS)) == 1


def test_weaker_warmth_beside_somebody_is_left_out() -> None:
    """4 tenths of 6 deg C are 2.4; a bed that is still 2 deg C warm is below, 3 deg C above."""
    (blob,) = find_warm_blobs(excess((6, 8, 12, 16, 6.0), (6, 16, 12, 20, 2.0)), 0.0, SETTINGS)
    assert len(blob.pixels) == 48
    (blob,) = find_warm_blobs(excess((6, 8, 12, 16, 6.0), (6, 16, 12, 20, 3.0)), 0.0, SETTINGS)
    assert len(blob.pixels) == 48 + 24


def test_few_hot_pixels_do_not_make_somebody_smaller() -> None:
    """A hot cup in their hand: 3 of 48 pixels are above the 90th percentile."""
    excess_c = excess((6, 8, 12, 16, 5.0), (6, 8, 7, 11, 30.0))
    (blob,) = find_warm_blobs(excess_c, 0.0, SETTINGS)
    assert len(blob.pixels) == 48


@pytest.mark.parametrize(
    ("corners", "is_found"),
    # Of 24x32 = 768 pixels 0.5 % are 4, 25 % are 192.
    [((2, 2, 3, 5), False), ((2, 2, 4, 4), True), ((2, 2, 18, 14), True), ((2, 2, 19, 14), False)],
)
def test_only_what_is_of_a_persons_size_is_found(corners: tuple[int, int, int, int], is_found: bool) -> None:
    assert len(find_warm_blobs(excess((*corners, 5.0)), 0.0, SETTINGS)) == is_found


def test_pixels_within_their_own_noise_are_not_warm() -> None:
    noise_c = np.full((24, 32), 0.25, dtype=np.float32)
    noise_c[:, 16:] = 1.5  # four times that are 6 deg C
    excess_c = excess((6, 4, 12, 8, 5.0), (6, 20, 12, 24, 5.0))
    (blob,) = find_warm_blobs(excess_c, noise_c, SETTINGS)
    assert blob.box.cx == pytest.approx(6 / 32)


def test_settings_say_what_is_warm() -> None:
    excess_c = excess((6, 8, 12, 16, 1.1))
    assert find_warm_blobs(excess_c, 0.0, SETTINGS) == []
    assert len(find_warm_blobs(excess_c, 0.0, WarmthSettings(least_excess_c=1.0))) == 1


@pytest.mark.parametrize(
    ("size", "pixels", "margin"),
    [((8, 8), 3, 1), ((24, 32), 4, 1), ((40, 60), 12, 2), ((120, 160), 96, 6)],
)
def test_sizes_grow_with_the_frame(size: tuple[int, int], pixels: int, margin: int) -> None:
    assert (count_least_pixels(size), find_margin(size)) == (pixels, margin)


def test_places_are_the_pixels_and_those_about_them() -> None:
    excess_c = excess((6, 8, 12, 16, 5.0))
    blobs = find_warm_blobs(excess_c, 0.0, SETTINGS)
    np.testing.assert_array_equal(draw_places(blobs, (24, 32), with_margin=False), excess_c > 0)
    np.testing.assert_array_equal(draw_places(blobs, (24, 32), with_margin=True), excess((5, 7, 13, 17, 1.0)) > 0)
    assert not draw_places([], (24, 32), with_margin=True).any()
