from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.people.background import RoomBackground, estimate_background

Room = Any
NOBODY = np.zeros((24, 32), dtype=np.bool_)


def learn(background: RoomBackground, frame_c: np.ndarray, people: np.ndarray, *, seconds: float) -> None:
    for _ in range(round(seconds * 5)):
        background.learn(background.measure_excess(frame_c), people, 0.2)


def test_first_background_has_the_room_where_somebody_is(room: Room) -> None:
    frame_c = room.draw((6, 8, 11, 20, 6.0))  # lying, half as long as the frame is high
    np.testing.assert_array_equal(estimate_background(frame_c), room.draw())


def test_first_background_keeps_a_warm_rim(room: Room) -> None:
    frame_c = np.full((24, 32), 25.0, dtype=np.float32)
    frame_c[3:-3, 3:-3] = 22.0
    estimated_c = estimate_background(frame_c)
    np.testing.assert_array_equal(estimated_c[:, 8:-8], frame_c[:, 8:-8])
    np.testing.assert_array_equal(estimated_c[8:-8], frame_c[8:-8])


def test_first_background_is_nowhere_colder_than_the_median(room: Room) -> None:
    frame_c = room.draw((0, 0, 10, 32, -4.0), (3, 10, 7, 14, 0.0))  # a chair as warm as the room on a cold floor
    assert (estimate_background(frame_c) >= 22.0).all()


@pytest.mark.parametrize("offset_c", [1.0, -1.0])
def test_offset_of_the_whole_frame_is_no_warmth(room: Room, offset_c: float) -> None:
    background = RoomBackground(room.draw(), NOBODY)
    excess_c = background.measure_excess(room.draw((6, 8, 12, 16, 6.0)) + np.float32(offset_c))
    np.testing.assert_allclose(excess_c, room.draw((6, 8, 12, 16, 6.0)) - 22.0, atol=1e-5)


def test_nothing_warm_is_learnt_where_people_are(room: Room) -> None:
    frame_c = room.draw((6, 8, 12, 16, 6.0))
    background = RoomBackground(room.draw(), NOBODY)
    learn(background, frame_c, frame_c > 22, seconds=600)
    assert background.measure_excess(frame_c)[6:12, 8:16] == pytest.approx(6.0)


def test_warmth_is_learnt_in_minutes_where_nobody_is(room: Room) -> None:
    """A time constant of 120 s: after 120 s more e^-1 = 37 % of it are left."""
    frame_c = room.draw((6, 8, 12, 16, 2.0))
    background = RoomBackground(room.draw(), NOBODY)
    learn(background, room.draw(), NOBODY, seconds=240)
    learn(background, frame_c, NOBODY, seconds=120)
    assert background.measure_excess(frame_c)[6:12, 8:16] == pytest.approx(2.0 * np.exp(-1), rel=0.02)


def test_colder_place_is_learnt_in_seconds_even_about_people(room: Room) -> None:
    somebody_c = room.draw((6, 8, 12, 16, 6.0))
    background = RoomBackground(somebody_c, NOBODY)  # taken for the room
    learn(background, room.draw(), somebody_c > 22, seconds=10)
    assert np.abs(background.measure_excess(room.draw())).max() < 1.01  # a degree is within what noise may be


def test_interruption_teaches_nothing(room: Room) -> None:
    frame_c = room.draw((6, 8, 12, 16, 2.0))
    background = RoomBackground(room.draw(), NOBODY)
    learn(background, room.draw(), NOBODY, seconds=240)
    background.learn(background.measure_excess(frame_c), NOBODY, 7 * 3600.0)
    assert background.measure_excess(frame_c)[6:12, 8:16] == pytest.approx(2.0, rel=0.01)


def test_clock_that_was_set_back_teaches_nothing(room: Room) -> None:
    frame_c = room.draw((6, 8, 12, 16, 2.0))
    background = RoomBackground(room.draw(), NOBODY)
    background.learn(background.measure_excess(frame_c), NOBODY, -5.0)
    assert background.measure_excess(frame_c)[6:12, 8:16] == pytest.approx(2.0)


def test_noise_of_each_pixel_is_found_though_somebody_passes(room: Room) -> None:
    rng = np.random.default_rng(1)
    true_c = np.full((24, 32), 0.25)
    true_c[:, :8] = 1.5
    background = RoomBackground(room.draw(), NOBODY)
    found_c = []
    for number in range(600):
        # Somebody crosses the right half every 40 frames, and is in each pixel for a tenth of the time.
        left = 8 + number % 40
        frame_c = room.draw((8, left, 16, left + 4, 6.0)) + rng.normal(0.0, true_c)
        background.learn(background.measure_excess(frame_c.astype(np.float32)), NOBODY, 0.2)
        found_c.append(background.noise_c)
    noise_c = np.mean(found_c[300:], axis=0)
    assert np.median(noise_c[:, :8]) == pytest.approx(1.5, rel=0.15)
    assert np.median(noise_c[:, 8:]) == pytest.approx(0.25, rel=0.15)
    assert noise_c[8:16, 12:28].max() < 0.6


def test_what_is_taken_over_is_no_warmth_any_more(room: Room) -> None:
    frame_c = room.draw((6, 8, 12, 16, 6.0))
    background = RoomBackground(room.draw(), NOBODY)
    background.take_over(background.measure_excess(frame_c), frame_c > 22)
    np.testing.assert_allclose(background.measure_excess(frame_c), 0.0, atol=1e-6)
