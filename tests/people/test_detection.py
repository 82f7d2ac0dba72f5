from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.errors import RecordingError
from thermalctl.people.blobs import Detection, WarmthSettings
from thermalctl.people.detection import PersonDetector

Room = Any
SOMEBODY = (6, 8, 14, 12, 6.0)


def detect(
    detector: PersonDetector, room: Room, frames_c: list[np.ndarray], *, seed: int = 0
) -> list[tuple[Detection, ...]]:
    """Return what is found in each of the frames with noise, 0.2 s apart."""
    return [
        detector.detect(frame_c, room.start_ms + 200 * number)
        for number, frame_c in enumerate(room.film(frames_c, seed=seed))
    ]


def test_somebody_who_is_there_in_the_first_frame_is_found_in_it(room: Room) -> None:
    (person,) = PersonDetector().detect(room.draw(SOMEBODY), room.start_ms)
    assert person.box == pytest.approx(room.box(6, 8, 14, 12))
    assert person.contrast_c == pytest.approx(6.0)


def test_two_people_are_found(room: Room) -> None:
    found = PersonDetector().detect(room.draw(SOMEBODY, (14, 20, 18, 30, 5.0)), room.start_ms)
    assert [person.box for person in found] == [
        pytest.approx(room.box(6, 8, 14, 12)),
        pytest.approx(room.box(14, 20, 18, 30)),
    ]


def test_empty_room_has_nobody(room: Room) -> None:
    assert not any(detect(PersonDetector(), room, [room.draw()] * 200))


@pytest.fixture
def wide_lens_c() -> np.ndarray:
    """An empty room as the real sensor shows it: a rim 3 deg C warmer, a floor 3 deg C colder with a chair on it."""
    y, x = np.mgrid[:40, :60]
    frame_c = np.full((40, 60), 18.0, dtype=np.float32)
    frame_c[22:40, 14:52] = 15.0
    frame_c[28:36, 16:23] = 18.8
    frame_c[((x - 29.5) / 25.5) ** 2 + ((y - 19.5) / 23.5) ** 2 > 1] = 21.0
    return frame_c


def test_warm_rim_and_cold_floor_are_nobody(room: Room, wide_lens_c: np.ndarray) -> None:
    assert not any(detect(PersonDetector(), room, [wide_lens_c] * 100))


def test_somebody_is_found_in_front_of_the_warm_rim(room: Room, wide_lens_c: np.ndarray) -> None:
    wide_lens_c[0:6, 10:18] = 24.0
    for (person,) in detect(PersonDetector(), room, [wide_lens_c] * 100):
        assert person.box == pytest.approx((14 / 60, 3 / 40, 8 / 60, 6 / 40), abs=0.03)


def test_pixel_that_is_always_noisy_is_nobody_once_it_is_known(room: Room) -> None:
    rng = np.random.default_rng(0)
    detector = PersonDetector()
    found = []
    for number in range(300):
        frame_c = room.draw() + rng.normal(0.0, 0.25, (24, 32)).astype(np.float32)
        frame_c[-3:, :3] += rng.normal(0.0, 4.0, (3, 3)).astype(np.float32)
        found.append(detector.detect(frame_c, room.start_ms + 200 * number))
    assert not any(found[60:])


def test_person_does_not_melt_into_the_background_in_an_hour(room: Room) -> None:
    """They come in and lie there, without a sign of life, a frame a second."""
    detector = PersonDetector()
    lying = (10, 8, 14, 20, 5.0)
    for second, frame_c in enumerate(room.film([room.draw()] * 10 + [room.draw(lying)] * 3600)):
        found = detector.detect(frame_c, room.start_ms + 1000 * second)
        assert len(found) == (second >= 10)
    assert found[0].box == pytest.approx(room.box(10, 8, 14, 20))


def test_place_that_somebody_has_left_is_nobody(room: Room) -> None:
    found = detect(PersonDetector(), room, [room.draw(SOMEBODY)] * 50 + [room.draw()] * 100)
    assert [len(people) for people in found] == [1] * 50 + [0] * 100


@pytest.mark.parametrize("offset_c", [1.0, -1.0])
def test_jump_of_the_whole_frame_makes_no_ghosts(room: Room, offset_c: float) -> None:
    frames_c = [room.draw(SOMEBODY)] * 50 + [room.draw(SOMEBODY, room_c=22.0 + offset_c)] * 50
    found = detect(PersonDetector(), room, frames_c)
    assert {len(people) for people in found} == {1}


def test_slow_drift_makes_no_ghosts(room: Room) -> None:
    frames_c = [room.draw(SOMEBODY, room_c=22.0 + 0.01 * number) for number in range(500)]
    assert {len(people) for people in detect(PersonDetector(), room, frames_c)} == {1}


@pytest.mark.parametrize("bad", [-273.2, np.nan])
def test_incomplete_frame_has_nobody_and_teaches_nothing(room: Room, bad: float) -> None:
    incomplete_c = room.draw((2, 8, 10, 12, 6.0))  # shifted up
    incomplete_c[-6:] = bad
    detector, undisturbed = PersonDetector(), PersonDetector()
    assert detector.detect(incomplete_c, room.start_ms) == ()
    for number in range(1, 50):
        frame_c = room.draw(SOMEBODY)
        (person,) = detector.detect(frame_c, room.start_ms + 200 * number)
        undisturbed.detect(frame_c, room.start_ms + 200 * number)
        assert person.box == pytest.approx(room.box(6, 8, 14, 12))
        assert detector.detect(incomplete_c, room.start_ms + 200 * number + 100) == ()
    np.testing.assert_allclose(detector.excess_c, undisturbed.excess_c, atol=1e-5)


def test_who_was_there_needs_half_the_contrast(room: Room) -> None:
    faint = room.draw((6, 8, 14, 12, 2.0))
    detector = PersonDetector()
    detector.detect(room.draw(), room.start_ms)
    assert detector.detect(faint, room.start_ms + 200) == ()
    assert len(detector.detect(faint, room.start_ms + 400, known=[room.box(5, 8, 13, 12)])) == 1
    assert detector.detect(faint, room.start_ms + 600, known=[room.box(5, 20, 13, 24)]) == ()


def test_settings_say_how_warm_a_newcomer_is(room: Room) -> None:
    faint = room.draw((6, 8, 14, 12, 2.0))
    assert len(PersonDetector(WarmthSettings(contrast_c=1.9)).detect(faint, room.start_ms)) == 1


def test_dismissed_thing_is_found_no_more_but_somebody_before_it_is(room: Room) -> None:
    radiator = (2, 20, 6, 30, 8.0)
    detector = PersonDetector()
    (found,) = detector.detect(room.draw(radiator), room.start_ms)
    detector.dismiss(found)
    assert detector.detect(room.draw(radiator), room.start_ms + 200) == ()
    (person,) = detector.detect(room.draw(radiator, (2, 22, 10, 26, 14.0)), room.start_ms + 400)
    assert person.box == pytest.approx(room.box(2, 22, 10, 26))


def test_frame_of_another_size_is_refused(room: Room) -> None:
    detector = PersonDetector()
    detector.detect(room.draw(), room.start_ms)
    with pytest.raises(RecordingError, match=r"a frame has 32x24 pixels, expected 24x32"):
        detector.detect(room.draw().T, room.start_ms + 200)
