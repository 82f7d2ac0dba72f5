"""Warm people in a stream of frames, each found without knowledge of later ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.errors import RecordingError
from thermalctl.people.background import RoomBackground, estimate_background
from thermalctl.people.blobs import Detection, WarmthSettings, draw_places, find_warm_blobs
from thermalctl.recordings.health import find_incomplete_frames

#: Somebody who was there before needs only this share of a newcomer's contrast: they may turn away or cover up.
_KNOWN_CONTRAST_SHARE = 0.5
#: Somebody was there before if this share of their pixels is in the box where that one was.
_KNOWN_OVERLAP = 0.3


class PersonDetector:
    """Finds warm people frame by frame.

    What it remembers is one background of a frame's size, however long the stream is. Frames are compared with that
    background, so that a warm bed, the lens's rim and the sensor's own pattern are no people; people do not become part
    of it. docs/people.md has the reason of each step.
    """

    def __init__(self, settings: WarmthSettings | None = None) -> None:
        self._settings = settings or WarmthSettings()
        self._background: RoomBackground | None = None
        self._excess_c: NDArray[np.float32] | None = None
        self._last_ms = 0

    @property
    def excess_c(self) -> NDArray[np.float32]:
        """How much warmer than the empty room the last complete frame was, (H, W) float32, deg C."""
        assert self._excess_c is not None, "no complete frame yet"
        return self._excess_c

    def detect(
        self, frame_c: NDArray[np.float32], timestamp_ms: int, known: Iterable[Box] = ()
    ) -> tuple[Detection, ...]:
        """Return the people in the next frame of the stream; nobody if the frame is incomplete.

        Args:
            frame_c: (H, W) float32, deg C.
            timestamp_ms: when it arrived.
            known: where people were a moment ago; they are seen with less contrast than others.

        Raises:
            RecordingError: if the frame is of another size than those before.
        """
        if self._excess_c is not None and frame_c.shape != self._excess_c.shape:
            found, expected = ("x".join(map(str, shape)) for shape in (frame_c.shape, self._excess_c.shape))
            raise RecordingError(
                f"a frame has {found} pixels, expected {expected} as those before it",
                hint="a detector follows one sensor; begin a new one for another",
            )
        if find_incomplete_frames(frame_c[None])[0]:
            return ()
        if self._background is None:
            self._background = self._begin(frame_c)
            self._last_ms = timestamp_ms
        excess_c = self._excess_c = self._background.measure_excess(frame_c)
        blobs = find_warm_blobs(excess_c, self._background.noise_c, self._settings)
        is_known = _draw_boxes(known, frame_c.shape)
        people = tuple(blob for blob in blobs if self._is_person(blob, is_known))
        places = draw_places(people, frame_c.shape, with_margin=True)
        self._background.learn(excess_c, places, (timestamp_ms - self._last_ms) / 1000)
        self._last_ms = timestamp_ms
        return people

    def dismiss(self, detection: Detection) -> None:
        """Make something in the last frame part of the room; it is not found again unless it changes."""
        assert self._background is not None, "nothing has been detected yet"
        place = draw_places([detection], self.excess_c.shape, with_margin=True)
        self._background.take_over(self.excess_c, place)

    def _begin(self, frame_c: NDArray[np.float32]) -> RoomBackground:
        """Return the background that a first frame shows, those who may be people left out of it."""
        blobs = find_warm_blobs(frame_c - estimate_background(frame_c), 0.0, self._settings)
        people = [blob for blob in blobs if blob.contrast_c >= self._settings.contrast_c]
        return RoomBackground(frame_c, draw_places(people, frame_c.shape, with_margin=True))

    def _is_person(self, blob: Detection, is_known: NDArray[np.bool_]) -> bool:
        if blob.contrast_c >= self._settings.contrast_c:
            return True
        overlap = is_known[tuple(blob.pixels.T)].mean()
        return bool(overlap >= _KNOWN_OVERLAP and blob.contrast_c >= _KNOWN_CONTRAST_SHARE * self._settings.contrast_c)


def _draw_boxes(boxes: Iterable[Box], frame_size: tuple[int, ...]) -> NDArray[np.bool_]:
    height, width = frame_size
    inside = np.zeros(frame_size, dtype=np.bool_)
    for box in boxes:
        top, bottom = round((box.cy - box.h / 2) * height), round((box.cy + box.h / 2) * height)
        left, right = round((box.cx - box.w / 2) * width), round((box.cx + box.w / 2) * width)
        inside[top:bottom, left:right] = True
    return inside
