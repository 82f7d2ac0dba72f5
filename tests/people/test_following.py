from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.people.blobs import Detection, outline
from thermalctl.people.following import Track, begin_track, is_apart, pair_up
from thermalctl.people.liveliness import Liveliness

Room = Any
Corners = tuple[int, int, int, int]


def warmth(room: Room, *corners: Corners, contrast_c: float = 6.0) -> np.ndarray:
    excess_c: np.ndarray = room.draw(*[(*each, contrast_c) for each in corners]) - np.float32(22.0)
    return excess_c


def detect(room: Room, corners: Corners, *, contrast_c: float = 6.0) -> Detection:
    excess_c = warmth(room, corners, contrast_c=contrast_c)
    return outline(np.argwhere(excess_c > 0), excess_c)


def make_track(room: Room, corners: Corners, *, person: int | None, is_alive: bool = True, sightings: int = 9) -> Track:
    detection = detect(room, corners)
    life = Liveliness(detection, warmth(room, corners), 0.0)
    life.is_alive = is_alive
    track = Track(last=detection, last_s=0.0, life=life, has_parted=False, person=person)
    for frame in range(sightings):
        track.history.append(frame, detection.box)
    return track


@pytest.mark.parametrize(("is_alive", "num_seen"), [(True, 2), (False, 1)])
def test_only_what_lives_keeps_its_share_of_a_blob(room: Room, is_alive: bool, num_seen: int) -> None:
    """Somebody lies down across a warm mat that bears a number: the mat keeps a part of them only if it is alive."""
    mat = make_track(room, (8, 14, 14, 20), person=0, is_alive=is_alive)
    person = make_track(room, (8, 6, 14, 12), person=1)
    together = (8, 7, 14, 20)
    seen, left = pair_up([mat, person], [detect(room, together)], warmth(room, together), 0.2)
    assert len(seen) == num_seen
    assert left == []
    if not is_alive:
        assert seen[0][1].box == pytest.approx(room.box(*together))


def test_people_are_looked_for_before_anything_else(room: Room) -> None:
    """What is left of two is as near to both, and as warm: it is the person."""
    part, person = (make_track(room, (8, 8, 14, 12), person=number) for number in (None, 3))
    seen, _ = pair_up([part, person], [detect(room, (8, 8, 14, 12))], warmth(room, (8, 8, 14, 12)), 0.2)
    assert [track.person for track, _ in seen] == [3]


def test_what_is_new_is_left_over(room: Room) -> None:
    person = make_track(room, (8, 2, 14, 6), person=0)
    newcomer = detect(room, (8, 24, 14, 28))
    _, left = pair_up([person], [newcomer], warmth(room, (8, 24, 14, 28)), 0.2)
    assert left == [newcomer]


@pytest.mark.parametrize(
    ("corners", "contrast_c", "has_parted"),
    [((8, 13, 14, 17), 4.0, True), ((8, 13, 14, 17), 8.0, False), ((8, 20, 14, 24), 4.0, False)],
    ids=["cooler beside", "hotter beside", "elsewhere"],
)
def test_what_appears_beside_somebody_with_more_heat_has_parted_from_them(
    room: Room, corners: Corners, contrast_c: float, has_parted: bool
) -> None:
    person = make_track(room, (8, 8, 14, 12), person=0)
    new = begin_track(detect(room, corners, contrast_c=contrast_c), [(person, person.last)], warmth(room, corners), 1.0)
    assert new.has_parted == has_parted
    assert person.life.is_alive == (corners[1] == 20)  # whoever is near is in doubt


def test_parted_thing_is_a_person_once_it_lives(room: Room) -> None:
    track = make_track(room, (8, 8, 14, 12), person=None, is_alive=False)
    assert track.is_person
    track.has_parted = True
    assert not track.is_person
    track.life.is_alive = True
    assert track.is_person


def test_somebody_counts_from_the_fifth_sighting(room: Room) -> None:
    assert not make_track(room, (8, 8, 14, 12), person=None, sightings=4).is_person
    assert make_track(room, (8, 8, 14, 12), person=None, sightings=5).is_person


def test_people_are_waited_for_and_noise_is_not(room: Room) -> None:
    person, flash = (make_track(room, (8, 8, 14, 12), person=None, sightings=number) for number in (9, 3))
    assert [person.is_over(20, seconds) for seconds in (1.9, 2.1)] == [False, True]
    assert flash.is_over(20, 0.1)
    assert not flash.is_over(2, 0.0)  # seen in this frame, the last of its three


def test_furniture_has_not_stirred_for_ten_minutes_and_never_walked(room: Room) -> None:
    track = make_track(room, (8, 8, 14, 12), person=0)
    track.last_s = 599.0
    assert not track.is_furniture
    track.last_s = 601.0
    assert track.is_furniture
    track.life.has_walked = True
    assert not track.is_furniture


def test_near_is_no_further_than_the_margin(room: Room) -> None:
    """At 24x32 the margin is one pixel."""
    track = make_track(room, (8, 8, 14, 12), person=0)
    near, far = (make_track(room, (8, left, 14, left + 4), person=1) for left in (13, 14))
    assert not is_apart(track, [track, near], (24, 32))
    assert is_apart(track, [track, far], (24, 32))
