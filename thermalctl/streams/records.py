"""A stream of bytes cut into records, lines or blocks, by a thread of its own: nobody waits for what never comes.

Bytes are taken as they come, without a buffered reader: a thread that sits in one when the program ends makes the
interpreter abort.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from thermalctl.errors import RecordingError

#: Records that wait at most; when more come than are taken, whoever sends has to wait.
_MOST_WAITING = 32
_CHUNK_BYTES = 1 << 16
_PATIENCE_S = 0.01


class Record(NamedTuple):
    """A line with its end, or a block, as it came, and when that was, ms since 1970.

    The last one may be cut short; of a line that is too long only the beginning is there.
    """

    content: bytes
    time_ms: int


class ArrivingRecords:
    """The records of a stream, waiting to be taken.

    Args:
        stream: where bytes come from.
        block_bytes: of a record; None for lines.
        most_bytes: of a line; the rest of a longer one is thrown away.
        clock: tells the time in seconds since 1970.
    """

    def __init__(
        self, stream: IO[bytes], *, block_bytes: int | None, most_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._take_some = getattr(stream, "read1", stream.read)
        self._block_bytes = block_bytes
        self._most_bytes = most_bytes
        self._clock = clock
        self._waiting: queue.Queue[Record | OSError | None] = queue.Queue(_MOST_WAITING)
        # A daemon: a read that never returns must not keep the program from ending.
        threading.Thread(target=self._read, daemon=True, name="stream").start()

    def take(self, timeout_s: float) -> Record | None:
        """Return the next record; None if the stream has ended.

        Args:
            timeout_s: how long to wait.

        Raises:
            TimeoutError: if none has come by then.
            RecordingError: if the stream cannot be read.
        """
        try:
            found = self._waiting.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(found, OSError):
            raise RecordingError(
                f"standard input: cannot be read ({found.strerror})", hint="start whoever sends the frames again"
            ) from found
        return found

    def _read(self) -> None:
        try:
            cut = self._cut_lines() if self._block_bytes is None else self._cut_blocks(self._block_bytes)
            for content in cut:
                self._waiting.put(Record(content, round(self._clock() * 1000)))
            self._waiting.put(None)
        except OSError as error:
            self._waiting.put(error)

    def _take_chunks(self) -> Iterator[bytes]:
        while (chunk := self._take_some(_CHUNK_BYTES)) != b"":
            if chunk is None:  # the stream was set not to block, and has nothing just now
                time.sleep(_PATIENCE_S)
            else:
                yield chunk

    def _cut_lines(self) -> Iterator[bytes]:
        """Yield each line with its end; of one that is too long a beginning of `most_bytes` + 1."""
        held, is_too_long = bytearray(), False
        for chunk in self._take_chunks():
            *whole, rest = chunk.split(b"\n")
            for part in whole:
                if not is_too_long:
                    yield bytes(held + part + b"\n")[: self._most_bytes + 1]
                held, is_too_long = bytearray(), False
            if not is_too_long:
                held += rest
                if len(held) > self._most_bytes:
                    yield bytes(held[: self._most_bytes + 1])
                    held, is_too_long = bytearray(), True
        if held:
            yield bytes(held)

    def _cut_blocks(self, block_bytes: int) -> Iterator[bytes]:
        held = bytearray()
        for chunk in self._take_chunks():
            held += chunk
            while len(held) >= block_bytes:
                yield bytes(held[:block_bytes])
                del held[:block_bytes]
        if held:
            yield bytes(held)
