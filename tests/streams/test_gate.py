from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.streams.frames import Frame, Interruption, Item
from thermalctl.streams.gate import MOST_WRONG_AT_FIRST, FrameGate

_noise = np.random.default_rng(0)


def make_frame(size: tuple[int, int] = (4, 6)) -> NDArray[np.float32]:
    """A frame unlike every other one."""
    return _noise.normal(22, 2, size).astype(np.float32)


def accept_all(gate: FrameGate, times_ms: list[int]) -> list[Item]:
    return [item for time_ms in times_ms for item in gate.accept(make_frame(), time_ms)]


def test_frames_in_order_are_let_through_with_their_numbers() -> None:
    items = accept_all(FrameGate(), [1000, 1100, 1250])
    assert [(item.number, item.timestamp_ms) for item in items if isinstance(item, Frame)] == [
        (0, 1000),
        (1, 1100),
        (2, 1250),
    ]
    assert len(items) == 3


def test_burst_of_frames_in_the_same_millisecond_is_let_through() -> None:
    assert len(accept_all(FrameGate(), [1000, 1000, 1000, 1001])) == 4


def test_frame_of_another_size_is_refused_and_counted_in_the_numbers() -> None:
    gate = FrameGate((4, 6))
    items = [*gate.accept(make_frame(), 0), *gate.accept(make_frame((6, 4)), 100), *gate.accept(make_frame(), 200)]
    assert [item.number for item in items if isinstance(item, Frame)] == [0, 2]
    assert gate.refused == {"wrong size": 1}


def test_size_on_which_two_frames_in_a_row_agree_is_expected_where_none_was_told() -> None:
    gate = FrameGate()
    sizes = [(1, 1), (4, 6), (3, 3), (4, 6), (4, 6), (3, 3), (4, 6)]
    items = [item for time_ms, size in enumerate(sizes) for item in gate.accept(make_frame(size), time_ms)]
    assert [(item.number, item.timestamp_ms) for item in items if isinstance(item, Frame)] == [(3, 3), (4, 4), (6, 6)]
    assert gate.frame_size == (4, 6)
    assert gate.refused == {"wrong size": 4}


@pytest.mark.parametrize("shape", [(24,), (2, 4, 6), (0, 6)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    gate = FrameGate((4, 6))
    assert not list(gate.accept(np.zeros(shape, dtype=np.float32), 0))
    assert gate.refused["wrong size"] == 1


def test_pixel_that_is_not_a_number_makes_its_frame_incomplete() -> None:
    frame_c = make_frame()
    frame_c[1, 2], frame_c[3, 3] = np.nan, np.inf
    [item] = FrameGate((4, 6)).accept(frame_c, 0)
    assert isinstance(item, Frame)
    assert item.is_incomplete
    assert np.isfinite(item.frame_c).all()
    assert find_incomplete_frames(item.frame_c[None]).all()
    np.testing.assert_array_equal(item.frame_c[0], frame_c[0])


def test_same_picture_at_the_same_time_is_a_duplicate() -> None:
    gate, frame_c = FrameGate(), make_frame()
    items = [*gate.accept(frame_c, 1000), *gate.accept(frame_c, 1000), *gate.accept(make_frame(), 1100)]
    assert len(items) == 2
    assert gate.refused == {"duplicate": 1}


def test_lost_frames_that_are_equal_are_no_duplicates() -> None:
    gate, lost_c = FrameGate(), np.full((4, 6), -273.15, dtype=np.float32)
    assert len([*gate.accept(lost_c, 1000), *gate.accept(lost_c, 1100)]) == 2
    assert gate.num_incomplete == 2


def test_late_frame_is_refused() -> None:
    gate = FrameGate()
    items = accept_all(gate, [1000, 1200, 1100, 1300])
    assert [item.timestamp_ms for item in items if isinstance(item, Frame)] == [1000, 1200, 1300]
    assert gate.refused == {"late": 1}


def test_gap_interrupts() -> None:
    items = accept_all(FrameGate(max_gap_s=5), [0, 5000, 10_001])
    assert items[2] == Interruption(start_ms=5000, end_ms=10_001, cause="gap")
    assert len(items) == 4


def test_clock_that_is_set_back_begins_anew() -> None:
    items = accept_all(FrameGate(max_gap_s=5), [60_000, 60_100, 1000, 1100])
    assert items[2] == Interruption(start_ms=60_100, end_ms=1000, cause="clock set back")
    assert [item.timestamp_ms for item in items if isinstance(item, Frame)] == [60_000, 60_100, 1000, 1100]


def test_frozen_sensor_is_refused_and_interrupts_once() -> None:
    gate, stuck_c = FrameGate(max_gap_s=5), make_frame()
    items = [item for time_ms in range(0, 20_000, 500) for item in gate.accept(stuck_c, time_ms)]
    assert [type(item) for item in items] == [Frame, Interruption]
    assert items[1] == Interruption(start_ms=0, end_ms=5500, cause="frozen")
    assert gate.refused == {"frozen": 39}
    after = list(gate.accept(make_frame(), 20_000))
    assert [type(item) for item in after] == [Frame]


def test_silence_interrupts_once_until_frames_come_again() -> None:
    gate = FrameGate((4, 6), max_gap_s=5)
    accept_all(gate, [1000])
    assert not list(gate.wait(4.9))
    assert list(gate.wait(5.5)) == [Interruption(start_ms=1000, end_ms=6500, cause="silence")]
    assert not list(gate.wait(60))
    assert [type(item) for item in gate.accept(make_frame(), 70_000)] == [Frame]
    assert list(gate.wait(6))


def test_silence_before_the_first_frame_is_none() -> None:
    assert not list(FrameGate().wait(1000))


def test_first_frames_that_are_all_of_another_size_are_an_error() -> None:
    gate = FrameGate((4, 6))
    with pytest.raises(RecordingError, match="6 x 4 pixels, expected 4x6"):
        for number in range(MOST_WRONG_AT_FIRST):
            list(gate.accept(make_frame((6, 4)), number))


def test_frames_in_kelvin_are_an_error_and_not_answered() -> None:
    gate = FrameGate()
    with pytest.raises(RecordingError, match=r"median of 29[0-9].*expected deg C"):
        for number in range(MOST_WRONG_AT_FIRST):
            list(gate.accept(make_frame() + np.float32(273.15), number))


def test_wrong_frames_later_on_are_no_error() -> None:
    gate = FrameGate((4, 6))
    accept_all(gate, [0])
    for number in range(3 * MOST_WRONG_AT_FIRST):
        list(gate.accept(make_frame((6, 4)), number))
    assert gate.refused == {"wrong size": 3 * MOST_WRONG_AT_FIRST}
