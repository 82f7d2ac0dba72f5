"""What a model expects of a clip: the one record that training, test, export and prediction all read.

It is saved in every checkpoint and in the ONNX file's metadata, so nobody normalises twice and nobody guesses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, get_args

from thermalctl.errors import CheckpointError, ConfigError, summarise_problems

Target = Literal["frame", "person"]
PersonCrop = Literal["follow", "fixed"]
TimeSampling = Literal["consecutive", "uniform"]
Repair = Literal["nearest", "none"]
Channels = Literal["copy", "fold", "motion"]
Temperatures = Literal["absolute", "relative"]

#: Differences of temperature from minus to plus this, deg C, are mapped to 0..255 in the channels of motion. Of the
#: real recordings' pixels, one of 10,000 differs by more than 8.2 from its background, or by 6.5 from the frame before.
MOTION_RANGE_C = 10.0
#: Mean and std of those channels on the 0..255 scale: no difference, and 2 deg C. The std of the real differences is
#: 0.55, but that of the few pixels where somebody moves is what counts; a still pixel's noise is 0.3.
MOTION_MEAN, MOTION_STD = 127.5, 25.5


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """How a clip in degrees Celsius becomes a model's input.

    Attributes:
        classes: class names in id order.
        num_frames: T, frames in a clip.
        time_sampling: "consecutive" frames, or T frames spread "uniform"ly over `window_s` seconds by arrival time.
        window_s: length of a uniform clip in seconds; None for consecutive frames.
        target: what is judged: the whole "frame", or one "person" in a square crop around their box.
        person_crop: "follow": the crop goes with the person through the clip; "fixed": it stays where they are in the
            keyframe.
        person_margin: side of that crop, as a multiple of the box's longer side.
        person_min_px: its least side in pixels of the sensor. Where it is more than people's boxes are long, all are
            shown in the same scale, and who lies is longer than who stands.
        repair: "nearest": an incomplete frame is replaced by the nearest complete one in its clip; "none": left alone.
        temperatures: "absolute": as recorded; "relative": above the room, which is the median over the picture that the
            model is shown of each pixel's median over the clip.
        temperature_range_c: (low, high) deg C of those temperatures, mapped to 0..255 and clipped.
        input_size: (h, w) in pixels after resizing.
        channels: "copy": three equal channels for an RGB stem; "fold": one channel for a one-channel stem; "motion":
            temperature, its difference from the pixel's median over the clip, and its difference from the frame before,
            both differences from -10 to 10 deg C on the 0..255 scale.
        quantize: round down to whole steps of the 0..255 scale, as scripts that store 8-bit images do.
        mean: subtracted on the 0..255 scale; one value, or one for each channel, as "motion" needs it.
        std: divided by, on the same scale.

    Raises:
        ConfigError: with every value that is impossible.
    """

    classes: tuple[str, ...]
    num_frames: int = 64
    time_sampling: TimeSampling = "consecutive"
    window_s: float | None = None
    target: Target = "frame"
    person_crop: PersonCrop = "follow"
    person_margin: float = 1.5
    person_min_px: float = 0.0
    repair: Repair = "nearest"
    temperatures: Temperatures = "absolute"
    temperature_range_c: tuple[float, float] = (5.0, 45.0)
    input_size: tuple[int, int] = (256, 384)
    channels: Channels = "copy"
    quantize: bool = False
    mean: tuple[float, ...] = (114.495,)
    std: tuple[float, ...] = (57.63,)

    def __post_init__(self) -> None:
        problems = _find_problems(self)
        if problems:
            raise ConfigError(summarise_problems(problems), hint="these are keys of `clip` in the configuration")

    @property
    def num_classes(self) -> int:
        """How many classes the model tells apart."""
        return len(self.classes)

    @property
    def num_channels(self) -> int:
        """C of the model's input: 1 for "fold", else 3."""
        return 1 if self.channels == "fold" else 3

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ClipSpec:
        """Return the record that `to_dict` wrote.

        Raises:
            CheckpointError: if a field is unknown or missing, as in a file from another version.
            ConfigError: if a value is impossible.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown or "classes" not in values:
            found = f"unknown fields {unknown}" if unknown else 'no "classes"'
            raise CheckpointError(
                f"the clip specification has {found}", hint="it was written by another version of thermalctl"
            )
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**fields)


def _find_problems(spec: ClipSpec) -> list[str]:
    low_c, high_c = _pair(spec.temperature_range_c) or (0.0, 0.0)
    height, width = _pair(spec.input_size) or (0, 0)
    num_allowed = {3} if spec.channels == "motion" else {1, spec.num_channels}
    checks: list[tuple[str, bool, str]] = [
        (name, getattr(spec, name) in get_args(values), f"expected {' or '.join(get_args(values))}")
        for name, values in (
            ("time_sampling", TimeSampling), ("target", Target),
            ("person_crop", PersonCrop), ("repair", Repair), ("channels", Channels),
            ("temperatures", Temperatures),
        )
    ]  # fmt: skip
    checks += [
        ("num_frames", _is_whole(spec.num_frames), "expected a whole number from 1"),
        ("num_frames", spec.channels != "motion" or spec.num_frames != 1, "expected 2 or more, for something to move"),
        (
            "window_s",
            spec.time_sampling != "uniform" or (_is_number(spec.window_s) and spec.window_s > 0),
            "expected seconds, more than 0, for uniform time sampling",
        ),
        ("person_margin", _is_number(spec.person_margin) and spec.person_margin > 0, "expected more than 0"),
        ("person_min_px", _is_number(spec.person_min_px) and spec.person_min_px >= 0, "expected 0 or more"),
        ("temperature_range_c", low_c < high_c, "expected (low, high) in deg C, the lower first"),
        ("input_size", _is_whole(height) and _is_whole(width), "expected (height, width) in pixels"),
        ("mean", _count_numbers(spec.mean) in num_allowed, _expected_values(spec)),
        (
            "std",
            _count_numbers(spec.std) in num_allowed and min(spec.std) > 0,
            f"{_expected_values(spec)}, more than 0",
        ),
    ]
    return [f"clip.{name} is {getattr(spec, name)!r}, {expected}" for name, holds, expected in checks if not holds]


def _expected_values(spec: ClipSpec) -> str:
    if spec.channels == "motion":
        return "expected three values, as the channels of motion differ"
    return "expected one value" if spec.channels == "fold" else "expected one value or three"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _pair(values: object) -> tuple[Any, Any] | None:
    return (values[0], values[1]) if isinstance(values, tuple) and _count_numbers(values) == 2 else None


def _count_numbers(values: object) -> int:
    """Return how many numbers a tuple holds; 0 for anything else."""
    return len(values) if isinstance(values, tuple) and all(map(_is_number, values)) else 0
