"""A simulated room: what stands where, and how warm it looks from the ceiling without anyone in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from thermalctl.recordings.simulate_body import FloatArray

#: Metres of floor across the frame's longer side; a man lying is then 17 pixels long at 40x60, as in real frames.
ROOM_LENGTH_M = 6.0
#: Nobody stands nearer to the frame's edge than this: the head, which the lens shows further out, stays in view.
MARGIN_M = 0.75
#: A place is looked for this often before the last one tried is taken: a crowded room is still a room.
_TRIES = 200


@dataclass(frozen=True, kw_only=True)
class Furniture:
    """A rectangle on the floor.

    Attributes:
        centre_m: (2,) x along the frame's width, y along its height.
        half_size_m: (2,) half its length (along `angle`) and half its width.
        angle: radians from +x. For a bed: from the feet to the pillow; for a chair: where the one in it looks.
        offset_c: how much warmer than the floor it looks, deg C.
    """

    centre_m: FloatArray
    half_size_m: FloatArray
    angle: float
    offset_c: float

    def measure_distance(self, points_m: FloatArray) -> FloatArray:
        """Return how far points (..., 2) lie outside, m; negative inside (the larger of the two axes' distances)."""
        away = points_m - self.centre_m
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        along = np.abs(away[..., 0] * cos + away[..., 1] * sin) - self.half_size_m[0]
        across = np.abs(away[..., 1] * cos - away[..., 0] * sin) - self.half_size_m[1]
        distance: FloatArray = np.maximum(along, across)
        return distance


@dataclass(frozen=True, kw_only=True)
class Room:
    """A session's room.

    Attributes:
        size_m: (2,) the visible floor, width and height.
        beds: one for each person: a bed and a couch.
        chairs: one for each person.
        cabinet: something to lean on.
        door_m: (2,) where people come in, just outside the frame.
        empty_c: (H, W) what the sensor sees when nobody is in it, deg C, before noise and drift.
    """

    size_m: FloatArray
    beds: tuple[Furniture, Furniture]
    chairs: tuple[Furniture, Furniture]
    cabinet: Furniture
    door_m: FloatArray
    empty_c: FloatArray

    @property
    def furniture(self) -> tuple[Furniture, ...]:
        """All that stands in the way."""
        return (*self.beds, *self.chairs, self.cabinet)

    def is_free(self, points_m: FloatArray, *, clearance_m: float) -> bool:
        """Return whether all points (n, 2) are in view and at least so far from all furniture."""
        inside = (points_m >= MARGIN_M).all() and (points_m <= self.size_m - MARGIN_M).all()
        return bool(inside) and all((item.measure_distance(points_m) > clearance_m).all() for item in self.furniture)

    def find_free_place(self, rng: np.random.Generator, *, half_length_m: float = 0.0) -> tuple[FloatArray, float]:
        """Return a free place (2,) m on the floor and a heading, for a body reaching so far both ways."""
        for _ in range(_TRIES):
            place = rng.uniform(MARGIN_M, self.size_m - MARGIN_M)
            heading = float(rng.uniform(-np.pi, np.pi))
            ahead = half_length_m * np.array([np.cos(heading), np.sin(heading)])
            if self.is_free(np.stack((place - ahead, place, place + ahead)), clearance_m=0.15):
                break
        return place, heading

    def find_place_beside(self, item: Furniture, distance_m: float) -> FloatArray:
        """Return the place (2,) so far off the long side of `item` that looks to the middle of the room."""
        across = np.array([-np.sin(item.angle), np.cos(item.angle)])
        inwards = 1.0 if across @ (self.size_m / 2 - item.centre_m) > 0 else -1.0
        place: FloatArray = item.centre_m + inwards * (item.half_size_m[1] + distance_m) * across
        return place

    def find_path(self, start: FloatArray, goal: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return a way from `start` to `goal` with at most one turn, (2 or 3, 2) m; straight if none is clear."""
        direct = np.stack((start, goal))
        if self._is_clear(direct):
            return direct
        for _ in range(20):
            around = np.stack((start, self.find_free_place(rng)[0], goal))
            if self._is_clear(around):
                return around
        return direct

    def _is_clear(self, path: FloatArray) -> bool:
        steps = np.linspace(0.0, 1.0, 15)[:, None]
        points = np.concatenate([start + steps * (end - start) for start, end in pairwise(path)])
        return all((item.measure_distance(points) > 0.0).all() for item in self.furniture)


def furnish_room(frame_size: tuple[int, int], *, ambient_c: float, rng: np.random.Generator) -> Room:
    """Return a room with furniture at random places, as an (H, W) sensor sees it from above."""
    height, width = frame_size
    size_m = np.array([width, height]) * (ROOM_LENGTH_M / max(frame_size))
    # The bed stands along one long wall, the couch along the other, so that there is floor between them to lie on.
    sides = rng.permutation(2)
    beds = [
        _put_along_wall(size_m, half_size_m=half, at_top=bool(side), offset_c=rng.uniform(0.9, 1.4), rng=rng)
        for half, side in zip((np.array([1.0, 0.48]), np.array([0.95, 0.42])), sides, strict=True)
    ]
    others: list[Furniture] = []
    for half, offset_c in (((0.24, 0.24), 0.6), ((0.24, 0.24), 0.6), ((0.4, 0.25), -0.5)):
        others.append(_put_anywhere(size_m, np.array(half), offset_c, taken=[*beds, *others], rng=rng))
    cabinet = replace(others[2], angle=others[2].angle + np.pi / 2)  # its long side, not its end, looks to the room
    door_x = size_m[0] + 0.8 if rng.random() < 0.5 else -0.8
    return Room(
        size_m=size_m,
        beds=(beds[0], beds[1]),
        chairs=(others[0], others[1]),
        cabinet=cabinet,
        door_m=np.array([door_x, size_m[1] * rng.uniform(0.4, 0.6)]),
        empty_c=_draw_empty_room(frame_size, size_m, [*beds, *others[:2], cabinet], ambient_c=ambient_c, rng=rng),
    )


def locate_pixels(frame_size: tuple[int, int], size_m: FloatArray) -> FloatArray:
    """Return where each pixel's middle lies on the floor, (H, W, 2) m."""
    height, width = frame_size
    x = (np.arange(width) + 0.5) * size_m[0] / width
    y = (np.arange(height) + 0.5) * size_m[1] / height
    return np.stack(np.meshgrid(x, y), axis=-1)


def _put_along_wall(
    size_m: FloatArray, *, half_size_m: FloatArray, at_top: bool, offset_c: float, rng: np.random.Generator
) -> Furniture:
    x = rng.uniform(half_size_m[0] + 0.2, size_m[0] - half_size_m[0] - 0.2)
    y = half_size_m[1] + rng.uniform(0.1, 0.3)
    return Furniture(
        centre_m=np.array([x, y if at_top else size_m[1] - y]),
        half_size_m=half_size_m,
        angle=float(rng.choice((0.0, np.pi))),
        offset_c=offset_c,
    )


def _put_anywhere(
    size_m: FloatArray, half_size_m: FloatArray, offset_c: float, *, taken: list[Furniture], rng: np.random.Generator
) -> Furniture:
    reach = float(np.hypot(*half_size_m))
    for _ in range(_TRIES):
        centre = rng.uniform(MARGIN_M, size_m - MARGIN_M)
        if all(item.measure_distance(centre) > reach + 0.25 for item in taken):
            break
    # Whoever sits on the chair or leans on the cabinet is on the side towards the middle of the room.
    inwards = size_m / 2 - centre
    angle = float(np.arctan2(inwards[1], inwards[0]) + rng.normal(0.0, 0.4))
    return Furniture(centre_m=centre, half_size_m=half_size_m, angle=angle, offset_c=offset_c)


def _draw_empty_room(
    frame_size: tuple[int, int],
    size_m: FloatArray,
    furniture: list[Furniture],
    *,
    ambient_c: float,
    rng: np.random.Generator,
) -> FloatArray:
    points = locate_pixels(frame_size, size_m)
    from_centre = (points - size_m / 2) / size_m
    image: FloatArray = ambient_c + from_centre @ rng.uniform(-1.0, 1.0, size=2)
    image += rng.uniform(0.0, 0.8) * (from_centre**2).sum(axis=-1)  # the housing warms the corners of the lens
    edge_m = size_m[0] / frame_size[1] / 2
    for item in furniture:
        image += item.offset_c / (1.0 + np.exp(np.clip(item.measure_distance(points) / edge_m, -30, 30)))
    window_x, window_y = rng.uniform(1.0, size_m[0] - 1.0), rng.choice((0.0, size_m[1]))
    window = Furniture(
        centre_m=np.array([window_x, window_y]), half_size_m=np.array([0.7, 0.12]), angle=0.0, offset_c=0.0
    )
    image += rng.uniform(-2.5, 1.5) / (1.0 + np.exp(np.clip(window.measure_distance(points) / edge_m, -30, 30)))
    appliance = np.array([rng.choice((0.25, size_m[0] - 0.25)), rng.uniform(0.5, size_m[1] - 0.5)])
    squared_m = ((points - appliance) ** 2).sum(axis=-1)
    image += rng.uniform(5.0, 14.0) * np.exp(-squared_m / (2 * 0.1**2))
    return image
