"""How much training varies its clips: one record, which a configuration holds under `model.data_preprocessor.augment`.

What the values do is beside this file: `time_augment` (which frames), `augment_space` (where in them, and which way
up), `augment_temperature` (degrees, and rows that are lost) and `erasing`. Every draw is made on the CPU, one set per
clip, so that a seed gives the same clips on every device.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from thermalctl.errors import ConfigError

Range = tuple[float, float]
EraseMode = Literal["rectangle", "cuboid"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How much a training clip may vary; the default is not at all.

    Attributes:
        crop_area: share of the region's area that a random crop keeps, (least, most).
        crop_aspect: the crop's aspect relative to the region's, (least, most). Relative, because an absolute aspect
            near 1 never fits 70 % of a 3:2 frame: the stock transform then always falls back to the central square.
        flip: probability of a left-right flip.
        flip_vertical: probability of an up-down flip; harmless where the camera looks straight down.
        quarter_turns: probability of a turn by 90, 180 or 270 degrees, each equally likely; with 0.75 all four
            directions are. A region that is not square is shown whole after a turn by 90 or 270 degrees, smaller, with
            the clip's median beside it where the frame ends; see `augment_space`.
        brightness: b, temperatures above the range's lower end are multiplied by a factor from 1-b to 1+b.
        contrast: c, differences from the clip's mean temperature are multiplied by a factor from 1-c to 1+c. The mean
            is taken within the temperature range: unrepaired pixels at 0 K would move it by tens of degrees.
        gain: g, differences from the clip's median, which is about the room's temperature, are multiplied by a factor
            from 1-g to 1+g, as by a sensor of another sensitivity.
        offset_c: d, all temperatures of a clip are moved by -d to d, deg C, as by another room or a warmer sensor.
        noise_c: standard deviation of the noise added to each pixel of each frame, deg C.
        row_dropout: probability that a frame loses a band of rows, which show the nearest row that arrived.
        erase: probability that a rectangle is hidden.
        erase_mode: "rectangle": through the whole clip; "cuboid": for some of its frames.
        erase_area: the rectangle's share of the frame, (least, most).
        erase_fill: (mean, std) of the noise that hides it, on the 0..255 scale.
        temporal_jitter: frames by which the clip's middle is moved at most, earlier or later.
        temporal_crop: share of the clip that is kept and spread over its frames again.
        speed: s, frames are taken at a rate from 1/(1+s) to 1+s.
        frame_dropout: probability that a frame is replaced by the one before it.

    Raises:
        ConfigError: if a value is impossible.
    """

    crop_area: Range = (1.0, 1.0)
    crop_aspect: Range = (1.0, 1.0)
    flip: float = 0.0
    flip_vertical: float = 0.0
    quarter_turns: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gain: float = 0.0
    offset_c: float = 0.0
    noise_c: float = 0.0
    row_dropout: float = 0.0
    erase: float = 0.0
    erase_mode: EraseMode = "rectangle"
    erase_area: Range = (0.02, 0.2)
    erase_fill: tuple[float, float] = (128.0, 64.0)
    temporal_jitter: float = 0.0
    temporal_crop: float = 1.0
    speed: float = 0.0
    frame_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in UNIT_FIELDS:
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value <= 1:
                raise ConfigError(f"augment.{name} is {value!r}, expected a number from 0 to 1")
        for name in POSITIVE_FIELDS:
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < math.inf:
                raise ConfigError(f"augment.{name} is {value!r}, expected a number from 0")
        if not _is_number(self.temporal_crop) or not 0 < self.temporal_crop <= 1:
            raise ConfigError(f"augment.temporal_crop is {self.temporal_crop!r}, expected more than 0, at most 1")
        if self.erase_mode not in get_args(EraseMode):
            raise ConfigError(f"augment.erase_mode is {self.erase_mode!r}, expected {' or '.join(get_args(EraseMode))}")
        for name, limit in (("crop_area", 1.0), ("crop_aspect", math.inf), ("erase_area", 1.0)):
            least, most = _expect_pair(name, getattr(self, name))
            if not 0 < least <= most <= limit:
                bound = "" if limit == math.inf else f" <= {limit:g}"
                raise ConfigError(f"augment.{name} is ({least}, {most}), expected 0 < least <= most{bound}")
        mean, std = _expect_pair("erase_fill", self.erase_fill)
        if not (0 <= mean <= 255 and 0 <= std < math.inf):
            raise ConfigError(
                f"augment.erase_fill is ({mean}, {std}), expected a mean from 0 to 255 and a std of 0 or more"
            )

    @property
    def varies_time(self) -> bool:
        """Whether other frames are taken than the clip's own."""
        return self.temporal_crop < 1 or bool(self.temporal_jitter or self.speed or self.frame_dropout)

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> Augmentation:
        """Return the augmentation that a configuration names.

        Raises:
            ConfigError: if a name is unknown or a value is out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"augment has no {unknown[0]!r}", hint=f"it has {', '.join(known)}")
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**fields)


#: Probabilities, and shares by which something is scaled.
UNIT_FIELDS = (
    "flip", "flip_vertical", "quarter_turns", "brightness", "contrast", "gain", "row_dropout", "erase", "frame_dropout"
)  # fmt: skip
#: Degrees, frames and rates, without an upper end.
POSITIVE_FIELDS = ("offset_c", "noise_c", "temporal_jitter", "speed")

#: Settings to begin with, by name, as a configuration holds them.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    # For a first look at whether a model learns at all, and for cameras that do not look straight down: a mirror image
    # and another temperature within a room's day leave every label as it was.
    "light": {"flip": 0.5, "offset_c": 0.5, "noise_c": 0.1},
    # The finetuning guide's pipeline, as the shipped SlowFast R50 has it; to compare with its recorded result.
    "guide": {
        "crop_area": (0.7, 1.0),
        "crop_aspect": (0.85, 1.15),
        "flip": 0.5,
        "brightness": 0.3,
        "contrast": 0.3,
        "erase": 0.25,
        "erase_area": (0.02, 0.2),
        "erase_fill": (128.0, 64.0),
    },
    # For a ceiling camera: no direction is up. The rooms of the real dataset's two sessions differ by 0.8 deg C, and
    # other rooms will by more: hence 2. A still pixel's noise is about 0.25. Keyframes were picked by hand,
    # a few frames early or late.
    "overhead": {
        "crop_area": (0.8, 1.0),
        "crop_aspect": (0.9, 1.1),
        "flip": 0.5,
        "flip_vertical": 0.5,
        "quarter_turns": 0.5,
        "gain": 0.1,
        "offset_c": 2.0,
        "noise_c": 0.25,
        "temporal_jitter": 4.0,
    },
}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _expect_pair(name: str, value: object) -> tuple[float, float]:
    if not isinstance(value, (tuple, list)) or len(value) != 2 or not all(map(_is_number, value)):
        raise ConfigError(f"augment.{name} is {value!r}, expected two numbers")
    return value[0], value[1]
