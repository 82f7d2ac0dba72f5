from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.errors import RecordingError
from thermalctl.recordings.hdf5 import RecordingFile
from thermalctl.recordings.timing import ClipSpan, summarise_timing


def test_gaps_are_summarised() -> None:
    # Gaps 100, 200, 300, 400, 500: the 5th percentile lies a fifth of the way from the first to the second.
    timing = summarise_timing(np.array([0, 100, 300, 600, 1000, 1500]), window_frames=3)
    assert (timing.num_frames, timing.median_gap_ms, timing.largest_gap_ms) == (6, 300.0, 500.0)
    assert timing.gap_p5_ms == pytest.approx(120.0)
    assert timing.gap_p95_ms == pytest.approx(480.0)
    assert timing.frame_rate_hz == pytest.approx(10 / 3)
    assert timing.num_out_of_order == 0


def test_span_of_a_clip_is_from_its_first_frame_to_its_last() -> None:
    # Three frames span 0.3, 0.5, 0.7 and 0.9 s.
    timing = summarise_timing(np.array([0, 100, 300, 600, 1000, 1500]), window_frames=3)
    assert timing.window_frames == 3
    assert timing.clip_span == ClipSpan(median_s=pytest.approx(0.6), min_s=0.3, max_s=0.9)


def test_recording_shorter_than_a_clip_has_no_span() -> None:
    stamps = np.array([0, 100, 300])
    assert summarise_timing(stamps, window_frames=4).clip_span is None
    assert summarise_timing(stamps, window_frames=3).clip_span == ClipSpan(median_s=0.3, min_s=0.3, max_s=0.3)


def test_duplicates_and_steps_back_are_counted() -> None:
    assert summarise_timing(np.array([0, 100, 100, 50, 200, 300]), window_frames=2).num_out_of_order == 2


def test_standing_clock_has_no_frame_rate() -> None:
    timing = summarise_timing(np.array([5, 5, 5]), window_frames=2)
    assert (timing.median_gap_ms, timing.frame_rate_hz, timing.num_out_of_order) == (0.0, 0.0, 2)


@pytest.mark.parametrize("stamps", [[], [7]])
def test_less_than_two_stamps_are_refused(stamps: list[int]) -> None:
    with pytest.raises(RecordingError, match="expected at least 2"):
        summarise_timing(np.array(stamps, dtype=np.int64), window_frames=64)


@given(st.lists(st.integers(-5, 5000), min_size=1, max_size=60), st.integers(1, 70))
def test_spans_agree_with_sums_of_gaps(gaps: list[int], window_frames: int) -> None:
    stamps = np.concatenate(([0], np.cumsum(gaps)))
    timing = summarise_timing(stamps, window_frames=window_frames)
    starts = range(len(stamps) - window_frames + 1)
    expected = [sum(gaps[start : start + window_frames - 1]) / 1000 for start in starts]
    if expected:
        assert timing.clip_span is not None
        assert timing.clip_span.min_s == pytest.approx(min(expected))
        assert timing.clip_span.max_s == pytest.approx(max(expected))
    else:
        assert timing.clip_span is None
    assert timing.num_out_of_order == sum(gap <= 0 for gap in gaps)


@pytest.mark.real
def test_real_recordings_arrive_in_bursts(real_dataset: Path) -> None:
    timings = {}
    for path in sorted((real_dataset / "frames").glob("*.h5")):
        with RecordingFile(path) as file:
            timings[path.stem] = summarise_timing(file.timestamps_ms, window_frames=64)
    medians = [timing.median_gap_ms for timing in timings.values()]
    assert (min(medians), max(medians)) == (38.0, 164.0)
    assert max(timing.largest_gap_ms for timing in timings.values()) == 2633.0
    assert not any(timing.num_out_of_order for timing in timings.values())
    assert (
        8.0 < min(t.clip_span.min_s for t in timings.values()) < max(t.clip_span.max_s for t in timings.values()) < 15
    )
