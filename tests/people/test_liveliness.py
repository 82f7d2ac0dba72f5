from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.people.blobs import outline
from thermalctl.people.liveliness import Liveliness

Room = Any


class Watched:
    """A liveliness that is shown one frame after another, 0.2 s apart."""

    def __init__(self, frame_c: np.ndarray) -> None:
        self.now_s = 0.0
        excess_c = frame_c - np.float32(22.0)
        self.life = Liveliness(outline(np.argwhere(excess_c > 0), excess_c), excess_c, 0.0)

    def show(self, frame_c: np.ndarray, *, frames: int = 1, is_apart: bool = True, was_seen: bool = True) -> Liveliness:
        for _ in range(frames):
            self.now_s += 0.2
            excess_c = frame_c - np.float32(22.0)
            detection = outline(np.argwhere(excess_c > 0), excess_c)
            self.life.watch(detection, excess_c, self.now_s, is_apart=is_apart, was_seen=was_seen)
        return self.life


def test_what_stays_as_it_is_shows_no_life(room: Room) -> None:
    frame_c = room.draw((6, 8, 14, 12, 6.0))
    life = Watched(frame_c).show(frame_c, frames=200)
    assert (life.is_alive, life.has_walked, life.last_stirred_s) == (False, False, 0.0)


@pytest.mark.parametrize("is_stretched_out", [True, False])
def test_arm_that_is_moved_is_a_stir_but_no_walk(room: Room, is_stretched_out: bool) -> None:
    arm_in, arm_out = room.draw((6, 8, 14, 12, 6.0)), room.draw((6, 8, 14, 12, 6.0), (8, 12, 10, 15, 6.0))
    before_c, after_c = (arm_in, arm_out) if is_stretched_out else (arm_out, arm_in)
    watched = Watched(before_c)
    watched.show(before_c, frames=20)
    life = watched.show(after_c)  # 6 of 38 pixels are others
    assert life.is_alive
    assert not life.has_walked
    assert life.last_stirred_s == watched.now_s


def test_cooling_and_warming_are_no_stir(room: Room) -> None:
    watched = Watched(room.draw((6, 8, 14, 12, 4.0)))
    for contrast_c in [*np.linspace(4.0, 6.0, 50), *np.linspace(6.0, 3.2, 50)]:
        assert not watched.show(room.draw((6, 8, 14, 12, float(contrast_c)))).is_alive


def test_step_to_the_side_is_a_walk(room: Room) -> None:
    """Half of 8 pixels in less than 4 s; 4 pixels are not more than half."""
    watched = Watched(room.draw((6, 8, 14, 12, 6.0)))
    for left in range(8, 13):
        assert not watched.show(room.draw((6, left, 14, left + 4, 6.0))).has_walked
    assert watched.show(room.draw((6, 13, 14, 17, 6.0))).has_walked


def test_what_wanders_like_the_sun_does_not_walk(room: Room) -> None:
    """A pixel in 2 s, a tenth of what people do."""
    watched = Watched(room.draw((6, 2, 14, 6, 6.0)))
    for left in range(2, 22):
        assert not watched.show(room.draw((6, left, 14, left + 4, 6.0)), frames=10).has_walked


def test_what_others_do_to_its_shape_is_not_its_life(room: Room) -> None:
    watched = Watched(room.draw((6, 8, 14, 12, 6.0)))
    for left in (8, 9, 10, 11, 12, 13, 14):
        assert not watched.show(room.draw((6, left, 14, left + 4, 6.0)), is_apart=False).is_alive
    # Nor is what the average still holds of them for a moment.
    life = watched.show(room.draw((6, 8, 14, 12, 6.0)), frames=5)
    assert not life.is_alive


def test_what_was_hidden_is_looked_at_anew(room: Room) -> None:
    watched = Watched(room.draw((6, 8, 14, 12, 6.0)))
    watched.show(room.draw((6, 8, 14, 12, 6.0)), frames=20)
    assert not watched.show(room.draw((7, 9, 15, 13, 6.0)), was_seen=False).is_alive


def test_doubt_takes_life_back_but_not_the_walk(room: Room) -> None:
    watched = Watched(room.draw((6, 8, 14, 12, 6.0)))
    for left in range(8, 20):
        watched.show(room.draw((6, left, 14, left + 4, 6.0)))
    watched.life.doubt(watched.now_s)
    assert (watched.life.is_alive, watched.life.has_walked) == (False, True)
