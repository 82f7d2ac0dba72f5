from __future__ import annotations

import numpy as np
import pytest

from thermalctl.recordings.simulate_scene import Furniture, Room, furnish_room, locate_pixels


def make_bench(angle: float) -> Furniture:
    """A bench of 2 m by 1 m around (3, 2)."""
    return Furniture(centre_m=np.array([3.0, 2.0]), half_size_m=np.array([1.0, 0.5]), angle=angle, offset_c=1.0)


@pytest.fixture(params=range(5))
def room(request: pytest.FixtureRequest) -> Room:
    return furnish_room((40, 60), ambient_c=22.0, rng=np.random.default_rng(request.param))


@pytest.mark.parametrize(
    ("angle", "point", "distance_m"),
    [
        (0.0, (3.0, 2.0), -0.5),
        (0.0, (4.5, 2.0), 0.5),
        (0.0, (3.0, 3.25), 0.75),
        (np.pi / 2, (3.0, 3.25), 0.25),
        (np.pi / 2, (4.5, 2.0), 1.0),
    ],
)
def test_distance_to_furniture_is_measured_from_its_edge(
    angle: float, point: tuple[float, float], distance_m: float
) -> None:
    assert make_bench(angle).measure_distance(np.array(point)) == pytest.approx(distance_m)


def test_pixels_lie_at_their_middles_on_the_floor() -> None:
    points = locate_pixels((40, 60), np.array([6.0, 4.0]))
    assert points.shape == (40, 60, 2)
    np.testing.assert_allclose(points[0, 0], (0.05, 0.05))
    np.testing.assert_allclose(points[39, 59], (5.95, 3.95))


def test_free_place_is_clear_of_furniture_along_the_whole_body(room: Room) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        place, heading = room.find_free_place(rng, half_length_m=0.9)
        for along in (-0.9, 0.0, 0.9):
            point = place + along * np.array([np.cos(heading), np.sin(heading)])
            assert ((point > 0) & (point < room.size_m)).all()
            assert all(item.measure_distance(point) > 0 for item in room.furniture)


def test_place_beside_furniture_is_on_the_rooms_side(room: Room) -> None:
    for bed in room.beds:
        place = room.find_place_beside(bed, 0.3)
        assert bed.measure_distance(place) == pytest.approx(0.3)
        middle = room.size_m[1] / 2
        assert abs(place[1] - middle) < abs(bed.centre_m[1] - middle)


def test_path_leads_from_start_to_goal_around_the_furniture(room: Room) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        start, goal = room.find_free_place(rng)[0], room.find_free_place(rng)[0]
        path = room.find_path(start, goal, rng)
        np.testing.assert_array_equal(path[[0, -1]], (start, goal))
        assert len(path) in (2, 3)


def test_beds_look_warmer_than_the_floor_around_them(room: Room) -> None:
    points = locate_pixels((40, 60), room.size_m)
    for bed in room.beds:
        distance_m = bed.measure_distance(points)
        around = (distance_m > 0.2) & (distance_m < 0.5)
        for other in room.furniture:
            around &= (other is bed) | (other.measure_distance(points) > 0.2)
        assert np.median(room.empty_c[distance_m < -0.1]) > np.median(room.empty_c[around]) + 0.4
