from __future__ import annotations

import numpy as np
import pytest

from thermalctl.recordings.simulate_sensor import add_sensor_errors, deliver, lose_packets

LOST = np.float32(-273.2)


def make_counting_frames(num_frames: int) -> np.ndarray:
    """Frames of 10x10 pixels that count their own pixels from 0, so that a pixel tells where it was sent from."""
    return np.broadcast_to(np.arange(100, dtype=np.float32).reshape(10, 10), (num_frames, 10, 10)).copy()


def test_pixels_that_arrive_move_up_and_the_tail_is_lost() -> None:
    frames_c = lose_packets(make_counting_frames(101), share=0.5, rng=np.random.default_rng(0))
    pixels = frames_c.reshape(101, 100)
    incomplete = (pixels == LOST).any(axis=1)
    assert incomplete.sum() == 50
    assert not incomplete[0]
    for frame in pixels[incomplete]:
        arrived = frame[frame != LOST]
        # A packet holds 24 of 100 pixels; up to four of the first four are lost, the rest of 4 pixels always arrives.
        packets = sorted({int(pixel) // 24 for pixel in arrived})
        expected = np.concatenate([np.arange(24 * packet, min(24 * packet + 24, 100)) for packet in packets])
        assert 4 in packets
        assert len(packets) < 5
        np.testing.assert_array_equal(frame[: len(arrived)], expected)


def test_nothing_is_lost_where_nothing_is_to_be() -> None:
    frames_c = make_counting_frames(20)
    np.testing.assert_array_equal(lose_packets(frames_c, share=0.0, rng=np.random.default_rng(0)), frames_c)


def test_link_without_stalls_delivers_as_measured() -> None:
    times_s = np.arange(200) * 0.165
    arrivals_ms = deliver(times_s, start_ms=5_000, stall_s=(0.5, 0.6), stalls_every_s=1e9, rng=np.random.default_rng(0))
    assert np.abs(arrivals_ms - 5_000 - 165 * np.arange(200)).max() < 50


def test_stalled_link_holds_frames_back_and_then_catches_up() -> None:
    times_s = np.arange(2000) * 0.165
    arrivals_ms = deliver(times_s, start_ms=0, stall_s=(0.8, 2.6), stalls_every_s=2.0, rng=np.random.default_rng(0))
    gaps_ms = np.diff(arrivals_ms)
    late_ms = arrivals_ms - 1000 * times_s
    assert gaps_ms.min() > 0
    assert 500 < gaps_ms.max() < 2700
    assert late_ms.min() > -50, "no frame arrives before it was measured"
    assert np.mean(gaps_ms < 60) > 0.2, "what queued up comes in a burst"
    assert np.mean(late_ms < 50) > 0.2, "and then the link is on time again"


def test_temperatures_come_in_tenths_of_a_degree() -> None:
    frames_c = np.full((50, 8, 8), 21.234, dtype=np.float32)
    recorded_c = add_sensor_errors(
        frames_c, np.arange(50) * 0.1, noise_c=0.25, fixed_pattern_c=np.zeros((8, 8)), rng=np.random.default_rng(0)
    )
    tenths = recorded_c.astype(np.float64) * 10
    np.testing.assert_allclose(tenths, np.round(tenths), atol=1e-4)
    assert recorded_c.dtype == np.float32
    assert recorded_c.mean() == pytest.approx(21.234, abs=0.32)  # drift is at most 0.3
    assert np.diff(recorded_c, axis=0).std() / np.sqrt(2) == pytest.approx(0.25, abs=0.02)
