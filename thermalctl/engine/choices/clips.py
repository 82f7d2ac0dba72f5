"""What the model sees of a clip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from thermalctl.clip_spec import ClipSpec, PersonCrop, Target, Temperatures, TimeSampling
from thermalctl.dataset.clips import count_repeating_clips
from thermalctl.dataset.matching import WHOLE_FRAME
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.errors import ConfigError, RequestError

#: The key of `clip` that each flag sets.
_KEYS = {
    "target": "target",
    "frames": "num_frames",
    "time": "time_sampling",
    "seconds": "window_s",
    "person_crop": "person_crop",
    "person_margin": "person_margin",
    "person_min_px": "person_min_px",
    "temperatures": "temperatures",
}
#: A room's temperature, deg C: by so much the temperature range is moved where temperatures become relative to it, so
#: that the mean and std of what the model sees stay about what they were.
ROOM_C = 20.0
#: The flags that mean nothing where whole frames are judged.
_OF_PEOPLE = ("person_crop", "person_margin", "person_min_px")


@dataclass(frozen=True, kw_only=True)
class ClipChoices:
    """What the model sees of a clip; None leaves it as the configuration has it.

    Attributes:
        target: what is judged: the "frame" as a whole, or each "person" in it.
        frames: T, frames in a clip.
        time: how they are chosen: "consecutive", or "uniform", evenly by arrival time.
        seconds: how long a uniform clip lasts.
        person_crop: whether the crop around a person is to "follow" them through the clip, or stays "fixed" where they
            are in the keyframe.
        person_margin: side of that crop, as a multiple of the longer side of their box.
        person_min_px: its least side in pixels of the sensor.
        temperatures: "absolute" as recorded, or "relative" to the room.
    """

    target: Target | None = None
    frames: int | None = None
    time: TimeSampling | None = None
    seconds: float | None = None
    person_crop: PersonCrop | None = None
    person_margin: float | None = None
    person_min_px: float | None = None
    temperatures: Temperatures | None = None


def check_clips(choices: ClipChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """
    if choices.seconds is not None and choices.time == "consecutive":
        raise RequestError(
            f"--seconds {choices.seconds:g} and --time consecutive contradict each other: so many frames last as long "
            "as they do",
            hint="--time uniform spreads the frames over that time",
        )
    if choices.person_margin is not None and not 0 < choices.person_margin < math.inf:
        raise RequestError(
            f"--person-margin is {choices.person_margin:g}, expected more than 0",
            hint="1 is the box itself, 1.5 half as much again",
        )
    if choices.person_min_px is not None and not 0 <= choices.person_min_px < math.inf:
        raise RequestError(
            f"--person-min-px is {choices.person_min_px:g}, expected 0 or more",
            hint="0 lets the box decide; 24 shows people of up to 24 pixels in the same scale",
        )
    name = _find_of_people(choices)
    if name and choices.target == "frame":
        raise RequestError(
            f"{name} and --target frame contradict each other: whole frames are not cropped around anybody",
            hint="--target person judges each person by themselves",
        )


def apply_clips(cfg: Config, choices: ClipChoices, *, has_own_size: bool = False) -> None:
    """Change what the model sees of a clip.

    A person's crop is square, so a configuration that turns from frames to people gets a square input, of its shorter
    side.

    Args:
        cfg: the configuration.
        choices: the flags.
        has_own_size: whether the size of the input was chosen otherwise, and is to stay.

    Raises:
        ConfigError: if the configuration chooses its frames itself, or the choices do not fit it.
    """
    given = {name: getattr(choices, name) for name in _KEYS if getattr(choices, name) is not None}
    if not given:
        return
    if "clip" not in cfg:
        raise ConfigError(
            f"{_name_flag(next(iter(given)))}: this configuration is your own, and chooses its frames itself",
            hint="change its dataset and pipeline, or start from a shipped configuration",
        )
    clip = cfg.clip
    if not has_own_size:
        _fit_size(clip, choices.target)
    _move_temperatures(clip, choices.temperatures)
    for name, value in given.items():
        clip[_KEYS[name]] = value
    _fit_time(clip, choices)
    name_of_people = _find_of_people(choices)
    if name_of_people and clip.get("target") != "person":
        raise ConfigError(
            f"{name_of_people}: this configuration judges whole frames, which are not cropped around anybody",
            hint="add --target person",
        )


def _fit_size(clip: Any, target: Target | None) -> None:
    """Give a configuration that turns from frames to people a square input, lest people are stretched."""
    before = clip.get("target", ClipSpec.target)
    height, width = clip.get("input_size", ClipSpec.input_size)
    if (before, target) == ("frame", "person"):
        clip.input_size = (min(height, width),) * 2
    elif (before, target) == ("person", "frame"):
        raise ConfigError(
            f"--target frame: this configuration shows people, in pictures of {height}x{width}",
            hint="--config slowfast-tiny judges whole frames; or say how large they are to be: --input-size 40x60",
        )


def _move_temperatures(clip: Any, temperatures: Temperatures | None) -> None:
    """Move the temperature range by a room's temperature where it becomes relative to that, or no longer is."""
    if temperatures in (None, clip.get("temperatures", ClipSpec.temperatures)):
        return
    moved_c = -ROOM_C if temperatures == "relative" else ROOM_C
    low_c, high_c = clip.get("temperature_range_c", ClipSpec.temperature_range_c)
    clip.temperature_range_c = (low_c + moved_c, high_c + moved_c)


def _fit_time(clip: Any, choices: ClipChoices) -> None:
    if choices.time == "consecutive" and "window_s" in clip:
        clip.window_s = None
    if choices.seconds is not None and clip.get("time_sampling") != "uniform":
        raise ConfigError(
            f"--seconds {choices.seconds:g}: the frames of a clip are consecutive, and last as long as they do",
            hint="add --time uniform",
        )
    if choices.time == "uniform" and clip.get("window_s") is None:
        raise ConfigError(
            "--time uniform: over how many seconds?", hint="--seconds 10, about what 64 frames of a busy sensor last"
        )


def describe_repeats(spec: ClipSpec, dataset: ThermalDataset) -> list[str]:
    """Return what to say of training clips that show few different frames; nothing where there are none."""
    num_clips = len(dataset.samples("train", spec.target))
    num_repeating = count_repeating_clips(dataset, "train", spec)
    if not num_repeating:
        return []
    over = f" over {spec.window_s:g} s" if spec.time_sampling == "uniform" else ""
    return [
        f"clips: {num_repeating} of {num_clips} are mostly repeats: there are not {spec.num_frames} different frames"
        f"{over} around their keyframes"
    ]


def describe_missing_boxes(spec: ClipSpec, dataset: ThermalDataset) -> list[str]:
    """Return what to say if people are to be judged, and nobody said where they are; else nothing."""
    boxes = {box for sample in dataset.samples("train", spec.target) for box in sample.boxes}
    if spec.target != "person" or boxes != {WHOLE_FRAME}:
        return []
    return [
        "boxes: none are known, so each keyframe is shown as a whole, in a square; --target frame suits that better"
    ]


def _find_of_people(choices: ClipChoices) -> str | None:
    """Return the first flag given that needs people to be judged, as it is typed."""
    return next((_name_flag(name) for name in _OF_PEOPLE if getattr(choices, name) is not None), None)


def _name_flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
