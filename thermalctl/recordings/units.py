"""Units of temperature: what sensors deliver, told or detected, and how it becomes degrees Celsius."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RecordingError
from thermalctl.recordings.health import INCOMPLETE_BELOW_C


class Unit(str, Enum):
    """What one number of a frame means."""

    CELSIUS = "celsius"
    DECICELSIUS = "decicelsius"
    KELVIN = "kelvin"
    DECIKELVIN = "decikelvin"
    CENTIKELVIN = "centikelvin"


#: deg C = value * factor + offset.
_TO_CELSIUS = {
    Unit.CELSIUS: (1.0, 0.0),
    Unit.DECICELSIUS: (0.1, 0.0),
    Unit.KELVIN: (1.0, -273.15),
    Unit.DECIKELVIN: (0.1, -273.15),
    Unit.CENTIKELVIN: (0.01, -273.15),
}
#: Units of a tenth or less exist to be stored as whole numbers.
_WHOLE_UNITS = {Unit.DECICELSIUS, Unit.DECIKELVIN, Unit.CENTIKELVIN}

#: The median pixel of a scene with people in it, indoors or outdoors, deg C.
PLAUSIBLE_MEDIAN_C = (-30.0, 50.0)
#: How far a scene's coldest and warmest 0.5 % are apart, deg C. Fewer than 1 deg C is an empty wall, not a scene.
PLAUSIBLE_SPAN_C = (1.0, 60.0)
#: A told unit is doubted only beyond this: colder counts as lost, hotter burns.
BELIEVABLE_MEDIAN_C = (INCOMPLETE_BELOW_C, 200.0)
#: Units are detected on so many frames, spread over the recording.
_MAX_FRAMES_SEEN = 200


def to_celsius(frames: NDArray[np.generic], unit: Unit) -> NDArray[np.float32]:
    """Return frames of any shape and number type in deg C, float32."""
    if unit is Unit.CELSIUS:
        return frames.astype(np.float32)
    factor, offset = _TO_CELSIUS[unit]
    # In float64: a centikelvin is lost in float32 before the offset is taken off.
    return (frames.astype(np.float64) * factor + offset).astype(np.float32)


def detect_unit(frames: NDArray[np.generic], *, where: str = "frames") -> Unit:
    """Return the only unit in which frames show a plausible scene.

    Incomplete frames and a few dead pixels do not mislead it: pixels at 0 K are passed over, and quantiles are judged.

    Args:
        frames: (N, H, W) numbers, finite.
        where: what an error names: the file.

    Raises:
        RecordingError: if no unit, or more than one, fits the values.
    """
    fitting = find_plausible_units(frames)
    if len(fitting) == 1:
        return fitting[0]
    values = _take_sample(frames)
    low, median, high = np.quantile(values, (0.005, 0.5, 0.995)) if values.size else (np.nan, np.nan, np.nan)
    found = f"{where}: pixels are {low:g} to {high:g}, median {median:g} ({frames.dtype})"
    if fitting:
        readings = " or ".join(f"{unit.value} ({_convert(float(median), unit):.1f} deg C)" for unit in fitting)
        raise RecordingError(f"{found}, which fits {readings}", hint=f"say which: --unit {fitting[0].value}")
    raise RecordingError(
        f"{found}, which no known unit makes a scene with people of; expected a median of "
        f"{PLAUSIBLE_MEDIAN_C[0]:g} to {PLAUSIBLE_MEDIAN_C[1]:g} deg C",
        hint=f"if it is one, say the unit: --unit NAME, of {', '.join(unit.value for unit in Unit)}",
    )


def find_plausible_units(frames: NDArray[np.generic]) -> tuple[Unit, ...]:
    """Return every unit in which frames (N, H, W) show a plausible scene, the likelier ones alone if some are flat."""
    values = _take_sample(frames)
    if not values.size:
        return ()
    whole = bool(np.all(values == np.rint(values)))
    spans_c = {}
    for unit in Unit:
        if unit in _WHOLE_UNITS and not whole:
            continue
        values_c = _convert(values, unit)
        seen_c = values_c[values_c >= INCOMPLETE_BELOW_C]
        if seen_c.size * 2 < values.size:
            continue
        low_c, median_c, high_c = np.quantile(seen_c, (0.005, 0.5, 0.995))
        if PLAUSIBLE_MEDIAN_C[0] <= median_c <= PLAUSIBLE_MEDIAN_C[1] and high_c - low_c <= PLAUSIBLE_SPAN_C[1]:
            spans_c[unit] = high_c - low_c
    varied = tuple(unit for unit, span_c in spans_c.items() if span_c >= PLAUSIBLE_SPAN_C[0])
    return varied or tuple(spans_c)


def check_told_unit(frames: NDArray[np.generic], unit: Unit, *, where: str) -> None:
    """Check that a unit that was told is possible for frames (N, H, W).

    Raises:
        RecordingError: if it makes the median pixel colder or hotter than any scene.
    """
    median = float(np.median(_take_sample(frames)))
    median_c = float(_convert(median, unit))
    if not BELIEVABLE_MEDIAN_C[0] <= median_c <= BELIEVABLE_MEDIAN_C[1]:
        raise RecordingError(
            f"{where}: a median of {median:g} in {unit.value} is {median_c:.1f} deg C; "
            f"expected {BELIEVABLE_MEDIAN_C[0]:g} to {BELIEVABLE_MEDIAN_C[1]:g}",
            hint=_suggest(find_plausible_units(frames)),
        )


def _suggest(fitting: Sequence[Unit]) -> str:
    units = [unit.value for unit in (fitting or tuple(Unit))]
    return f"say another unit: --unit {' or '.join(units)}"


def _convert(values: NDArray[np.float64] | float, unit: Unit) -> NDArray[np.float64]:
    factor, offset = _TO_CELSIUS[unit]
    return np.asarray(values * factor + offset)


def _take_sample(frames: NDArray[np.generic]) -> NDArray[np.float64]:
    step = -(-len(frames) // _MAX_FRAMES_SEEN) or 1
    values = frames[::step].astype(np.float64).ravel()
    finite: NDArray[np.float64] = values[np.isfinite(values)]
    return finite
