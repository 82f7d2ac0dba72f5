"""Each fault is planted into a simulated recording that has none; it must be found, where it is, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.recordings.arrival import summarise_arrival
from thermalctl.recordings.faults import RepeatedFrames, find_repeated_frames, find_trend
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.recordings.pixels import FaultyPixel, count_noisy_pixels, find_faulty_pixels, find_hot_spots
from thermalctl.recordings.scan import RecordingScan, ScanRequest, scan_recordings
from thermalctl.recordings.simulate import SimulationOptions, simulate_session

NUM_FRAMES = 300
LOST_C = np.float32(-273.2)
NO_REPEATS = RepeatedFrames(num_frozen=0, longest_freeze=0, freeze_at=None, num_duplicates=0)


@pytest.fixture(scope="module")
def healthy() -> Recording:
    """A person in a room for 50 s. The link is good; somewhere an appliance is always hot."""
    options = SimulationOptions(
        num_sessions=2, recordings_per_session=1, frames_per_recording=NUM_FRAMES, second_person_share=0.0, seed=5
    )
    (part,) = simulate_session(options, 1)
    return part.recording


def scan(tmp_path: Path, recording: Recording) -> RecordingScan:
    path = tmp_path / "recording.h5"
    write_recording(path, recording)
    request = ScanRequest(path=path, frame_size=recording.frames_c.shape[1:], clips=np.zeros((0, 2), dtype=np.intp))
    (found,) = scan_recordings([request], temperature_range_c=(5.0, 45.0))
    return found


def examine(tmp_path: Path, recording: Recording) -> dict[str, Any]:
    """Everything that may be found in a recording, by what it is."""
    found = scan(tmp_path, recording)
    assert found.pixels is not None
    faulty = find_faulty_pixels(found.pixels)
    trend = find_trend(recording.timestamps_ms[found.level_frames] / 1000.0, found.levels_c)
    arrival = summarise_arrival(recording.timestamps_ms)
    assert trend is not None
    assert arrival is not None
    return {
        "incomplete": np.flatnonzero(found.incomplete).tolist(),
        "stuck": [(pixel.row, pixel.column) for pixel in faulty if pixel.kind == "stuck"],
        "dead": [(pixel.row, pixel.column) for pixel in faulty if pixel.kind == "dead"],
        "noisy": count_noisy_pixels(found.pixels),
        "hot": [(spot.row, spot.column) for spot in find_hot_spots(found.pixels, faulty)],
        "repeated": find_repeated_frames(found.digests),
        "glitches": found.glitches,
        "drifting": trend.is_drifting,
        "warming up": trend.warm_up_c != 0.0,
        "long gaps": arrival.num_long_gaps,
        "backwards": arrival.num_backwards,
        "simultaneous": arrival.num_simultaneous,
    }


@pytest.fixture(scope="module")
def baseline(healthy: Recording, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return examine(tmp_path_factory.mktemp("healthy"), healthy)


def test_healthy_recording_has_no_fault(baseline: dict[str, Any]) -> None:
    appliance = baseline.pop("hot")
    assert len(appliance) == 1
    assert baseline == {
        "incomplete": [],
        "stuck": [],
        "dead": [],
        "noisy": 0,
        "repeated": NO_REPEATS,
        "glitches": (),
        "drifting": False,
        "warming up": False,
        "long gaps": 0,
        "backwards": 0,
        "simultaneous": 0,
    }
    baseline["hot"] = appliance


def lose_rows(frames_c: np.ndarray) -> dict[str, Any]:
    for frame in (0, 17, 18, 299):
        frames_c[frame, :-9] = frames_c[frame, 9:]
        frames_c[frame, -9:] = LOST_C
    return {"incomplete": [0, 17, 18, 299]}


def freeze_pixels(frames_c: np.ndarray) -> dict[str, Any]:
    frames_c[:, 12, 30] = frames_c[0, 12, 30]
    frames_c[:, 39, 59] = frames_c[0, 39, 59]
    return {"stuck": [(12, 30), (39, 59)]}


def freeze_column(frames_c: np.ndarray) -> dict[str, Any]:
    frames_c[:, :, 20] = frames_c[0, :, 20]
    return {"stuck": [(row, 20) for row in range(40)]}


def shift_pixels(frames_c: np.ndarray) -> dict[str, Any]:
    frames_c[:, 12, 30] -= 6
    frames_c[:, 30, 11] += 6
    frames_c[:, 0, 40] -= 6
    return {"dead": [(0, 40), (12, 30), (30, 11)]}


def shake_pixels(frames_c: np.ndarray) -> dict[str, Any]:
    rng = np.random.default_rng(8)
    frames_c[:, :2, :3] += rng.normal(0, 1.8, (len(frames_c), 2, 3))
    return {"noisy": 6}


def light_lamp(frames_c: np.ndarray) -> dict[str, Any]:
    rows, columns = np.indices(frames_c.shape[1:])
    frames_c += (30 * np.exp(-((rows - 20) ** 2 + (columns - 50) ** 2) / 2)).astype(np.float32)
    return {"hot": [(20, 50)]}


def freeze_frames(frames_c: np.ndarray) -> dict[str, Any]:
    frames_c[40:47] = frames_c[40]
    frames_c[101] = frames_c[100]
    return {"repeated": RepeatedFrames(num_frozen=7, longest_freeze=7, freeze_at=40, num_duplicates=0)}


def show_frames_again(frames_c: np.ndarray) -> dict[str, Any]:
    frames_c[200:203] = frames_c[190:193]
    return {"repeated": replace(NO_REPEATS, num_duplicates=3)}


def disturb_frames(frames_c: np.ndarray) -> dict[str, Any]:
    frames_c[64] += 3  # the first of a tile of 64 frames, the last of one, and the second last of all
    frames_c[127, :10] -= 12
    frames_c[298] = frames_c[298, ::-1, ::-1]
    return {"glitches": (64, 127, 298)}


def drift(frames_c: np.ndarray) -> dict[str, Any]:
    frames_c += np.linspace(0, -3, len(frames_c), dtype=np.float32)[:, None, None]
    return {"drifting": True}


def warm_up(frames_c: np.ndarray) -> dict[str, Any]:
    frames_c -= 4 * np.exp(-np.arange(len(frames_c), dtype=np.float32) / 30)[:, None, None]
    return {"warming up": True}


@pytest.mark.parametrize(
    "plant",
    [
        lose_rows,
        freeze_pixels,
        freeze_column,
        shift_pixels,
        shake_pixels,
        freeze_frames,
        show_frames_again,
        disturb_frames,
        drift,
        warm_up,
    ],
)
def test_planted_fault_of_frames_is_found_and_no_other(
    plant: Any, healthy: Recording, baseline: dict[str, Any], tmp_path: Path
) -> None:
    frames_c = healthy.frames_c.copy()
    expected = plant(frames_c)
    assert examine(tmp_path, replace(healthy, frames_c=frames_c)) == baseline | expected


def test_planted_lamp_is_found_beside_the_appliance(
    healthy: Recording, baseline: dict[str, Any], tmp_path: Path
) -> None:
    frames_c = healthy.frames_c.copy()
    expected = light_lamp(frames_c)
    found = examine(tmp_path, replace(healthy, frames_c=frames_c))
    assert found == baseline | {"hot": expected["hot"] + baseline["hot"]}


@pytest.mark.parametrize(
    ("frame", "moved_ms", "expected"),
    [
        (100, 20_000, {"long gaps": 1}),  # everything from there on comes 20 s late
        (100, -20_000, {"backwards": 1}),
    ],
)
def test_planted_fault_of_stamps_is_found_and_no_other(
    frame: int, moved_ms: int, expected: dict[str, Any], healthy: Recording, baseline: dict[str, Any], tmp_path: Path
) -> None:
    timestamps_ms = healthy.timestamps_ms.copy()
    timestamps_ms[frame:] += moved_ms
    assert examine(tmp_path, replace(healthy, timestamps_ms=timestamps_ms)) == baseline | expected


def test_two_frames_of_one_stamp_are_found(healthy: Recording, baseline: dict[str, Any], tmp_path: Path) -> None:
    timestamps_ms = healthy.timestamps_ms.copy()
    timestamps_ms[71] = timestamps_ms[70]
    found = examine(tmp_path, replace(healthy, timestamps_ms=timestamps_ms))
    assert found == baseline | {"simultaneous": 1}


def test_lamp_is_described(healthy: Recording, tmp_path: Path) -> None:
    frames_c = np.full_like(healthy.frames_c, 20.0)
    light_lamp(frames_c)
    found = scan(tmp_path, replace(healthy, frames_c=frames_c))
    assert found.pixels is not None
    (lamp,) = find_hot_spots(found.pixels, ())
    # 30 * exp(-d^2 / 2) is at least 5 up to d = 1.89: the 9 pixels up to (1, 1) away.
    assert (lamp.row, lamp.column, lamp.num_pixels) == (20, 50, 9)
    assert (lamp.temperature_c, lamp.above_c) == pytest.approx((50.0, 30.0))


def test_person_who_stays_is_no_hot_spot(healthy: Recording, tmp_path: Path) -> None:
    frames_c = np.full_like(healthy.frames_c, 20.0)
    frames_c[:, 10:16, 20:36] += 8  # 96 of 2,400 pixels
    found = scan(tmp_path, replace(healthy, frames_c=frames_c))
    assert found.pixels is not None
    assert find_hot_spots(found.pixels, ()) == ()


def test_lamp_that_is_switched_off_is_no_hot_spot(healthy: Recording, tmp_path: Path) -> None:
    frames_c = np.full_like(healthy.frames_c, 20.0)
    light_lamp(frames_c[:200])
    found = scan(tmp_path, replace(healthy, frames_c=frames_c))
    assert found.pixels is not None
    assert find_hot_spots(found.pixels, ()) == ()


def test_dead_pixel_is_described(healthy: Recording, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frames_c = (20 + rng.normal(0, 0.25, healthy.frames_c.shape)).astype(np.float32)
    frames_c[:, 5, 7] -= 6
    found = scan(tmp_path, replace(healthy, frames_c=frames_c))
    assert found.pixels is not None
    (pixel,) = find_faulty_pixels(found.pixels)
    # The mean over 300 frames strays by 0.25 / sqrt(300) = 0.014.
    assert pixel == FaultyPixel(row=5, column=7, kind="dead", offset_c=pytest.approx(-6.0, abs=0.06))


def test_sharpest_spot_that_a_lens_makes_is_no_dead_pixel(healthy: Recording, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows, columns = np.indices(healthy.frames_c.shape[1:])
    spot_c = 20 * np.exp(-((rows - 5) ** 2 + (columns - 7) ** 2) / (2 * 0.65**2))
    frames_c = (20 + spot_c + rng.normal(0, 0.25, healthy.frames_c.shape)).astype(np.float32)
    found = scan(tmp_path, replace(healthy, frames_c=frames_c))
    assert found.pixels is not None
    assert find_faulty_pixels(found.pixels) == ()


def test_frames_rounded_to_whole_degrees_have_no_stuck_pixels(healthy: Recording, tmp_path: Path) -> None:
    found = examine(tmp_path, replace(healthy, frames_c=np.round(healthy.frames_c)))
    assert found["stuck"] == []


def test_too_few_frames_show_no_faulty_pixel(healthy: Recording, tmp_path: Path) -> None:
    frames_c = healthy.frames_c[:31].copy()
    frames_c[:, 12, 30] = 3.0
    found = scan(tmp_path, replace(healthy, frames_c=frames_c, timestamps_ms=healthy.timestamps_ms[:31]))
    assert found.pixels is not None
    assert find_faulty_pixels(found.pixels) == ()


@pytest.mark.real
def test_real_sensor_has_one_dead_pixel_and_a_lamp_in_one_session(real_dataset: Path) -> None:
    paths = sorted((real_dataset / "frames").glob("*.h5"))
    requests = [ScanRequest(path=path, frame_size=(40, 60), clips=np.zeros((0, 2), dtype=np.intp)) for path in paths]
    for path, found in zip(paths, scan_recordings(requests, temperature_range_c=(5.0, 45.0)), strict=True):
        assert found.pixels is not None
        faulty = find_faulty_pixels(found.pixels)
        assert [(pixel.row, pixel.column, pixel.kind) for pixel in faulty] == [(29, 7, "dead")]
        assert -6.5 < faulty[0].offset_c < -4.5
        hottest = [(spot.row, spot.column) for spot in find_hot_spots(found.pixels, faulty)][:1]
        assert hottest == ([(9, 52)] if path.stem.startswith("SL14") else [])
        assert 55 <= count_noisy_pixels(found.pixels) <= 70  # all in the corners
        assert found.glitches == ()
        assert find_repeated_frames(found.digests) == NO_REPEATS
