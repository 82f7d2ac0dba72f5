"""Simulated people: one action after another, each held for a while, with walks and transitions between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from thermalctl.recordings import simulate_body as body
from thermalctl.recordings.simulate_actions import ABSENT, ACTIVITIES, Action, Activity, Where
from thermalctl.recordings.simulate_body import FloatArray, Posture, place_posture
from thermalctl.recordings.simulate_scene import Room

_FAR_AWAY_M = -100.0
_PELVIS = body.JOINTS.index("pelvis")
#: Nobody settles nearer than this to where someone else is or soon will be. Walks may cross.
_PRIVACY_M = 1.2
_AHEAD_S = 15.0
_TRIES = 20


@dataclass(frozen=True, kw_only=True)
class Track:
    """One person through a stream of N frames.

    Attributes:
        joints_m: (N, 11, 3) where the joints are in the room; far outside it while the person is absent.
        support_m: (N,) height of what carries the person.
        warmth_c: (N,) how much warmer than usual the person looks: hair or face, how the clothes fall.
        labels: (N,) int, values of `Action`; `ABSENT` while the person is not there.
    """

    joints_m: FloatArray
    support_m: FloatArray
    warmth_c: FloatArray
    labels: NDArray[np.int64]


def perform(
    times_s: FloatArray,
    room: Room,
    *,
    person: int,
    present_s: tuple[float, float],
    others: Sequence[Track],
    rng: np.random.Generator,
) -> Track:
    """Return what one person does in a session.

    Args:
        times_s: (N,) when each frame is measured, from 0.
        room: where it happens.
        person: 0 or 1, whose bed and chair.
        present_s: from when to when the person is there. Who is not there from the start comes in by the door; who
            is not there to the end leaves by it.
        others: people already there, to keep away from.
        rng: of all choices.
    """
    performer = _Performer(times_s, room, person=person, present_s=present_s, others=others, rng=rng)
    start_s, end_s = present_s
    if start_s > times_s[0]:
        performer.walk_to(room.find_free_place(rng)[0])
    while performer.now_s < end_s:
        performer.do(performer.choose(end_s - start_s))
    if end_s < times_s[-1]:
        performer.walk_to(room.door_m)
    return performer.finish()


class _Performer:
    """A person in the middle of a session; writes the track from `now_s` on, one segment after the other."""

    def __init__(
        self,
        times_s: FloatArray,
        room: Room,
        *,
        person: int,
        present_s: tuple[float, float],
        others: Sequence[Track],
        rng: np.random.Generator,
    ) -> None:
        self._times_s, self._room, self._rng = times_s, room, rng
        self._others = others
        self._bed, self._chair = room.beds[person], room.chairs[person]
        self._size = rng.uniform(0.93, 1.07)
        self._speed_m_s = rng.uniform(0.8, 1.2)
        self._joints_m = np.full((len(times_s), body.NUM_JOINTS, 3), _FAR_AWAY_M)
        self._support_m = np.zeros(len(times_s))
        self._labels = np.full(len(times_s), ABSENT, dtype=np.int64)
        self._spent_s = dict.fromkeys(Action, 0.0)
        self.now_s = present_s[0]
        comes_in = present_s[0] > times_s[0]
        self._place = room.door_m if comes_in else room.find_free_place(rng)[0]
        self._heading = float(rng.uniform(-np.pi, np.pi))
        self._current = self._stand()

    def choose(self, present_s: float) -> Activity:
        """Return what to do next: more likely what still has much of its share of the time to come."""
        left_s = [max(0.0, activity.share * present_s - self._spent_s[activity.label]) for activity in ACTIVITIES]
        if not any(left_s):
            left_s = [activity.share for activity in ACTIVITIES]
        # Doubled for what comes only once or twice: the session must not be over before it.
        hold_s = np.array([activity.hold_s for activity in ACTIVITIES]).mean(axis=1)
        is_rare = np.array([activity.share < 0.1 for activity in ACTIVITIES])
        weights = np.array(left_s) / hold_s * np.where(is_rare, 2.0, 1.0)
        return ACTIVITIES[self._rng.choice(len(ACTIVITIES), p=weights / weights.sum())]

    def do(self, activity: Activity) -> None:
        """Walk to where it is done, get into it, hold it, and get up again."""
        seconds = float(self._rng.uniform(*activity.hold_s))
        if activity.label == Action.STANDING:
            self._place, self._heading = self._hold(activity, seconds, body.STANDING, self._place, self._heading)
            return
        if activity.label == Action.WALKING:
            until_s = self.now_s + seconds
            while self.now_s < until_s:
                self.walk_to(self._room.find_free_place(self._rng)[0])
            return
        approach, place, heading = self._find_place(activity.where)
        self.walk_to(approach)
        posture = activity.postures[self._rng.integers(len(activity.postures))]
        if posture is body.LYING:
            posture = body.vary_lying(self._rng)
        if activity.where == "bed":
            posture = body.raise_posture(posture, body.BED_HEIGHT_M)
        self._change(activity, self._pose(posture, place, heading), posture.support_m)
        place, heading = self._hold(activity, seconds, posture, place, heading)
        self._place = approach if posture.support_m > 0 else place
        self._heading = heading
        self._change(activity, self._stand(), 0.0)

    def walk_to(self, goal: FloatArray) -> None:
        """Walk to `goal` (2,), around the furniture where there is a simple way around it."""
        path = self._room.find_path(self._place, goal, self._rng)
        lengths = np.hypot(*np.diff(path, axis=0).T)
        reached = np.concatenate(([0.0], np.cumsum(lengths)))
        if reached[-1] < 0.2:
            return
        rows, since_s = self._take(Action.WALKING, reached[-1] / self._speed_m_s)
        walked = since_s * self._speed_m_s
        place = np.stack([np.interp(walked, reached, path[:, axis]) for axis in (0, 1)], axis=-1)
        leg = np.clip(np.searchsorted(reached, walked, side="right") - 1, 0, len(lengths) - 1)
        legs = np.diff(path, axis=0)
        headings = np.arctan2(legs[:, 1], legs[:, 0])
        joints = place_posture(body.STANDING, place, headings[leg], size=self._size)
        swing = np.sin(walked * (np.pi / 0.7))[:, None] * np.array([0.18, -0.18, 0.05, -0.05, -0.22, 0.22])
        facing = np.stack((np.cos(headings[leg]), np.sin(headings[leg])), axis=-1)
        joints[:, 5:11, :2] += swing[:, :, None] * facing[:, None, :]
        self._joints_m[rows] = joints
        self._place, self._heading = np.asarray(goal), float(headings[-1])
        self._current = self._stand()

    def finish(self) -> Track:
        """Return the track, with the small movements that nobody can hold back."""
        seconds_apart = float(np.median(np.diff(self._times_s)))
        noise = gaussian_filter1d(self._rng.normal(size=self._joints_m.shape), 0.8 / seconds_apart, axis=0)
        noise *= body.RESTLESSNESS_M[:, None] / noise.std()
        sway = gaussian_filter1d(self._rng.normal(size=(len(self._times_s), 1, 2)), 3.0 / seconds_apart, axis=0)
        noise[:, :, :2] += sway * (0.05 / sway.std())
        noise[:, :, 2] *= 0.3
        warmth_c = gaussian_filter1d(self._rng.normal(size=len(self._times_s)), 5.0 / seconds_apart)
        return Track(
            joints_m=self._joints_m + noise,
            support_m=self._support_m,
            warmth_c=warmth_c * (0.4 / warmth_c.std()),
            labels=self._labels,
        )

    def _take(self, label: Action, seconds: float) -> tuple[slice, FloatArray]:
        """Return the rows of the next `seconds`, and how long after their start each is; the time is then over."""
        first, last = np.searchsorted(self._times_s, (self.now_s, self.now_s + seconds))
        rows = slice(int(first), int(last))
        since_s = self._times_s[rows] - self.now_s
        self._labels[rows] = label
        self._spent_s[label] += seconds
        self.now_s += seconds
        return rows, since_s

    def _hold(
        self, activity: Activity, seconds: float, posture: Posture, place: FloatArray, heading: float
    ) -> tuple[FloatArray, float]:
        """Hold a posture; return where the person is and faces in the end."""
        rows, since_s = self._take(activity.label, seconds)
        # Nobody holds still: people turn and shift in every posture, on or against furniture only a little.
        room_to_move = 1.0 if activity.where in ("here", "floor") else 0.2
        done = (since_s / seconds)[:, None]
        turned = heading + done[:, 0] * self._rng.uniform(-0.9, 0.9) * room_to_move
        places = place + done * self._rng.uniform(-0.25, 0.25, size=2) * room_to_move
        if posture is body.CRAWLING:
            places += 0.15 * since_s[:, None] * np.stack((np.cos(turned), np.sin(turned)), axis=-1)
        joints = place_posture(posture, places, turned, size=self._size)
        if posture is body.WAVING:  # hands swing up and in to the elbows and out again, 0.9 times a second
            wave = np.sin(since_s * (2 * np.pi * 0.9))[:, None]
            joints[:, 5:7, 2] += 0.25 * wave
            joints[:, 5:7, :2] += (joints[:, 3:5, :2] - joints[:, 5:7, :2]) * (0.5 + 0.5 * wave[..., None])
        self._joints_m[rows], self._support_m[rows] = joints, posture.support_m
        if len(joints):
            self._current, place, heading = joints[-1], places[-1], float(turned[-1])
        return place, heading

    def _change(self, activity: Activity, end_m: FloatArray, end_support_m: float) -> None:
        seconds = float(self._rng.uniform(*activity.transition_s))
        rows, since_s = self._take(activity.transition, seconds)
        done = since_s / seconds
        done = (done * done * (3.0 - 2.0 * done))[:, None, None]
        self._joints_m[rows] = self._current * (1.0 - done) + end_m * done
        self._support_m[rows] = end_support_m
        self._current = end_m

    def _find_place(self, where: Where) -> tuple[FloatArray, FloatArray, float]:
        """Return where to walk to, where to be then, and which way to face."""
        if where == "bed":
            place, heading = self._bed.centre_m, self._bed.angle
            return self._room.find_place_beside(self._bed, 0.3), place, heading
        if where == "chair":
            facing = np.array([np.cos(self._chair.angle), np.sin(self._chair.angle)])
            return self._chair.centre_m + 0.5 * facing, self._chair.centre_m, self._chair.angle
        if where == "support":
            place = self._room.find_place_beside(self._room.cabinet, 0.5)
            towards = self._room.cabinet.centre_m - place
            return place, place, float(np.arctan2(towards[1], towards[0]))
        half_length_m = 0.9 * self._size if where == "floor" else 0.4
        if where == "here" and self._room.is_free(self._place[None], clearance_m=0.4) and self._is_alone(self._place):
            return self._place, self._place, self._heading
        for _ in range(_TRIES):
            place, heading = self._room.find_free_place(self._rng, half_length_m=half_length_m)
            if self._is_alone(place):
                break
        return place, place, heading

    def _is_alone(self, place: FloatArray) -> bool:
        """Return whether nobody else comes near `place` in the time that a usual activity takes there."""
        first, last = np.searchsorted(self._times_s, (self.now_s, self.now_s + _AHEAD_S))
        return all(
            (np.hypot(*(other.joints_m[first:last, _PELVIS, :2] - place).T) > _PRIVACY_M).all()
            for other in self._others
        )

    def _pose(self, posture: Posture, place: FloatArray, heading: float) -> FloatArray:
        joints: FloatArray = place_posture(posture, place[None], np.array([heading]), size=self._size)[0]
        return joints

    def _stand(self) -> FloatArray:
        return self._pose(body.STANDING, self._place, self._heading)
