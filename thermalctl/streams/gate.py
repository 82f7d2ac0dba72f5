"""What is let through of the frames that a sensor sends, and what happens to the others.

Sensors send in bursts, twice, late, not at all, or the same picture for ever. Each has one behaviour here, the same for
recordings and streams, and all of it is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.health import INCOMPLETE_BELOW_C, find_incomplete_frames
from thermalctl.recordings.units import BELIEVABLE_MEDIAN_C
from thermalctl.streams.frames import Frame, Interruption, Item

#: Frames further apart than this do not follow one another, seconds. The real recordings' bursts are up to 2.6 s apart.
DEFAULT_MAX_GAP_S = 5.0
#: So many wrong frames in the beginning, and not a right one, are no accident.
MOST_WRONG_AT_FIRST = 20
#: A pixel that is no number is written as 0 K, which marks the frame as incomplete wherever it goes.
_LOST_C = -273.15

Refusal = Literal["wrong size", "duplicate", "late", "frozen", "not in deg C"]


class FrameGate:
    """Lets frames through in the order of their arrival times, and tells where they stop following one another.

    - A frame of another size is refused. Where no size was told, it is that on which two frames in a row agree.
    - A pixel that is not a number makes its frame incomplete; the model's preprocessing repairs it from its neighbours.
    - A frame hotter than any scene, as in another unit, is refused.
    - The same picture with the same time is a duplicate, refused; with a later time the sensor is frozen: refused too,
      and after `max_gap_s` an interruption. Noise lets no two real frames be equal.
    - A frame older than the last one is late and refused; one that is older by more than `max_gap_s` says that the
      clock was set back: an interruption, after which times begin anew.
    - Frames that arrive together, even in the same millisecond, are a burst, and all right.
    - After `max_gap_s` without a frame comes an interruption.

    Attributes:
        refused: how many frames were refused, by why.
        num_frames: how many were let through.
        num_incomplete: how many of these are incomplete.

    Args:
        frame_size: (H, W) that is expected; None: on which two frames in a row agree.
        max_gap_s: how far apart frames that follow one another may be, seconds.
    """

    def __init__(self, frame_size: tuple[int, int] | None = None, *, max_gap_s: float = DEFAULT_MAX_GAP_S) -> None:
        self.frame_size = frame_size
        self.num_frames = 0
        self.num_incomplete = 0
        self._refused: Counter[Refusal] = Counter()
        self._max_gap_ms = max_gap_s * 1000
        self._number = -1
        self._held: tuple[NDArray[np.float32], int] | None = None
        self._last: Frame | None = None
        self._is_interrupted = False

    @property
    def refused(self) -> Mapping[Refusal, int]:
        """How many frames were refused, by why."""
        return self._refused

    def accept(self, frame_c: NDArray[np.float32], timestamp_ms: int) -> Iterator[Item]:
        """Yield what a frame brings: itself, an interruption before it, both, or nothing.

        Args:
            frame_c: what came, (H, W) float32, deg C; of another shape it is refused.
            timestamp_ms: when it arrived, ms since 1970.

        Raises:
            RecordingError: if the first frames are all wrong.
        """
        if self.frame_size is None:
            yield from self._agree(frame_c, timestamp_ms)
            return
        self._number += 1
        refusal = self._find_fault(frame_c)
        if refusal:
            self._refuse(refusal, frame_c)
            return
        finite = np.where(np.isfinite(frame_c), frame_c, np.float32(_LOST_C))
        frame = Frame(
            number=self._number,
            timestamp_ms=timestamp_ms,
            frame_c=finite,
            is_incomplete=bool(find_incomplete_frames(finite[None])[0]),
        )
        if self._last is not None:
            interruption, refusal = self._compare(self._last, frame)
            if interruption is not None and not self._is_interrupted:
                yield interruption
            if refusal:
                self._is_interrupted |= interruption is not None
                self._refuse(refusal, frame_c)
                return
        self._last, self._is_interrupted = frame, False
        self.num_frames += 1
        self.num_incomplete += frame.is_incomplete
        yield frame

    def wait(self, seconds: float) -> Iterator[Interruption]:
        """Yield an interruption if nothing has come for too long, once for each such silence.

        Args:
            seconds: since when nothing has come. By the clock of whoever waits: that of the frames may be another.
        """
        if self._last is None or self._is_interrupted or seconds * 1000 <= self._max_gap_ms:
            return
        self._is_interrupted = True
        start_ms = self._last.timestamp_ms
        yield Interruption(start_ms=start_ms, end_ms=start_ms + round(seconds * 1000), cause="silence")

    def _agree(self, frame_c: NDArray[np.float32], timestamp_ms: int) -> Iterator[Item]:
        """Hold a frame back until the next one is as large: a single wrong one must not shut out all others."""
        held, self._held = self._held, (frame_c, timestamp_ms)
        if held is None:
            return
        if frame_c.ndim == 2 and held[0].shape == frame_c.shape:
            self.frame_size = frame_c.shape
            yield from self.accept(*held)
            yield from self.accept(frame_c, timestamp_ms)
            return
        self._number += 1
        self._refuse("wrong size", held[0])

    def _find_fault(self, frame_c: NDArray[np.float32]) -> Refusal | None:
        if frame_c.shape != self.frame_size:
            return "wrong size"
        seen_c = frame_c[frame_c >= INCOMPLETE_BELOW_C]
        is_hot = seen_c.size > 0 and float(np.median(seen_c)) > BELIEVABLE_MEDIAN_C[1]
        return "not in deg C" if is_hot else None

    def _compare(self, last: Frame, frame: Frame) -> tuple[Interruption | None, Refusal | None]:
        """Return what lies between the last frame and this one, and why this one is refused."""
        passed_ms = frame.timestamp_ms - last.timestamp_ms
        start_ms, end_ms = last.timestamp_ms, frame.timestamp_ms
        if passed_ms < -self._max_gap_ms:
            return Interruption(start_ms=start_ms, end_ms=end_ms, cause="clock set back"), None
        if passed_ms < 0:
            return None, "late"
        is_far = passed_ms > self._max_gap_ms
        # Lost frames may well be equal: they are filled with the same value.
        if not frame.is_incomplete and np.array_equal(frame.frame_c, last.frame_c):
            found = Interruption(start_ms=start_ms, end_ms=end_ms, cause="frozen") if is_far else None
            return found, "duplicate" if passed_ms == 0 else "frozen"
        return (Interruption(start_ms=start_ms, end_ms=end_ms, cause="gap") if is_far else None), None

    def _refuse(self, refusal: Refusal, frame_c: NDArray[np.float32]) -> None:
        self._refused[refusal] += 1
        if self.num_frames or self._refused.total() < MOST_WRONG_AT_FIRST:
            return
        found = " x ".join(map(str, frame_c.shape))
        wanted = "x".join(map(str, self.frame_size)) if self.frame_size else "height x width"
        if refusal == "wrong size":
            raise RecordingError(
                f"the first {MOST_WRONG_AT_FIRST} frames are {found} pixels, expected {wanted}",
                hint="a model is for one size of frames; check the sensor, or --frame-size",
            )
        raise RecordingError(
            f"the first {MOST_WRONG_AT_FIRST} frames have a median of {float(np.nanmedian(frame_c)):g}, expected deg C",
            hint="say the unit: --unit kelvin, decicelsius, ...",
        )
