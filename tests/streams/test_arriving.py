from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator

import numpy as np
import pytest

from thermalctl.errors import RecordingError
from thermalctl.recordings.units import Unit
from thermalctl.streams.arriving import MOST_UNREADABLE_AT_FIRST, ArrivingFrames, Silence
from thermalctl.streams.frames import ArrivedFrame

FRAME = [[20.0, 21.5, 22.0], [23.0, 24.25, 25.0]]


def line(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def read(content: bytes, **options: object) -> tuple[list[ArrivedFrame], ArrivingFrames]:
    frames = ArrivingFrames(io.BytesIO(content), "ndjson", **options)  # type: ignore[arg-type]
    return [arrived for arrived in frames if isinstance(arrived, ArrivedFrame)], frames


def test_line_is_a_frame_with_its_time() -> None:
    [frame], _ = read(line(timestamp_ms=1_767_225_600_123, frame=FRAME, sensor="SL14"))
    assert frame.timestamp_ms == 1_767_225_600_123
    np.testing.assert_array_equal(frame.frame_c, np.array(FRAME, dtype=np.float32))
    assert frame.frame_c.dtype == np.float32


def test_frame_without_a_time_has_that_of_its_arrival() -> None:
    [frame], _ = read(line(frame=FRAME), clock=lambda: 1234.5)
    assert frame.timestamp_ms == 1_234_500


def test_null_is_a_pixel_that_is_not_a_number() -> None:
    [frame], _ = read(line(timestamp_ms=1, frame=[[20.0, None]]))
    assert np.isnan(frame.frame_c).tolist() == [[False, True]]


def test_unit_is_made_degrees() -> None:
    [frame], _ = read(line(timestamp_ms=1, frame=[[293.15]]), unit=Unit.KELVIN)
    np.testing.assert_allclose(frame.frame_c, [[20.0]], atol=1e-5)


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (b"hello\n", "no JSON"),
        (b'{"frame": [[1, 2\n', "no JSON"),
        (b"[" * 100_000 + b"\n", "no JSON"),
        (b"[1, 2]\n", "no frame"),
        (line(timestamp_ms=1), "no frame"),
        (line(timestamp_ms=1, frame=[[1, 2], [3]]), "no frame"),
        (line(timestamp_ms=1, frame="x"), "no frame"),
        (line(timestamp_ms=1, frame=[]), "no frame"),
        (line(timestamp_ms=1, frame=[["1.5", {}]]), "no frame"),
        (line(timestamp_ms=1, frame=[["21.5", "22.5"]]), "no frame"),
        (line(timestamp_ms=1, frame=[[True, False]]), "no frame"),
        (line(timestamp_ms=1, frame=[[None, "x"]]), "no frame"),
        (line(timestamp_ms="now", frame=FRAME), "no time"),
        (line(timestamp_ms=-5, frame=FRAME), "no time"),
        (line(timestamp_ms=True, frame=FRAME), "no time"),
        (b'{"timestamp_ms": NaN, "frame": [[1.5]]}\n', "no time"),
        (b"\xff\xfe\x00\n", "no JSON"),
    ],
)
def test_unreadable_line_is_counted_and_passed_over(bad: bytes, cause: str) -> None:
    good = line(timestamp_ms=1, frame=FRAME)
    frames, arriving = read(good + bad + good)
    assert len(frames) == 2
    assert arriving.unreadable == {cause: 1}


def test_line_longer_than_any_frame_is_passed_over_in_little_memory() -> None:
    good = line(timestamp_ms=1, frame=FRAME)
    frames, arriving = read(good + b"x" * 100_000 + b"\n" + good, frame_size=(2, 3))
    assert len(frames) == 2
    assert arriving.unreadable == {"line too long": 1}


def test_last_line_may_lack_its_end_and_blank_lines_are_nothing() -> None:
    frames, arriving = read(b"\n  \n" + line(timestamp_ms=1, frame=FRAME).strip())
    assert len(frames) == 1
    assert not arriving.unreadable


def test_other_format_is_an_error() -> None:
    with pytest.raises(RecordingError, match=r"none of the first 20 lines is a frame .no JSON: 'hello"):
        read(b"hello\n" * MOST_UNREADABLE_AT_FIRST)


def test_raw_frames_follow_one_another() -> None:
    values = np.arange(12, dtype="<f4").reshape(2, 2, 3)
    frames = ArrivingFrames(
        io.BytesIO(values.tobytes() + b"rest"), "raw", frame_size=(2, 3), frame_rate_hz=8, clock=lambda: 50.0
    )
    arrived = [frame for frame in frames if isinstance(frame, ArrivedFrame)]
    np.testing.assert_array_equal(np.stack([frame.frame_c for frame in arrived]), values)
    assert [frame.timestamp_ms for frame in arrived] == [50_000, 50_125]
    assert frames.unreadable == {"cut short": 1}


def test_raw_frames_need_their_size() -> None:
    with pytest.raises(RecordingError, match="do not say their size"):
        ArrivingFrames(io.BytesIO(), "raw")


def test_silence_is_told_while_nothing_comes() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as sender:
        arrivals: Iterator[ArrivedFrame | Silence] = iter(ArrivingFrames(stream, "ndjson"))
        sender.write(line(timestamp_ms=1, frame=FRAME))
        assert isinstance(next(arrivals), ArrivedFrame)
        silences = [next(arrivals), next(arrivals)]
        assert all(isinstance(silence, Silence) for silence in silences)
        assert 0.4 < silences[0].seconds < silences[1].seconds  # type: ignore[union-attr]
        sender.write(line(timestamp_ms=2, frame=FRAME))
        assert any(isinstance(next(arrivals), ArrivedFrame) for _ in range(5))


def test_what_is_no_frame_is_as_good_as_nothing() -> None:
    arrivals = list(ArrivingFrames(io.BytesIO(line(timestamp_ms=1, frame=FRAME) + b"garbage\n" * 3), "ndjson"))
    assert [type(arrival) for arrival in arrivals] == [ArrivedFrame, Silence, Silence, Silence]


def test_time_that_is_null_is_that_of_arrival() -> None:
    [frame], _ = read(line(timestamp_ms=None, frame=FRAME), clock=lambda: 7.0)
    assert frame.timestamp_ms == 7000


def test_number_too_large_for_float32_is_a_lost_pixel() -> None:
    [frame], _ = read(line(timestamp_ms=1, frame=[[1e300, 21.0]]))
    assert np.isinf(frame.frame_c).tolist() == [[True, False]]
