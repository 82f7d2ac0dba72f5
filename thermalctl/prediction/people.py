"""Who is in a window: what follows people through a recording, as the model of people wants it told."""

from __future__ import annotations

import numpy as np

from thermalctl.clip_spec import ClipSpec, Target
from thermalctl.people.tracking import PersonTracker
from thermalctl.prediction.answering import LocatedPerson, PeopleFinder, PeopleMode
from thermalctl.streams.frames import Frame
from thermalctl.streams.windows import MOST_KEPT, Window


class WarmPeople:
    """Follows warm people; a `PeopleFinder`.

    Who counts as in a window, and where they are in its frames, see `PersonTracker`. Numbers stay through
    interruptions: whoever lay there before is still there.

    Args:
        num_frames: T, frames in a window.
    """

    def __init__(self, num_frames: int) -> None:
        self._most = MOST_KEPT * num_frames
        self._tracker = PersonTracker(kept_frames=self._most)
        #: The tracker's number of each frame; those that were refused have none there.
        self._places: dict[int, int] = {}

    def update(self, frame: Frame) -> None:
        """Look at the next frame."""
        self._places[frame.number] = self._tracker.num_frames
        if len(self._places) > self._most:
            del self._places[next(iter(self._places))]
        self._tracker.update(frame.frame_c, frame.timestamp_ms)

    def locate(self, window: Window) -> list[LocatedPerson]:
        """Return who is in a window, whose frames have all been looked at."""
        places = np.array([self._places[number] for number in window.frames.tolist()], dtype=np.int64)
        return [
            LocatedPerson(number=person, boxes=self._tracker.locate(person, places))
            for person in self._tracker.find_people(places)
        ]


def make_finder(spec: ClipSpec, mode: PeopleMode) -> PeopleFinder | None:
    """Return what finds people for a model; None where it looks at the whole frame."""
    return WarmPeople(spec.num_frames) if spec.target == "person" and mode == "detect" else None


def find_target(spec: ClipSpec, mode: PeopleMode) -> Target:
    """Return what answers are about: a model of people that looks at whole frames judges those."""
    return "person" if make_finder(spec, mode) is not None else "frame"
