from __future__ import annotations

import pytest

from thermalctl.dataset.recording_findings import judge_incomplete_frames, judge_temperatures, judge_timing
from thermalctl.dataset.statistics import RecordingStatistics, TemperatureStatistics
from thermalctl.recordings.timing import ClipSpan, Timing


def make_recording(
    name: str = "R1",
    *,
    num_incomplete: int = 0,
    num_lost_clips: int = 0,
    warmest_c: float = 30.0,
    share_clipped: float = 0.0,
    spans_s: tuple[float, float] = (10.0, 11.0),
    num_out_of_order: int = 0,
) -> RecordingStatistics:
    return RecordingStatistics(
        recording=name,
        session="s",
        num_frames=1000,
        num_keyframes=10,
        num_bytes=1,
        num_incomplete=num_incomplete,
        num_lost_clips=num_lost_clips,
        temperatures=TemperatureStatistics(
            min_c=10.0, max_c=warmest_c, mean_c=20.0, std_c=2.0, share_clipped=share_clipped
        ),
        timing=Timing(
            num_frames=1000,
            median_gap_ms=160.0,
            gap_p5_ms=150.0,
            gap_p95_ms=170.0,
            largest_gap_ms=200.0,
            num_out_of_order=num_out_of_order,
            frame_rate_hz=6.25,
            window_frames=64,
            clip_span=ClipSpan(median_s=sum(spans_s) / 2, min_s=spans_s[0], max_s=spans_s[1]),
        ),
    )


@pytest.mark.parametrize(("num_incomplete", "status"), [(0, "ok"), (20, "ok"), (21, "warning")])
def test_more_than_one_percent_of_incomplete_frames_is_a_warning(num_incomplete: int, status: str) -> None:
    recordings = [make_recording(num_incomplete=num_incomplete), make_recording("R2")]
    finding = judge_incomplete_frames(recordings)
    assert finding.status == status
    if num_incomplete == 21:
        assert finding.text == "1.1 % are incomplete (21, in 1 of 2 recordings)"


def test_clip_that_cannot_be_repaired_is_an_error() -> None:
    finding = judge_incomplete_frames([make_recording(num_incomplete=100, num_lost_clips=2)])
    assert finding.status == "error"
    assert finding.text.startswith("2 annotated clips hold no complete frame")


def test_clips_of_unequal_length_are_a_warning() -> None:
    (finding,) = judge_timing([make_recording(spans_s=(8.1, 9.0)), make_recording("R2", spans_s=(10.0, 14.8))])
    assert (finding.status, finding.text) == ("warning", "64 frames last 8.1 to 14.8 s")


def test_clips_of_equal_length_are_ok() -> None:
    (finding,) = judge_timing([make_recording()])
    assert (finding.status, finding.text) == ("ok", "64 frames last 10.0 to 11.0 s")


def test_clock_that_stands_still_names_its_recording() -> None:
    _, finding = judge_timing([make_recording(), make_recording("R2", num_out_of_order=3)])
    assert (finding.status, finding.text) == ("warning", "arrival times stand still or go back in R2")


def test_pixels_beyond_the_range_are_a_warning_with_their_share() -> None:
    finding = judge_temperatures([make_recording(warmest_c=80.0, share_clipped=0.02)], (5.0, 45.0))
    assert finding.status == "warning"
    assert finding.text == "10.0 to 80.0 deg C, but a model is given 5 to 45"
    assert finding.detail == "up to 2.0 % of a recording's pixels are clipped"


def test_temperatures_inside_the_range_are_ok() -> None:
    finding = judge_temperatures([make_recording()], (5.0, 45.0))
    assert (finding.status, finding.text) == ("ok", "10.0 to 30.0 deg C; a model is given 5 to 45")
