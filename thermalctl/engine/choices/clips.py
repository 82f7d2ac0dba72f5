"""What the model sees of a clip."""

from __future__ import annotations

from dataclasses import dataclass

from mmengine.config import Config

from thermalctl.clip_spec import Target, TimeSampling
from thermalctl.errors import ConfigError, RequestError

#: The key of `clip` that each flag sets.
_KEYS = {"target": "target", "frames": "num_frames", "time": "time_sampling", "seconds": "window_s"}


@dataclass(frozen=True, kw_only=True)
class ClipChoices:
    """What the model sees of a clip; None leaves it as the configuration has it.

    Attributes:
        target: what is judged: the "frame" as a whole, or each "person" in it.
        frames: T, frames in a clip.
        time: how they are chosen: "consecutive", or "uniform", evenly by arrival time.
        seconds: how long a uniform clip lasts.
    """

    target: Target | None = None
    frames: int | None = None
    time: TimeSampling | None = None
    seconds: float | None = None


def check_clips(choices: ClipChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if two contradict each other.
    """
    if choices.seconds is not None and choices.time == "consecutive":
        raise RequestError(
            f"--seconds {choices.seconds:g} and --time consecutive contradict each other: so many frames last as long "
            "as they do",
            hint="--time uniform spreads the frames over that time",
        )


def apply_clips(cfg: Config, choices: ClipChoices) -> None:
    """Change what the model sees of a clip.

    Raises:
        ConfigError: if the configuration chooses its frames itself, or the choices do not fit it.
    """
    given = {name: getattr(choices, name) for name in _KEYS if getattr(choices, name) is not None}
    if not given:
        return
    if "clip" not in cfg:
        raise ConfigError(
            f"--{next(iter(given))}: this configuration is your own, and chooses its frames itself",
            hint="change its dataset and pipeline, or start from a shipped configuration",
        )
    for name, value in given.items():
        cfg.clip[_KEYS[name]] = value
    if choices.time == "consecutive" and "window_s" in cfg.clip:
        cfg.clip.window_s = None
    if choices.seconds is not None and cfg.clip.get("time_sampling") != "uniform":
        raise ConfigError(
            f"--seconds {choices.seconds:g}: the frames of a clip are consecutive, and last as long as they do",
            hint="add --time uniform",
        )
    if choices.time == "uniform" and cfg.clip.get("window_s") is None:
        raise ConfigError(
            "--time uniform: over how many seconds?", hint="--seconds 10, about what 64 frames of a busy sensor last"
        )
