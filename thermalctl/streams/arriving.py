"""Frames that arrive on a stream, as JSON Lines or as raw float32, and the moments in which none does."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.import_options import MAX_TIME_MS
from thermalctl.recordings.units import Unit, to_celsius
from thermalctl.streams.frames import ArrivedFrame
from thermalctl.streams.records import ArrivingRecords, Record

StreamFormat = Literal["ndjson", "raw"]

#: A pixel takes up to so many characters as JSON: "-273.1499938964844, ", and a line some more for the rest.
_CHARS_PER_PIXEL, _OTHER_CHARS = 32, 4096
#: A line is not longer than that of a frame of so many pixels, where the size is not known yet.
_MOST_PIXELS = 512 * 512
#: So many unreadable lines in the beginning, and not one frame, are another format.
MOST_UNREADABLE_AT_FIRST = 20
#: How often whoever takes the frames is told that none has come, seconds.
TICK_S = 0.5

UnreadableCause = Literal["no JSON", "no frame", "no time", "line too long", "cut short"]


@dataclass(frozen=True)
class Silence:
    """No frame has come for so many seconds."""

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
        self._frame_size = frame_size
        self._unit = unit
        self._frame_rate_hz = frame_rate_hz
        self._unreadable: Counter[UnreadableCause] = Counter()
        pixels = frame_size[0] * frame_size[1] if frame_size else _MOST_PIXELS
        self._most_chars = pixels * _CHARS_PER_PIXEL + _OTHER_CHARS
        self._block_bytes = 4 * pixels if stream_format == "raw" else None
        self._num_frames = 0
        self._start_ms = 0
        self._stream, self._clock = stream, clock

    @property
    def unreadable(self) -> Mapping[UnreadableCause, int]:
        """How many lines were passed over, by why."""
        return self._unreadable

    def __iter__(self) -> Iterator[ArrivedFrame | Silence]:
        records = ArrivingRecords(
            self._stream, block_bytes=self._block_bytes, most_bytes=self._most_chars, clock=self._clock
        )
        last = time.monotonic()
        while True:
            try:
                record = records.take(TICK_S)
            except TimeoutError:
                yield Silence(time.monotonic() - last)
                continue
            if record is None:
                return
            parsed = self._parse_line(record) if self._block_bytes is None else self._parse_raw(record)
            if isinstance(parsed, ArrivedFrame):
                last = time.monotonic()
                self._num_frames += 1
                yield parsed
                continue
            if parsed is not None:
                self._unreadable[parsed] += 1
                self._expect_some_frame(parsed, record.content)
            yield Silence(time.monotonic() - last)  # what is no frame is as good as nothing

    def _parse_raw(self, record: Record) -> ArrivedFrame | UnreadableCause:
        assert self._frame_size is not None
        if len(record.content) < 4 * self._frame_size[0] * self._frame_size[1]:
            return "cut short"
        values = np.frombuffer(record.content, dtype="<f4").reshape(self._frame_size)
        time_ms = record.time_ms
        if self._num_frames == 0:
            self._start_ms = time_ms
        if self._frame_rate_hz is not None:
            time_ms = self._start_ms + round(self._num_frames * 1000 / self._frame_rate_hz)
        return ArrivedFrame(to_celsius(values, self._unit), time_ms)

    def _parse_line(self, record: Record) -> ArrivedFrame | UnreadableCause | None:
        if not record.content.strip():
            return None
        if len(record.content) > self._most_chars:
            return "line too long"
        try:
            fields = json.loads(record.content)
        except (ValueError, RecursionError):
            return "no JSON"
        values = _read_pixels(fields.get("frame")) if isinstance(fields, dict) else None
        if values is None:
            return "no frame"
        told_ms = fields.get("timestamp_ms")
        time_ms = record.time_ms if told_ms is None else told_ms
        if isinstance(time_ms, bool) or not isinstance(time_ms, (int, float)) or not 0 <= time_ms < MAX_TIME_MS:
            return "no time"
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite: its pixel is lost
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
        values = np.array(rows)
        if values.dtype.kind == "O":  # with nulls in it, or with something that is no number
            known = {type(value) for value in values.ravel()}
            values = values.astype(np.float64) if known <= {int, float, type(None)} else values
    except (TypeError, ValueError, OverflowError):
        return None
    return values.astype(np.float64) if values.size and values.dtype.kind in "iuf" else None
