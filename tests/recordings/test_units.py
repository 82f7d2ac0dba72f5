from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.errors import RecordingError
from thermalctl.recordings.hdf5 import RecordingFile
from thermalctl.recordings.units import Unit, check_told_unit, detect_unit, find_plausible_units, to_celsius

MakeScene = Callable[..., np.ndarray]


def to_unit(frames_c: np.ndarray, unit: Unit) -> np.ndarray:
    """An oracle in float64: what a sensor that delivers `unit` would have stored."""
    values = frames_c.astype(np.float64)
    if unit is Unit.CELSIUS:
        return frames_c
    if unit is Unit.KELVIN:
        return (values + 273.15).astype(np.float32)
    if unit is Unit.DECICELSIUS:
        return np.round(values * 10).astype(np.int16)
    return np.round((values + 273.15) * (10 if unit is Unit.DECIKELVIN else 100)).astype(np.uint16)


@pytest.mark.parametrize(
    ("unit", "value", "celsius"),
    [
        (Unit.CELSIUS, 21.5, 21.5),
        (Unit.DECICELSIUS, -2732, -273.2),
        (Unit.DECICELSIUS, 215, 21.5),
        (Unit.KELVIN, 294.65, 21.5),
        (Unit.DECIKELVIN, 2946, 21.45),
        (Unit.DECIKELVIN, 0, -273.15),
        (Unit.CENTIKELVIN, 29465, 21.5),
    ],
)
def test_values_become_deg_c(unit: Unit, value: float, celsius: float) -> None:
    dtype = np.float64 if isinstance(value, float) else np.int16
    converted = to_celsius(np.full((1, 1, 1), value, dtype), unit)
    assert converted.dtype == np.float32
    assert converted[0, 0, 0] == np.float32(celsius)


@pytest.mark.parametrize("unit", Unit)
def test_unit_is_detected_and_taken_back(make_scene: MakeScene, unit: Unit) -> None:
    scene_c = make_scene(20, (24, 32))
    stored = to_unit(scene_c, unit)
    assert detect_unit(stored) is unit
    np.testing.assert_allclose(to_celsius(stored, unit), scene_c, atol=0.0501)


@pytest.mark.parametrize("unit", Unit)
def test_incomplete_frames_and_dead_pixels_do_not_mislead(make_scene: MakeScene, unit: Unit) -> None:
    scene_c = make_scene(20, (24, 32))
    scene_c[::2, 12:] = -273.15  # a quarter of all pixels
    scene_c[:, 3, 3], scene_c[:, 5, 5] = 120.0, -45.0
    assert detect_unit(to_unit(scene_c, unit)) is unit


@given(median_c=st.floats(-20, 40), span_c=st.floats(4, 20), unit=st.sampled_from(Unit))
def test_a_scene_is_never_taken_for_another_unit_without_saying_so(median_c: float, span_c: float, unit: Unit) -> None:
    scene_c = np.linspace(median_c - span_c / 2, median_c + span_c / 2, 64).reshape(1, 8, 8)
    assert unit in find_plausible_units(to_unit(scene_c.astype(np.float32), unit))


def test_ambiguous_values_are_named_with_what_they_could_mean() -> None:
    frames = np.linspace(285, 305, 64).round().reshape(1, 8, 8)
    with pytest.raises(RecordingError, match=r"a\.npy: pixels are 285 to 305, median 295") as caught:
        detect_unit(frames, where="a.npy")
    assert "fits decicelsius (29.5 deg C) or kelvin (21.9 deg C)" in caught.value.message
    assert caught.value.hint == "say which: --unit decicelsius"


def test_tenths_of_a_kelvin_are_no_whole_decicelsius() -> None:
    assert detect_unit(np.linspace(285, 305, 64).reshape(1, 8, 8)) is Unit.KELVIN


@pytest.mark.parametrize(
    "frames",
    [
        np.full((3, 8, 8), 1e5),
        np.zeros((0, 8, 8)),
        np.full((2, 8, 8), np.nan),
        np.linspace(0, 255, 64).reshape(1, 8, 8),
    ],
    ids=["huge", "no frames", "no number", "a picture of 8 bits"],
)
def test_values_that_fit_no_unit_are_refused(frames: np.ndarray) -> None:
    with pytest.raises(RecordingError, match=r"no known unit makes a scene with people of") as caught:
        detect_unit(frames)
    assert caught.value.hint is not None
    assert "--unit NAME, of celsius, decicelsius, kelvin, decikelvin, centikelvin" in caught.value.hint


def test_told_unit_that_freezes_everything_is_refused(make_scene: MakeScene) -> None:
    with pytest.raises(RecordingError, match=r"a\.npy: a median of 22.* in kelvin is -251.* deg C") as caught:
        check_told_unit(make_scene(), Unit.KELVIN, where="a.npy")
    assert caught.value.hint == "say another unit: --unit celsius"


def test_told_unit_is_believed_where_detection_would_not(make_scene: MakeScene) -> None:
    cold_c = make_scene() - 60.0  # a cold store
    assert Unit.CELSIUS not in find_plausible_units(cold_c)
    check_told_unit(cold_c, Unit.CELSIUS, where="a.npy")


@pytest.mark.real
def test_every_real_recording_is_told_in_every_unit(real_dataset: Path) -> None:
    for path in sorted((real_dataset / "frames").glob("*.h5")):
        with RecordingFile(path) as file:
            frames_c = file.read(range(0, file.num_frames, 4))
        lost_c = np.maximum(frames_c, np.float32(-273.15))
        assert {unit: detect_unit(to_unit(lost_c, unit)) for unit in Unit} == {unit: unit for unit in Unit}
