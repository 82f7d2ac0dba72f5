from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.errors import RecordingError
from thermalctl.streams.records import ArrivingRecords


class Pieces(io.RawIOBase):
    """Delivers bytes in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = list(pieces)

    def read(self, size: int = -1) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def take_all(records: ArrivingRecords) -> list[bytes]:
    found = []
    while (record := records.take(5)) is not None:
        found.append(record.content)
    return found


@given(content=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_lines_are_those_of_the_whole_however_it_comes(content: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(content), *(min(cut, len(content)) for cut in cuts)})
    pieces = [content[a:b] for a, b in pairwise(places)]
    found = take_all(ArrivingRecords(Pieces(pieces), block_bytes=None, most_bytes=100))  # type: ignore[arg-type]
    assert found == io.BytesIO(content).readlines()


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_line_that_is_too_long_is_cut_and_the_next_one_is_whole(size: int) -> None:
    content = b"ok\n" + b"x" * 50 + b"\nfine\n"
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    found = take_all(ArrivingRecords(Pieces(pieces), block_bytes=None, most_bytes=10))  # type: ignore[arg-type]
    assert found == [b"ok\n", b"x" * 11, b"fine\n"]


def test_blocks_are_cut_wherever_the_pieces_end() -> None:
    pieces = Pieces([b"ab", b"cdefg", b"h"])
    assert take_all(ArrivingRecords(pieces, block_bytes=3, most_bytes=0)) == [b"abc", b"def", b"gh"]  # type: ignore[arg-type]


def test_time_is_that_of_the_arrival() -> None:
    record = ArrivingRecords(io.BytesIO(b"a\n"), block_bytes=None, most_bytes=9, clock=lambda: 12.5).take(5)
    assert record is not None
    assert record.time_ms == 12_500


def test_waiting_ends() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as stream, os.fdopen(writing, "wb"), pytest.raises(TimeoutError):
        ArrivingRecords(stream, block_bytes=None, most_bytes=9).take(0.05)  # type: ignore[arg-type]


def test_broken_stream_is_told() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(RecordingError, match=r"cannot be read .Input/output error"):
        ArrivingRecords(Broken(), block_bytes=None, most_bytes=9).take(5)  # type: ignore[arg-type]


def test_sender_has_to_wait_where_records_are_not_taken() -> None:
    class Endless(io.RawIOBase):
        num_read = 0

        def read(self, size: int = -1) -> bytes:
            self.num_read += 1
            return b"x\n"

    stream = Endless()
    ArrivingRecords(stream, block_bytes=None, most_bytes=9).take(5)  # type: ignore[arg-type]
    time.sleep(0.2)
    assert stream.num_read < 100


def test_program_ends_in_order_while_the_stream_is_open() -> None:
    program = (
        "import io, sys\n"
        "from thermalctl.streams.records import ArrivingRecords\n"
        "records = ArrivingRecords(io.FileIO(0, closefd=False), block_bytes=None, most_bytes=9)\n"
        "print(records.take(60).content)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"a\n")
        process.stdin.flush()
        assert process.stdout.read() == b"b'a\\n'\n"
        assert process.stderr.read() == b""
        assert process.wait(30) == 0  # with standard input still open
