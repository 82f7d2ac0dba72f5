from __future__ import annotations

from collections.abc import Callable

import pytest

from thermalctl.dataset.recording_findings import (
    judge_arrival,
    judge_incomplete_frames,
    judge_temperatures,
    judge_timing,
)
from thermalctl.dataset.statistics import RecordingStatistics
from thermalctl.recordings.timing import ClipSpan

Make = Callable[..., RecordingStatistics]


@pytest.mark.parametrize(("num_incomplete", "status"), [(0, "ok"), (20, "ok"), (21, "warning")])
def test_more_than_one_percent_of_incomplete_frames_is_a_warning(
    make_recording: Make, num_incomplete: int, status: str
) -> None:
    recordings = [make_recording(num_incomplete=num_incomplete), make_recording("R2")]
    finding = judge_incomplete_frames(recordings)
    assert finding.status == status
    if num_incomplete == 21:
        assert finding.text == "1.1 % are incomplete (21, in 1 of 2 recordings)"


def test_clip_that_cannot_be_repaired_is_an_error(make_recording: Make) -> None:
    finding = judge_incomplete_frames([make_recording(num_incomplete=100, num_lost_clips=2)])
    assert finding.status == "error"
    assert finding.text.startswith("2 annotated clips hold no complete frame")


def test_clips_of_unequal_length_are_a_warning(make_recording: Make) -> None:
    shorter, longer = ClipSpan(median_s=8.5, min_s=8.1, max_s=9.0), ClipSpan(median_s=12.0, min_s=10.0, max_s=14.8)
    (finding,) = judge_timing([make_recording(timing__clip_span=span) for span in (shorter, longer)])
    assert (finding.status, finding.text) == ("warning", "64 frames last 8.1 to 14.8 s")


def test_clips_of_equal_length_are_ok(make_recording: Make) -> None:
    (finding,) = judge_timing([make_recording()])
    assert (finding.status, finding.text) == ("ok", "64 frames last 10.0 to 11.0 s")


def test_clock_that_stands_still_names_its_recording_and_counts_its_frames(make_recording: Make) -> None:
    _, finding = judge_timing([make_recording(), make_recording("R2", timing__num_out_of_order=3)])
    assert (finding.status, finding.text) == ("warning", "arrival times stand still or go back in R2")
    assert finding.detail == "3 frames are stamped no later than the frame before"


def test_long_gaps_are_a_warning_with_the_longest(make_recording: Make) -> None:
    bad = make_recording("R2", arrival__longest_gap_ms=2633.0, arrival__num_long_gaps=4, arrival__share_in_bursts=0.031)
    finding = judge_arrival([make_recording(), bad])
    assert (finding.status, finding.text) == ("warning", "up to 2.6 s without a frame, in 1 of 2 recordings")
    assert finding.detail == ("4 gaps are over 10 medians long; up to 3.1 % of a recording's frames arrive in bursts")


def test_bursts_alone_are_ok(make_recording: Make) -> None:
    finding = judge_arrival([make_recording(), make_recording("R2", arrival__share_in_bursts=0.22)])
    assert finding.status == "ok"
    assert finding.text == "never longer than 0.2 s; up to 22.0 % of a recording's frames arrive in bursts"


def test_recordings_of_single_frames_have_no_gaps(make_recording: Make) -> None:
    assert judge_arrival([make_recording(arrival=None)]).status == "ok"


def test_pixels_beyond_the_range_are_a_warning_with_their_share(make_recording: Make) -> None:
    hot = make_recording(temperatures__max_c=80.0, temperatures__share_clipped=0.02)
    finding = judge_temperatures([hot], (5.0, 45.0))
    assert finding.status == "warning"
    assert finding.text == "10.0 to 80.0 deg C, but a model is given 5 to 45"
    assert finding.detail == "up to 2.0 % of a recording's pixels are clipped"


def test_temperatures_inside_the_range_are_ok(make_recording: Make) -> None:
    finding = judge_temperatures([make_recording()], (5.0, 45.0))
    assert (finding.status, finding.text) == ("ok", "10.0 to 30.0 deg C; a model is given 5 to 45")
