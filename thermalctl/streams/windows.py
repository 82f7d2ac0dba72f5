"""Windows that slide over frames as they come: the clips of training, cut from a recording of any length.

A window is a clip around a keyframe, made by the very functions that make the clips of training. Memory is bounded by
one window, whatever the recording's length.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import clip_indices, uniform_clip_indices
from thermalctl.errors import RequestError
from thermalctl.streams.frames import Frame, Interruption, Item

#: Frames between two keyframes, by default: an answer a second where 8 frames come in one.
DEFAULT_STRIDE_FRAMES = 8
#: A stretch of frames shorter than this share of a window gets no answer: more than half of it would be repetition,
#: which no clip of training is.
LEAST_SHARE = 0.5
#: Frames kept at most, as a multiple of a window's: a sensor that sends so fast is broken.
MOST_KEPT = 64


@dataclass(frozen=True, kw_only=True)
class Stride:
    """How far apart the keyframes of windows are: so many frames, or at least so many seconds.

    Raises:
        RequestError: if not exactly one is given, or it is not above 0.
    """

    frames: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.frames, self.seconds) if value is not None]
        if len(given) != 1 or not 0 < given[0] < float("inf"):
            raise RequestError(
                f"a stride of {self.frames} frames and {self.seconds} s, expected one of them, above 0",
                hint="as in --stride 8 or --stride-s 1.5",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """One window.

    Attributes:
        number: which it is, from 0.
        segment: the uninterrupted stretch of frames that it lies in, from 0.
        keyframe: number of the frame in its middle.
        keyframe_ms: when that arrived, ms since 1970.
        frames: (T,) int64, numbers of its frames.
        timestamps_ms: (T,) int64, when they arrived.
        clip_c: (T, H, W) float32, deg C.
        num_incomplete: how many of its frames are incomplete.
    """

    number: int
    segment: int
    keyframe: int
    keyframe_ms: int
    frames: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    clip_c: NDArray[np.float32]
    num_incomplete: int

    @property
    def is_lost(self) -> bool:
        """Whether none of its frames is complete, so that there is nothing to judge."""
        return self.num_incomplete == len(self.frames)


class WindowSlider:
    """Cuts frames into windows, each as soon as its last frame is there.

    The first window of a stretch of frames begins with it; keyframes are then a stride apart. Where a stretch ends, a
    last window ends with it. A stretch shorter than a window gets one whose first and last frame are repeated, if it is
    at least half as long, else none.

    Attributes:
        num_unjudged: frames in stretches too short for a window.

    Args:
        spec: what a clip is.
        stride: how far apart keyframes are.
    """

    def __init__(self, spec: ClipSpec, stride: Stride) -> None:
        self.num_unjudged = 0
        self._spec = spec
        self._stride = stride
        self._number = 0
        self._segment = 0
        self._before = spec.num_frames // 2
        self._start()

    def slide(self, items: Iterable[Item]) -> Iterator[Window | Interruption]:
        """Yield the windows of frames, and interruptions where they are."""
        for item in items:
            yield from self.push(item)
        yield from self.finish()

    def push(self, item: Item) -> Iterator[Window | Interruption]:
        """Yield the windows that a frame completes; or those that an interruption ends, and that itself."""
        if isinstance(item, Interruption):
            yield from self.finish()
            yield item
            return
        if len(self._frames) >= MOST_KEPT * self._spec.num_frames:
            last_ms = self._frames[-1].timestamp_ms
            yield from self.finish()
            yield Interruption(start_ms=last_ms, end_ms=item.timestamp_ms, cause="flood")
        self._frames.append(item)
        self._times_ms.append(item.timestamp_ms)
        self._seen += 1
        while (keyframe := self._find_keyframe()) is not None and self._is_whole(keyframe):
            yield self._cut(keyframe)
        self._forget()

    def finish(self) -> Iterator[Window]:
        """Yield the last windows of a stretch of frames, and begin a new one."""
        if self._frames:
            keyframe = self._find_last_keyframe()
            if keyframe is None:
                self.num_unjudged += self._seen if self._last_keyframe is None else 0
            elif self._last_keyframe is None or keyframe > self._last_keyframe:
                yield self._cut(keyframe)
            self._segment += 1
        self._start()

    def _start(self) -> None:
        self._frames: list[Frame] = []
        self._times_ms: list[int] = []
        self._seen = 0
        #: Place in `_frames` of the last window's keyframe, below 0 once that is forgotten; None before the first
        #: window of a stretch.
        self._last_keyframe: int | None = None
        self._last_keyframe_ms = 0

    def _find_keyframe(self) -> int | None:
        """Return the place of the next window's keyframe in the frames that are kept; None if it is yet to come."""
        if self._last_keyframe is None:
            if self._spec.time_sampling == "consecutive":
                place = self._before
            else:
                place = bisect_left(self._times_ms, self._times_ms[0] + self._before * self._step_ms)
        elif self._stride.frames is not None:
            place = self._last_keyframe + self._stride.frames
        else:
            assert self._stride.seconds is not None
            due_ms = self._last_keyframe_ms + self._stride.seconds * 1000
            place = max(bisect_left(self._times_ms, due_ms), self._last_keyframe + 1)
        return place if 0 <= place < len(self._frames) else None

    def _is_whole(self, keyframe: int) -> bool:
        """Return whether all frames of a keyframe's window are there, and which they are can no longer change."""
        after = self._spec.num_frames - 1 - self._before
        if self._spec.time_sampling == "consecutive":
            return keyframe + after < len(self._frames)
        return self._times_ms[-1] >= self._times_ms[keyframe] + after * self._step_ms

    def _find_last_keyframe(self) -> int | None:
        """Return the place of the keyframe whose window ends with the last frame; None if there is too little."""
        after = self._spec.num_frames - 1 - self._before
        if self._spec.time_sampling == "consecutive":
            if self._last_keyframe is None and len(self._frames) < self._spec.num_frames:
                enough = len(self._frames) >= LEAST_SHARE * self._spec.num_frames
                return len(self._frames) // 2 if enough else None
            return len(self._frames) - 1 - after
        times_ms = np.array(self._times_ms, dtype=np.int64)
        span_ms = float(times_ms[-1] - times_ms[0])
        if self._last_keyframe is None and span_ms < (self._spec.num_frames - 1) * self._step_ms:
            enough = span_ms >= LEAST_SHARE * (self._spec.num_frames - 1) * self._step_ms
            return int(np.abs(times_ms - (times_ms[0] + span_ms / 2)).argmin()) if enough else None
        return bisect_right(self._times_ms, self._times_ms[-1] - after * self._step_ms) - 1

    def _cut(self, keyframe: int) -> Window:
        times_ms = np.array(self._times_ms, dtype=np.int64)
        if self._spec.time_sampling == "consecutive":
            places = clip_indices(keyframe, self._spec.num_frames, len(self._frames))
        else:
            assert self._spec.window_s is not None
            places = uniform_clip_indices(keyframe, self._spec.num_frames, self._spec.window_s, times_ms)
        chosen = [self._frames[place] for place in places]
        self._last_keyframe, self._last_keyframe_ms = keyframe, self._times_ms[keyframe]
        self._number += 1
        return Window(
            number=self._number - 1,
            segment=self._segment,
            keyframe=self._frames[keyframe].number,
            keyframe_ms=self._frames[keyframe].timestamp_ms,
            frames=np.array([frame.number for frame in chosen], dtype=np.int64),
            timestamps_ms=times_ms[places],
            clip_c=np.stack([frame.frame_c for frame in chosen]),
            num_incomplete=sum(frame.is_incomplete for frame in chosen),
        )

    def _forget(self) -> None:
        """Drop the frames that neither the next window needs, nor the one that the stretch may end with."""
        if self._last_keyframe is None:
            return
        if self._spec.time_sampling == "consecutive":
            first = len(self._frames) - self._spec.num_frames
        else:
            after_ms = (self._spec.num_frames - 1 - self._before) * self._step_ms
            # The last keyframe of which the window would be whole now; a later window's is not earlier.
            keyframe = bisect_right(self._times_ms, self._times_ms[-1] - after_ms) - 1
            start_ms = self._times_ms[max(keyframe, 0)] - self._before * self._step_ms
            # Its first instant may lie between two frames; of several that arrived together it takes the first.
            before = bisect_right(self._times_ms, start_ms) - 1
            first = bisect_left(self._times_ms, self._times_ms[before]) if before >= 0 else 0
        if first > 0:
            del self._frames[:first]
            del self._times_ms[:first]
            self._last_keyframe -= first

    @property
    def _step_ms(self) -> float:
        """Time between two frames of a uniform window."""
        assert self._spec.window_s is not None
        return self._spec.window_s * 1000 / self._spec.num_frames
