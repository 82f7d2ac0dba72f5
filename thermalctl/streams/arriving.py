"""Frames that arrive on a stream, as JSON Lines or as raw float32, and the moments in which none does.

A thread of its own reads, so that whoever takes the frames can be told that nothing comes.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.import_options import MAX_TIME_MS
from thermalctl.recordings.units import Unit, to_celsius
from thermalctl.streams.frames import ArrivedFrame

StreamFormat = Literal["ndjson", "raw"]

#: A pixel takes up to so many characters as JSON: "-273.1499938964844, ", and a line some more for the rest.
_CHARS_PER_PIXEL, _OTHER_CHARS = 32, 4096
#: A line is not longer than that of a frame of so many pixels, where the size is not known yet.
_MOST_PIXELS = 1024 * 1024
#: So many unreadable lines in the beginning, and not one frame, are another format.
MOST_UNREADABLE_AT_FIRST = 20
#: Frames that wait at most; when more come than are taken, whoever sends has to wait.
_MOST_WAITING = 256
#: How often whoever takes the frames is told that none has come, seconds.
TICK_S = 0.5

UnreadableCause = Literal["no JSON", "no frame", "no time", "line too long", "cut short"]


class _Arrival(NamedTuple):
    record: bytes
    time_ms: int


@dataclass(frozen=True)
class Silence:
    """Nothing has come for so many seconds."""

    seconds: float


class ArrivingFrames:
    """The frames of a stream as they arrive, and `Silence` where none does.

    As "ndjson", a line is an object with `frame`, rows of numbers, and `timestamp_ms`, ms since 1970; without one the
    frame has the time of its arrival. Other keys are passed over. A line that is none is counted and passed over. As
    "raw", frames follow one another without anything between, little-endian float32, row by row; their times are those
    of their arrival, or follow from a frame rate.

    Attributes:
        unreadable: how many lines were passed over, by why; a rest that is no whole frame counts too.

    Args:
        stream: where they come from, binary.
        stream_format: how they are written.
        frame_size: (H, W); needed for "raw".
        unit: of the pixels.
        frame_rate_hz: makes up the times of "raw" frames; None: the time of their arrival.
        clock: tells the time in seconds since 1970.

    Raises:
        RecordingError: while frames are taken, if the first lines are all unreadable.
    """

    def __init__(
        self,
        stream: IO[bytes],
        stream_format: StreamFormat,
        *,
        frame_size: tuple[int, int] | None = None,
        unit: Unit = Unit.CELSIUS,
        frame_rate_hz: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if stream_format == "raw" and frame_size is None:
            raise RecordingError("raw frames do not say their size", hint="say it: --frame-size 40x60")
        self._stream = stream
        self._format = stream_format
        self._frame_size = frame_size
        self._unit = unit
        self._frame_rate_hz = frame_rate_hz
        self._clock = clock
        self._unreadable: Counter[UnreadableCause] = Counter()
        pixels = frame_size[0] * frame_size[1] if frame_size else _MOST_PIXELS
        self._most_chars = pixels * _CHARS_PER_PIXEL + _OTHER_CHARS
        self._num_frames = 0
        self._start_ms = 0
        self._waiting: queue.Queue[_Arrival | OSError | None] = queue.Queue(_MOST_WAITING)

    @property
    def unreadable(self) -> Mapping[UnreadableCause, int]:
        """How many lines were passed over, by why."""
        return self._unreadable

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)

    def __iter__(self) -> Iterator[ArrivedFrame | Silence]:
        # A daemon: a read that never returns must not keep the program from ending.
        threading.Thread(target=self._read, daemon=True, name="stream").start()
        last = time.monotonic()
        while True:
            try:
                arrival = self._waiting.get(timeout=TICK_S)
            except queue.Empty:
                yield Silence(time.monotonic() - last)
                continue
            last = time.monotonic()
            if arrival is None:
                return
            if isinstance(arrival, OSError):
                raise RecordingError(
                    f"standard input: cannot be read ({arrival.strerror})", hint="start whoever sends the frames again"
                ) from arrival
            parsed = self._parse_line(arrival) if self._format == "ndjson" else self._parse_raw(arrival)
            if isinstance(parsed, ArrivedFrame):
                self._num_frames += 1
                yield parsed
            elif parsed is not None:
                self._unreadable[parsed] += 1
                self._expect_some_frame(parsed, arrival.record)

    def _read(self) -> None:
        """Put records into the queue until the stream ends; runs in a thread of its own."""
        try:
            if self._format == "raw":
                assert self._frame_size is not None
                num_bytes = 4 * self._frame_size[0] * self._frame_size[1]
                while record := self._stream.read(num_bytes):
                    self._waiting.put(_Arrival(record, self._now_ms()))
            else:
                while record := self._stream.readline(self._most_chars + 1):
                    self._waiting.put(_Arrival(record, self._now_ms()))
                    while len(record) > self._most_chars and not record.endswith(b"\n"):  # the rest of the line
                        record = self._stream.readline(self._most_chars + 1)
            self._waiting.put(None)
        except OSError as error:
            self._waiting.put(error)

    def _parse_raw(self, arrival: _Arrival) -> ArrivedFrame | UnreadableCause:
        assert self._frame_size is not None
        if len(arrival.record) < 4 * self._frame_size[0] * self._frame_size[1]:
            return "cut short"
        values = np.frombuffer(arrival.record, dtype="<f4").reshape(self._frame_size)
        time_ms = arrival.time_ms
        if self._num_frames == 0:
            self._start_ms = time_ms
        if self._frame_rate_hz is not None:
            time_ms = self._start_ms + round(self._num_frames * 1000 / self._frame_rate_hz)
        return ArrivedFrame(to_celsius(values, self._unit), time_ms)

    def _parse_line(self, arrival: _Arrival) -> ArrivedFrame | UnreadableCause | None:
        record = arrival.record
        if not record.strip():
            return None
        if len(record) > self._most_chars:
            return "line too long"
        try:
            fields = json.loads(record)
        except (ValueError, RecursionError):
            return "no JSON"
        values = _read_pixels(fields.get("frame")) if isinstance(fields, dict) else None
        if values is None:
            return "no frame"
        time_ms = fields.get("timestamp_ms", arrival.time_ms)
        if isinstance(time_ms, bool) or not isinstance(time_ms, (int, float)) or not 0 <= time_ms < MAX_TIME_MS:
            return "no time"
        return ArrivedFrame(to_celsius(values, self._unit), round(time_ms))

    def _expect_some_frame(self, cause: UnreadableCause, record: bytes) -> None:
        if self._num_frames == 0 and self._unreadable.total() >= MOST_UNREADABLE_AT_FIRST:
            shown = ascii(record[:40].decode("utf-8", errors="replace"))
            raise RecordingError(
                f"standard input: none of the first {MOST_UNREADABLE_AT_FIRST} lines is a frame ({cause}: {shown} ...)",
                hint='expected lines as {"timestamp_ms": 1767225600000, "frame": [[21.5, 21.6, ...], ...]}, '
                "or raw float32 with --stream raw",
            )


def _read_pixels(rows: object) -> NDArray[np.float64] | None:
    """Return rows of numbers as an array of any shape; a null in them is a pixel that is not a number."""
    if not isinstance(rows, list) or not rows:
        return None
    try:
        values = np.array(rows, dtype=np.float64)  # None becomes NaN
    except (TypeError, ValueError, OverflowError):
        return None
    return values if values.size else None
