from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.people.association import Sighting, associate, measure_gap, measure_step, split_shared
from thermalctl.people.blobs import Detection, outline

Room = Any
SIZE = (24, 32)


def blob(room: Room, *rectangles: tuple[int, int, int, int], contrast_c: float = 6.0) -> Detection:
    excess_c = room.draw(*[(*rectangle, contrast_c) for rectangle in rectangles]) - np.float32(22.0)
    return outline(np.argwhere(excess_c > 0), excess_c)


def sighting(detection: Detection, elapsed_s: float = 0.2) -> Sighting:
    return Sighting(detection=detection, elapsed_s=elapsed_s)


def test_nobody_before_and_nobody_now_make_no_pair() -> None:
    assert associate([], [], SIZE) == {}


def test_two_who_move_keep_apart(room: Room) -> None:
    left, right = blob(room, (6, 4, 14, 8)), blob(room, (6, 20, 14, 24))
    pairs = associate(
        [blob(room, (6, 18, 14, 22)), blob(room, (6, 6, 14, 10))], [sighting(left), sighting(right)], SIZE
    )
    assert pairs == {0: 1, 1: 0}


@pytest.mark.parametrize(
    ("distance_px", "elapsed_s", "is_found"),
    # A side of 8 pixels: half of it is 4; two a second are 3.2 more after 0.2 s; at most one and a half, 12.
    [(4, 0.0, True), (5, 0.0, False), (7, 0.2, True), (8, 0.2, False), (12, 5.0, True), (13, 5.0, False)],
)
def test_nobody_is_found_further_off_than_they_can_have_walked(
    room: Room, distance_px: int, elapsed_s: float, is_found: bool
) -> None:
    before, after = blob(room, (6, 4, 14, 8)), blob(room, (6, 4 + distance_px, 14, 8 + distance_px))
    assert associate([after], [sighting(before, elapsed_s)], SIZE) == ({0: 0} if is_found else {})


def test_number_stays_with_the_hotter_of_two_parts(room: Room) -> None:
    """Somebody of 6 deg C and a mat of 4 were one; the mat is now as near to their middle as they are."""
    both = blob(room, (6, 8, 14, 20))
    person, mat = blob(room, (6, 6, 14, 12)), blob(room, (8, 16, 12, 22), contrast_c=4.0)
    assert associate([mat, person], [sighting(both)], SIZE) == {0: 1}


def test_two_who_touch_are_divided_where_they_were(room: Room) -> None:
    left, right = blob(room, (6, 4, 14, 8)), blob(room, (6, 12, 14, 16))
    together = blob(room, (6, 6, 14, 14))
    excess_c = room.draw((6, 6, 14, 14, 6.0)) - np.float32(22.0)
    parts = split_shared([together], [left, right], excess_c)
    assert [part.box for part in parts] == [
        pytest.approx(room.box(6, 6, 14, 10)),
        pytest.approx(room.box(6, 10, 14, 14)),
    ]
    assert sum(len(part.pixels) for part in parts) == 64


def test_one_alone_is_not_divided(room: Room) -> None:
    left, right = blob(room, (6, 4, 14, 8)), blob(room, (6, 24, 14, 28))
    now = [blob(room, (6, 5, 14, 9)), blob(room, (6, 23, 14, 27))]
    assert split_shared(now, [left, right], room.draw()) == now


def test_who_is_left_with_a_few_pixels_is_hidden(room: Room) -> None:
    """The front one has come before the other but for a strip of 8 of that one's 64 pixels."""
    front, behind = blob(room, (6, 9, 14, 17)), blob(room, (6, 17, 14, 25))
    together = blob(room, (6, 10, 14, 18))
    excess_c = room.draw((6, 10, 14, 18, 6.0)) - np.float32(22.0)
    (seen,) = split_shared([together], [front, behind], excess_c)
    assert seen.box == pytest.approx(room.box(6, 10, 14, 17))


def test_step_and_gap_are_measured_between_boxes(room: Room) -> None:
    first, second = room.box(6, 4, 14, 8), room.box(9, 12, 17, 16)
    assert measure_step(first, second, SIZE) == pytest.approx(np.hypot(8, 3) / 8)
    assert measure_gap(first, second, SIZE) == pytest.approx(4.0)
    assert measure_gap(first, room.box(6, 7, 14, 11), SIZE) == pytest.approx(-1.0)
