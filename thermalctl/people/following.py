"""Everything warm that is followed from frame to frame, and which of it are people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thermalctl.people.association import Sighting, associate, measure_gap, split_shared
from thermalctl.people.blobs import Detection, find_margin
from thermalctl.people.history import BoxHistory
from thermalctl.people.liveliness import Liveliness

#: Something is a person from so many sightings on: noise is not as steady.
_CONFIRMED_SIGHTINGS = 5
#: What is not seen is waited for so long, s: about the time of a walk behind somebody else.
_HELD_S = 2.0
#: What has never walked, and has not stirred for so long, s, is furniture.
_STILL_S = 600.0


@dataclass(kw_only=True, eq=False)
class Track:
    """Something warm that is followed.

    Attributes:
        last: as what it was last seen.
        last_s: when.
        life: what it has shown of life.
        has_parted: from a person with more heat, beside whom it was first seen. It may be what they put down, and is a
            person only once it shows life.
        history: where it has been.
        person: its number; None as long as it is no person.
    """

    last: Detection
    last_s: float
    life: Liveliness
    has_parted: bool
    history: BoxHistory = field(default_factory=BoxHistory)
    person: int | None = None

    @property
    def is_person(self) -> bool:
        """Whether it is one, or has just shown to be."""
        if self.person is not None:
            return True
        return len(self.history) >= _CONFIRMED_SIGHTINGS and (self.life.is_alive or not self.has_parted)

    @property
    def is_furniture(self) -> bool:
        """Whether it has been still for longer than people are."""
        return not self.life.has_walked and self.last_s - self.life.last_stirred_s > _STILL_S

    def is_over(self, frame: int, now_s: float) -> bool:
        """Return whether it is waited for no longer: noise at once, people for a while."""
        if self.history.last_frame == frame:
            return False
        return len(self.history) < _CONFIRMED_SIGHTINGS or now_s - self.last_s > _HELD_S


def pair_up(
    tracks: Sequence[Track], found: Sequence[Detection], excess_c: NDArray[np.float32], now_s: float
) -> tuple[list[tuple[Track, Detection]], list[Detection]]:
    """Return which track is seen as what in this frame, and what is left over.

    People come first: what parted from a person who then comes back to it was no person.

    Args:
        tracks: what was there.
        found: in this frame; several people may have become one blob.
        excess_c: (H, W), of this frame.
        now_s: when.
    """
    # Only what has shown that it lives shares a blob: else a warm mat would keep half of who lies down on it.
    sharing = [track.last for track in tracks if track.person is not None and track.life.is_alive]
    left = split_shared(found, sharing, excess_c)
    seen: list[tuple[Track, Detection]] = []
    for are_people in (True, False):
        group = [track for track in tracks if (track.person is not None) == are_people]
        sightings = [Sighting(detection=track.last, elapsed_s=now_s - track.last_s) for track in group]
        pairs = associate(left, sightings, excess_c.shape)
        seen += [(group[row], left[column]) for row, column in pairs.items()]
        left = [detection for column, detection in enumerate(left) if column not in pairs.values()]
    return seen, left


def begin_track(
    detection: Detection, before: Sequence[tuple[Track, Detection]], smooth_c: NDArray[np.float32], now_s: float
) -> Track:
    """Return a track of something new. What it may have parted from comes into doubt.

    Args:
        detection: as what it is seen.
        before: what was there in the frame before, and as what it was seen then.
        smooth_c: (H, W) average of the frames so far, warmth above the room's.
        now_s: when.
    """
    margin_px = find_margin(smooth_c.shape)
    near = [track for track, last in before if measure_gap(last.box, detection.box, smooth_c.shape) <= margin_px]
    for track in near:
        track.life.doubt(now_s)
    return Track(
        last=detection,
        last_s=now_s,
        life=Liveliness(detection, smooth_c, now_s),
        has_parted=any(track.person is not None and track.last.heat > detection.heat for track in near),
    )


def is_apart(track: Track, tracks: Sequence[Track], frame_size: tuple[int, ...]) -> bool:
    """Return whether nothing else that is followed is near."""
    margin_px = find_margin(frame_size)
    return all(
        measure_gap(track.last.box, other.last.box, frame_size) > margin_px for other in tracks if other is not track
    )
