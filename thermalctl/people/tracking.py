"""People followed through a stream of frames, by numbers that they keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.dataset.person_tracks import PersonTrack
from thermalctl.errors import RequestError
from thermalctl.people.background import MAX_STEP_S
from thermalctl.people.blobs import Detection, WarmthSettings
from thermalctl.people.detection import PersonDetector
from thermalctl.people.following import Track, begin_track, is_apart, pair_up
from thermalctl.people.history import BoxHistory
from thermalctl.recordings.health import find_incomplete_frames

#: Frames are averaged over this time before they are looked at for signs of life, s: seven frames of the real sensor,
#: whose noise of 0.25 deg C becomes 0.1.
_SMOOTHING_S = 1.0
#: Sightings are kept for so many frames unless told otherwise: an hour of the real sensor's.
_KEPT_FRAMES = 20_000


@dataclass(frozen=True, kw_only=True)
class TrackedPerson:
    """A person as they were last seen.

    Attributes:
        person: their number, from 0, the same through the stream.
        box: where they are.
        contrast_c: how much warmer than the empty room they are, deg C.
        is_seen: in the last complete frame. If not, they are hidden or have just left, and the box is older.
        has_walked: they once walked, which a radiator does not.
    """

    person: int
    box: Box
    contrast_c: float
    is_seen: bool
    has_walked: bool


class PersonTracker:
    """Follows people frame by frame; what it remembers is bounded however long the stream is.

    Frames are numbered from 0 in the order of the calls to `update`, incomplete ones included.
    """

    def __init__(self, settings: WarmthSettings | None = None, *, kept_frames: int | None = _KEPT_FRAMES) -> None:
        """Begin a stream.

        Args:
            settings: what counts as somebody's warmth.
            kept_frames: for how many frames sightings are kept; None keeps all until `forget_before`.
        """
        self._settings = settings or WarmthSettings()
        self._detector = PersonDetector(self._settings)
        self._kept_frames = kept_frames
        self._tracks: list[Track] = []
        self._people: dict[int, BoxHistory] = {}
        self._num_people = self._num_frames = 0
        self._last_complete = -1
        self._now_s = 0.0
        self._last_ms: int | None = None
        self._smooth_c: NDArray[np.float32] | None = None

    @property
    def num_frames(self) -> int:
        """How many frames there have been, and so the number of the next."""
        return self._num_frames

    @property
    def people(self) -> tuple[TrackedPerson, ...]:
        """Who is there now, by number."""
        people = [
            TrackedPerson(
                person=track.person,
                box=track.last.box,
                contrast_c=track.last.contrast_c,
                is_seen=track.history.last_frame == self._last_complete,
                has_walked=track.life.has_walked,
            )
            for track in self._tracks
            if track.person is not None
        ]
        return tuple(sorted(people, key=lambda each: each.person))

    def update(self, frame_c: NDArray[np.float32], timestamp_ms: int) -> tuple[TrackedPerson, ...]:
        """Take in the next frame and return who is there.

        Args:
            frame_c: (H, W) float32, deg C. An incomplete one is counted, and otherwise passed over.
            timestamp_ms: when it arrived.

        Raises:
            RecordingError: if the frame is of another size than those before.
        """
        frame, self._num_frames = self._num_frames, self._num_frames + 1
        if self._kept_frames is not None:
            self.forget_before(frame - self._kept_frames)
        known = [track.last.box for track in self._tracks if track.person is not None]
        found = self._detector.detect(frame_c, timestamp_ms, known)
        if not find_incomplete_frames(frame_c[None])[0]:
            smooth_c = self._tick(timestamp_ms)
            self._follow(found, frame, smooth_c)
            self._last_complete = frame
            self._tracks = [track for track in self._tracks if not self._is_gone(track)]
        return self.people

    def find_people(self, frames: NDArray[np.integer], *, least_share: float = 0.5) -> tuple[int, ...]:
        """Return the numbers of those who are there during a window of frames, ascending.

        Args:
            frames: (T,) int, numbers of frames in any order.
            least_share: how much of the window must lie between their first and their last sighting.
        """
        first, last = int(frames.min()), int(frames.max())
        return tuple(
            person
            for person, history in sorted(self._people.items())
            if history.is_seen_between(first, last) and history.measure_presence(frames) >= least_share
        )

    def locate(self, person: int, frames: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return a person's box in each frame, (T, 4) float64: centre x, centre y, width, height in 0..1.

        Between two sightings it is linear in the frames' numbers; before the first and after the last it is as there.

        Args:
            person: their number.
            frames: (T,) int, numbers of frames in any order.

        Raises:
            RequestError: if there is no such person, or they are forgotten.
        """
        if person not in self._people:
            raise RequestError(
                f"person {person} is not known, expected one of {sorted(self._people)}",
                hint="find_people names those of a window; ask before forget_before forgets them",
            )
        return self._people[person].to_track().locate(np.asarray(frames, dtype=np.intp))

    def forget_before(self, frame: int) -> None:
        """Forget where people were before a frame, and those who were there only before it."""
        current = {track.person for track in self._tracks}
        self._people = {
            person: history
            for person, history in self._people.items()
            if person in current or history.last_frame >= frame
        }
        for history in [*self._people.values(), *(track.history for track in self._tracks)]:
            history.forget_before(frame)

    def to_tracks(self) -> dict[int, PersonTrack]:
        """Return what is remembered of each person, by number."""
        return {person: history.to_track() for person, history in sorted(self._people.items())}

    def _tick(self, timestamp_ms: int) -> NDArray[np.float32]:
        """Let time pass, and return the average of the last frames; in an interruption hardly any passes."""
        elapsed_s = 0.0 if self._last_ms is None else (timestamp_ms - self._last_ms) / 1000
        step_s = min(max(elapsed_s, 0.0), MAX_STEP_S)
        self._last_ms = timestamp_ms
        self._now_s += step_s
        excess_c = self._detector.excess_c
        before_c = excess_c if self._smooth_c is None else self._smooth_c
        self._smooth_c = before_c + np.float32(1 - np.exp(-step_s / _SMOOTHING_S)) * (excess_c - before_c)
        return self._smooth_c

    def _follow(self, found: tuple[Detection, ...], frame: int, smooth_c: NDArray[np.float32]) -> None:
        before = [(track, track.last) for track in self._tracks]
        seen, left = pair_up(self._tracks, found, self._detector.excess_c, self._now_s)
        for track, detection in seen:
            track.last, track.last_s = detection, self._now_s
        for track, detection in seen:
            track.life.watch(
                detection,
                smooth_c,
                self._now_s,
                is_apart=is_apart(track, self._tracks, smooth_c.shape),
                was_seen=track.history.last_frame == self._last_complete,
            )
        # The weak ones of a person known were only good for finding that one again.
        strong = [detection for detection in left if detection.contrast_c >= self._settings.contrast_c]
        new = [begin_track(detection, before, smooth_c, self._now_s) for detection in strong]
        self._tracks += new
        for track in [track for track, _ in seen] + new:
            track.history.append(frame, track.last.box)
            if track.person is None and track.is_person:
                track.person, self._num_people = self._num_people, self._num_people + 1
                self._people[track.person] = track.history

    def _is_gone(self, track: Track) -> bool:
        if track.is_over(self._last_complete, self._now_s):
            return True
        if track.is_furniture:
            self._detector.dismiss(track.last)
            return True
        return False


def track_people(
    frames_c: Iterable[NDArray[np.float32]], timestamps_ms: Iterable[int], settings: WarmthSettings | None = None
) -> dict[int, PersonTrack]:
    """Return where each person of a whole recording goes, by number.

    Args:
        frames_c: N frames (H, W) float32, deg C.
        timestamps_ms: N arrival times.
        settings: what counts as somebody's warmth.

    Raises:
        RecordingError: if the frames are of different sizes.
    """
    tracker = PersonTracker(settings, kept_frames=None)
    for frame_c, timestamp_ms in zip(frames_c, timestamps_ms, strict=True):
        tracker.update(frame_c, int(timestamp_ms))
    return tracker.to_tracks()
