from __future__ import annotations

from collections.abc import Callable

import pytest

from thermalctl.dataset.sensor_findings import judge_sensor
from thermalctl.dataset.statistics import RecordingStatistics
from thermalctl.recordings.faults import RepeatedFrames, Trend
from thermalctl.recordings.pixels import FaultyPixel, HotSpot

Make = Callable[..., RecordingStatistics]
DEAD = FaultyPixel(row=29, column=7, kind="dead", offset_c=-6.24)
STUCK = FaultyPixel(row=2, column=3, kind="stuck", offset_c=1.0)


def test_healthy_recordings_take_one_line(make_recording: Make) -> None:
    (finding,) = judge_sensor([make_recording(), make_recording("R2")])
    assert (finding.status, finding.topic) == ("ok", "sensor")
    assert finding.text == (
        "no faulty pixel, no hot spot, no frozen or repeated frame, no glitch, no drift, no warm-up"
    )


def test_a_fault_takes_a_line_and_leaves_the_other(make_recording: Make) -> None:
    found = judge_sensor([make_recording(glitches=(4, 9))])
    assert [(finding.status, finding.topic) for finding in found] == [("warning", "glitches"), ("ok", "sensor")]
    assert found[0].text == "2 frames are unlike both neighbours in R1"
    assert found[0].detail == "frames 4, 9 of R1; they are complete, so nothing repairs them"
    assert "glitch" not in found[1].text


def test_same_pixel_of_all_recordings_is_one_fault_at_its_worst(make_recording: Make) -> None:
    milder = FaultyPixel(row=29, column=7, kind="dead", offset_c=-5.0)
    found = judge_sensor([make_recording(faulty_pixels=(milder,)), make_recording("R2", faulty_pixels=(DEAD,))])
    assert found[0].text == "1 faulty pixel in all 2 recordings"
    assert found[0].detail == "row 29 column 7 is dead, 6.2 deg C below its neighbours"


def test_several_pixels_are_named_and_noisy_ones_counted(make_recording: Make) -> None:
    found = judge_sensor([make_recording(faulty_pixels=(DEAD, STUCK), num_noisy_pixels=65), make_recording("R2")])
    assert found[0].text == "2 faulty pixels in R1"
    assert found[0].detail == (
        "row 2 column 3 is stuck, 1.0 deg C above its neighbours, "
        "row 29 column 7 is dead, 6.2 deg C below its neighbours; "
        "up to 65 pixels are over 4 times as noisy as most"
    )


@pytest.mark.parametrize(("temperature_c", "status"), [(40.0, "ok"), (44.2, "warning")])
def test_hot_spot_is_a_warning_where_nothing_living_is_as_warm(
    make_recording: Make, temperature_c: float, status: str
) -> None:
    spot = HotSpot(row=9, column=52, num_pixels=8, temperature_c=temperature_c, above_c=temperature_c - 18)
    found = judge_sensor([make_recording(), make_recording("R2", hot_spots=(spot,)), make_recording("R3")])
    finding = next(finding for finding in found if finding.topic == "room")
    assert finding.status == status
    place = f"{finding.text} {finding.detail}"
    assert "in R2" in place
    assert "row 9 column 52" in place
    assert f"{temperature_c:.0f} deg C" in place


def test_frozen_and_repeated_frames_are_told_apart(make_recording: Make) -> None:
    repeated = RepeatedFrames(num_frozen=7, longest_freeze=6, freeze_at=40, num_duplicates=3)
    longer = RepeatedFrames(num_frozen=8, longest_freeze=9, freeze_at=100, num_duplicates=0)
    finding = judge_sensor([make_recording(repeated=repeated), make_recording("R2", repeated=longer)])[0]
    assert (finding.topic, finding.text) == ("frozen", "18 frames repeat an earlier one in all 2 recordings")
    assert finding.detail == (
        "the longest standstill is 9 frames, from frame 100 of R2; 3 occurred before, but not just before"
    )


def test_repeated_frames_alone_have_no_standstill(make_recording: Make) -> None:
    repeated = RepeatedFrames(num_frozen=0, longest_freeze=0, freeze_at=None, num_duplicates=3)
    finding = judge_sensor([make_recording(repeated=repeated)])[0]
    assert finding.detail == "3 occurred before, but not just before"


def test_drift_is_told_with_its_rate_and_warm_up_with_its_length(make_recording: Make) -> None:
    trend = Trend(drift_c_per_hour=-90.0, shift_c=-2.1, warm_up_c=4.2, warm_up_s=31.0)
    found = {finding.topic: finding for finding in judge_sensor([make_recording(trend=trend)])}
    assert found["drift"].text == "the scene drifts in R1"
    assert found["drift"].detail == "by -2.1 deg C in R1, -90.0 an hour"
    assert found["warm-up"].detail == "by +4.2 deg C in the first 31 s of R1"


def test_every_warning_says_what_to_do(make_recording: Make) -> None:
    spot = HotSpot(row=9, column=52, num_pixels=8, temperature_c=44.0, above_c=26.0)
    bad = make_recording(
        faulty_pixels=(DEAD,),
        hot_spots=(spot,),
        repeated=RepeatedFrames(num_frozen=1, longest_freeze=2, freeze_at=4, num_duplicates=0),
        glitches=(1,),
        trend=Trend(drift_c_per_hour=90.0, shift_c=2.0, warm_up_c=4.0, warm_up_s=9.0),
    )
    found = judge_sensor([bad])
    assert [finding.topic for finding in found] == ["pixels", "room", "frozen", "glitches", "drift", "warm-up"]
    assert all(finding.status == "warning" and finding.fix for finding in found)
