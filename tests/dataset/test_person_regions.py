from __future__ import annotations

import numpy as np

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.person_regions import find_person_regions


def look(margin: float, min_px: float = 0.0) -> ClipSpec:
    return ClipSpec(classes=("a", "b"), target="person", person_margin=margin, person_min_px=min_px)


def test_region_is_a_square_around_the_box() -> None:
    # 40x60: a box of 12x8 pixels around (30, 10); 1.5 times its longer side is 18.
    regions = find_person_regions(np.array([[0.5, 0.25, 0.2, 0.2]]), (40, 60), look(1.5))
    assert regions.dtype == np.float32
    np.testing.assert_allclose(regions, [[21, 1, 18, 18]], rtol=1e-6)


def test_each_person_has_a_square_of_their_own() -> None:
    regions = find_person_regions(np.array([[0.5, 0.5, 0.1, 0.1], [0.5, 0.5, 0.1, 0.5]]), (40, 60), look(1.0))
    np.testing.assert_allclose(regions, [[27, 17, 6, 6], [20, 10, 20, 20]], rtol=1e-6)


def test_square_goes_with_the_person_and_keeps_the_size_of_their_largest_box() -> None:
    # Boxes of 6x4 pixels around (30, 20) and of 6x12 around (36, 24), then a still one of 12x4: sides of 12 for both.
    walking = [[0.5, 0.5, 0.1, 0.1], [0.6, 0.6, 0.1, 0.3]]
    still = [[0.5, 0.5, 0.2, 0.1], [0.5, 0.5, 0.2, 0.1]]
    regions = find_person_regions(np.array([walking, still]), (40, 60), look(2.0))
    np.testing.assert_allclose(regions[0], [[18, 8, 24, 24], [24, 12, 24, 24]], rtol=1e-6)
    np.testing.assert_allclose(regions[1], [[18, 8, 24, 24], [18, 8, 24, 24]], rtol=1e-6)


def test_square_may_reach_beyond_the_frame() -> None:
    regions = find_person_regions(np.array([[0.0, 1.0, 0.2, 0.1]]), (40, 60), look(1.0))
    np.testing.assert_allclose(regions, [[-6, 34, 12, 12]], rtol=1e-6)


def test_square_has_at_least_so_many_pixels() -> None:
    # Boxes of 6x4 and 24x8 pixels around the middle; the longer side of the second is more than the least.
    boxes = np.array([[0.5, 0.5, 0.1, 0.1], [0.5, 0.5, 0.4, 0.2]])
    regions = find_person_regions(boxes, (40, 60), look(1.0, min_px=20))
    np.testing.assert_allclose(regions, [[20, 10, 20, 20], [18, 8, 24, 24]], rtol=1e-6)
