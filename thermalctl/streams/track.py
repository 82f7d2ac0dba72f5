"""The answers to a whole recording in little memory: what was most probable when, and of whom."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.streams.answers import WindowAnswer

#: No person, or no answer.
NONE = -1
_NOWHERE = (math.nan,) * 4


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A time through which the answer stays the same.

    Attributes:
        start_ms: keyframe of its first window, ms since 1970.
        end_ms: keyframe of its last window.
        person: number of the person; None for the whole frame.
        class_name: the answer; None where there is none.
        probability: mean of the class's probabilities; 0 where there is no answer.
        num_windows: how many windows it spans.
    """

    start_ms: int
    end_ms: int
    person: int | None
    class_name: str | None
    probability: float
    num_windows: int


class AnswerTrack:
    """The most probable class of each window, and where who was judged is; 38 bytes each.

    That is 4 MB for a day at an answer every 0.8 s.
    """

    def __init__(self) -> None:
        self._times_ms = array("q")
        self._people = array("i")
        self._class_ids = array("h")
        self._segments = array("i")
        self._probabilities = array("f")
        self._boxes = array("f")

    def append(self, answer: WindowAnswer) -> None:
        """Add the next answer."""
        scores = answer.probabilities
        self._times_ms.append(answer.keyframe_ms)
        self._people.append(NONE if answer.person is None else answer.person)
        self._class_ids.append(NONE if answer.class_id is None else answer.class_id)
        self._segments.append(answer.segment)
        self._probabilities.append(0.0 if scores is None else float(scores.max()))
        self._boxes.extend(_NOWHERE if answer.box is None else answer.box)

    def __len__(self) -> int:
        return len(self._times_ms)

    @property
    def times_ms(self) -> NDArray[np.int64]:
        """The windows' keyframes, (N,) int64, ms since 1970."""
        return np.array(self._times_ms, dtype=np.int64)

    @property
    def people(self) -> NDArray[np.int64]:
        """Who was judged, (N,) int64; `NONE` for the whole frame."""
        return np.array(self._people, dtype=np.int64)

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """The most probable classes, (N,) int64; `NONE` where there is no answer."""
        return np.array(self._class_ids, dtype=np.int64)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """How probable those are, (N,) float32; 0 where there is no answer."""
        return np.array(self._probabilities, dtype=np.float32)

    @property
    def boxes(self) -> NDArray[np.float32]:
        """Where who was judged is in the keyframe, (N, 4) in 0..1; NaN for the whole frame."""
        return np.array(self._boxes, dtype=np.float32).reshape(-1, 4)

    def find_stretches(self, classes: Sequence[str]) -> list[Stretch]:
        """Return the times through which each person's answer stays the same, in the order of their beginnings.

        Args:
            classes: class names in id order.
        """
        people, class_ids, segments = self.people, self.class_ids, np.array(self._segments, dtype=np.int64)
        times_ms, probabilities = self.times_ms, self.probabilities
        stretches = []
        for person in np.unique(people).tolist():
            mine = np.flatnonzero(people == person)
            changes = (np.diff(class_ids[mine]) != 0) | (np.diff(segments[mine]) != 0)
            for run in np.split(mine, np.flatnonzero(changes) + 1):
                class_id = int(class_ids[run[0]])
                stretches.append(
                    Stretch(
                        start_ms=int(times_ms[run[0]]),
                        end_ms=int(times_ms[run[-1]]),
                        person=None if person == NONE else person,
                        class_name=None if class_id == NONE else classes[class_id],
                        probability=float(probabilities[run].mean()),
                        num_windows=len(run),
                    )
                )
        return sorted(
            stretches, key=lambda stretch: (stretch.start_ms, NONE if stretch.person is None else stretch.person)
        )
