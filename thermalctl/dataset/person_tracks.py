"""Where a person is in every frame of a clip, told by the boxes that annotators drew at keyframes.

Boxes of every split are used: where somebody is says nothing of what they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.dataset.samples import ThermalDataset

#: How fast a person may move, in lengths of their box's longer side per second. A number that moves faster has gone
#: over to somebody else. In the real recordings nobody does: of 488 pairs of keyframes the fastest two are walks at 1.4
#: and 1.3, and only one more in fifty is above 0.7.
MAX_SPEED = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class PersonTrack:
    """One person's way through a recording.

    Attributes:
        keyframes: (K,) int, the frames in which they were boxed, ascending.
        boxes: (K, 4) float64, centre x, centre y, width, height in 0..1.
    """

    keyframes: NDArray[np.intp]
    boxes: NDArray[np.float64]

    def locate(self, frames: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the person's box in each frame, (T, 4) float64; before the first keyframe and after the last as there.

        In between it is linear in the frames' numbers. Their arrival times come in bursts and tell less: the real
        recordings' 68 keyframes between two whose boxes are more than 4 pixels apart are met to 2.8 pixels by numbers,
        to 3.1 by times, and to 5.2 by the box of the nearer neighbour.

        Args:
            frames: (T,) int, indices in the recording, in any order.
        """
        return np.stack([np.interp(frames, self.keyframes, values) for values in self.boxes.T], axis=1)


class _Sighting(NamedTuple):
    keyframe: int
    box: Box
    sample_id: str


def find_person_tracks(dataset: ThermalDataset) -> dict[str, PersonTrack]:
    """Return by sample id where each person goes, as far as they can be followed from their keyframe.

    A person whom nothing identifies, see `number_people`, stays in their own box; so does everyone beyond a keyframe to
    which they would have had to move faster than `MAX_SPEED`.
    """
    numbers = number_people(dataset)
    sightings: dict[tuple[str, int | str], list[_Sighting]] = {}
    for annotated in dataset.splits.values():
        images = {image.id: image for image in annotated.images}
        for person in annotated.annotations:
            image, sample_id = images[person.image_id], f"{person.image_id}#{person.id}"
            number = numbers[sample_id]
            key = (image.sensor_id, sample_id if number is None else number)
            sightings.setdefault(key, []).append(_Sighting(image.frame_idx, person.box, sample_id))
    tracks = {}
    for (name, _), seen in sightings.items():
        recording = dataset.recordings[name]
        seconds_per_frame = np.ptp(recording.timestamps_ms) / 1000 / max(1, recording.num_frames - 1)
        for part in _split_at_jumps(seen, recording.frame_size, float(seconds_per_frame)):
            track = _join(part)
            tracks.update({sighting.sample_id: track for sighting in part})
    return tracks


def number_people(dataset: ThermalDataset) -> dict[str, int | str | None]:
    """Return by sample id who a person is in their recording: the annotators' number, or "alone"; None if unknown.

    An unnumbered person is identified by being the only one in their keyframe. A number that several people of one
    keyframe bear identifies none of them.
    """
    numbers: dict[str, int | str | None] = {}
    for annotated in dataset.splits.values():
        for image_id, people in annotated.group_by_image().items():
            given = [person.object_id for person in people]
            for person in people:
                number: int | str | None = person.object_id if given.count(person.object_id) == 1 else None
                if person.object_id is None and len(people) == 1:
                    number = "alone"
                numbers[f"{image_id}#{person.id}"] = number
    return numbers


def _split_at_jumps(
    sightings: Iterable[_Sighting], frame_size: tuple[int, int], seconds_per_frame: float
) -> list[list[_Sighting]]:
    """Return the sightings in the order of their keyframes, in parts that a person can have walked.

    The time between two is told by the recording's mean rate: those of a burst arrive at once, seconds after the last.
    """
    height, width = frame_size
    parts: list[list[_Sighting]] = []
    for sighting in sorted(sightings, key=lambda each: each.keyframe):
        box = sighting.box
        if parts:
            last, frames = parts[-1][-1].box, sighting.keyframe - parts[-1][-1].keyframe
            distance = np.hypot((box.cx - last.cx) * width, (box.cy - last.cy) * height)
            side = (max(box.w * width, box.h * height) + max(last.w * width, last.h * height)) / 2
            if distance <= MAX_SPEED * side * seconds_per_frame * frames:
                parts[-1].append(sighting)
                continue
        parts.append([sighting])
    return parts


def _join(sightings: Sequence[_Sighting]) -> PersonTrack:
    by_keyframe = {sighting.keyframe: sighting.box for sighting in sightings}  # two splits may list the same keyframe
    return PersonTrack(
        keyframes=np.array(list(by_keyframe), dtype=np.intp),
        boxes=np.array(list(by_keyframe.values()), dtype=np.float64),
    )
