"""What training varies in its clips, how it mixes them, and which pictures the model sees of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

from mmengine.config import Config

from thermalctl.clip_spec import MOTION_MEAN, MOTION_STD, Channels, ClipSpec
from thermalctl.errors import ConfigError, RequestError
from thermalctl.pipeline.augment import POSITIVE_FIELDS, PRESETS, UNIT_FIELDS, EraseMode
from thermalctl.pipeline.mixing import Mixing, MixMode

#: The preprocessor that reads what these flags set.
PREPROCESSOR = "thermalctl.pipeline.preprocessor.ThermalDataPreprocessor"

Preset = Literal["none", "light", "guide", "overhead"]


@dataclass(frozen=True, kw_only=True)
class AugmentationChoices:
    """What training varies in its clips; None leaves it as the configuration has it.

    The names are those of `pipeline.augment.Augmentation`, which says what each does, but for these.

    Attributes:
        augment: a preset, in place of all that the configuration varies; the other flags then change it.
        crop_area: least share of the area that a random crop keeps.
        mix: how the clips of a batch are mixed, see `pipeline.mixing.Mixing`; "none" for not at all.
        mixup_alpha: of MixUp's Beta distribution.
        cutmix_alpha: of CutMix's and the cuboid's.
        mix_probability: how often a batch is mixed.
        input_size: of the model's input as typed, HEIGHTxWIDTH in pixels.
        channels: what its channels show, see `clip_spec.ClipSpec`.
    """

    augment: Preset | None = None
    crop_area: float | None = None
    flip: float | None = None
    flip_vertical: float | None = None
    quarter_turns: float | None = None
    gain: float | None = None
    offset_c: float | None = None
    noise_c: float | None = None
    row_dropout: float | None = None
    erase: float | None = None
    erase_mode: EraseMode | None = None
    temporal_jitter: float | None = None
    temporal_crop: float | None = None
    speed: float | None = None
    frame_dropout: float | None = None
    mix: Literal["none"] | MixMode | None = None
    mixup_alpha: float | None = None
    cutmix_alpha: float | None = None
    mix_probability: float | None = None
    input_size: str | None = None
    channels: Channels | None = None


_NAMES = tuple(field.name for field in fields(AugmentationChoices))
_MIX_NAMES = ("mix", "mixup_alpha", "cutmix_alpha", "mix_probability")
_CLIP_NAMES = ("input_size", "channels")
#: Those that are keys of `augment` by the same name.
_AUGMENT_NAMES = tuple(name for name in _NAMES if name not in ("augment", *_MIX_NAMES, *_CLIP_NAMES))
#: Which flags may hold what, and how that is told.
_LIMITS: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    ((*UNIT_FIELDS, "mix_probability"), lambda value: 0 <= value <= 1, "0 to 1"),
    (POSITIVE_FIELDS, lambda value: 0 <= value < math.inf, "0 or more"),
    (("crop_area", "temporal_crop"), lambda value: 0 < value <= 1, "more than 0, at most 1"),
    (("mixup_alpha", "cutmix_alpha"), lambda value: 0 < value < math.inf, "more than 0"),
)


def check_augmentation(choices: AugmentationChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """
    for names, holds, expected in _LIMITS:
        for name in names:
            value = getattr(choices, name, None)
            if value is not None and not holds(value):
                raise RequestError(
                    f"{_flag(name)} is {value}, expected {expected}", hint="leave it out for the configuration's own"
                )
    if choices.input_size is not None:
        parse_input_size(choices.input_size)
    if choices.erase_mode is not None and choices.erase == 0:
        raise RequestError(
            f"--erase-mode {choices.erase_mode} and --erase 0 contradict each other: nothing is erased",
            hint="leave --erase-mode out; or --erase 0.25 erases something in a quarter of the clips",
        )
    if choices.mix not in (None, "none") and choices.mix_probability == 0:
        raise RequestError(
            f"--mix {choices.mix} and --mix-probability 0 contradict each other: no batch is mixed",
            hint="leave --mix-probability out to mix every batch, or --mix none",
        )
    for name in _MIX_NAMES[1:]:
        value = getattr(choices, name)
        if value is not None and choices.mix is not None and not _concerns(name, choices.mix):
            raise RequestError(
                f"{_flag(name)} {value:g} and --mix {choices.mix} contradict each other: it does not use that",
                hint=_suggest_mixing(name, choices.mix),
            )


def _suggest_mixing(name: str, mix: str) -> str:
    if name == "mix_probability":
        return f"leave {_flag(name)} out, or --mix mixup"
    fitting = {"mixup": "--mixup-alpha", "none": None}.get(mix, "--cutmix-alpha")
    return f"--mix {mix} takes {fitting}" if fitting else f"leave {_flag(name)} out, or name what to mix with --mix"


def apply_augmentation(cfg: Config, choices: AugmentationChoices) -> None:
    """Change a configuration as the choices say.

    Raises:
        ConfigError: if it prepares its clips itself, or the choices do not fit it.
    """
    given = [name for name in _NAMES if getattr(choices, name) is not None]
    if not given:
        return
    if "clip" not in cfg:
        raise ConfigError(
            f"{_flag(given[0])}: this configuration is your own, and prepares its clips itself",
            hint="change its pipeline, or start from a shipped configuration",
        )
    if choices.input_size is not None:
        cfg.clip.input_size = parse_input_size(choices.input_size)
    if choices.channels is not None:
        _set_channels(cfg.clip, choices.channels)
    for_preprocessor = [name for name in given if name not in _CLIP_NAMES]
    if for_preprocessor:
        preprocessor = _find_preprocessor(cfg, for_preprocessor[0])
        _set_augment(preprocessor, choices)
        _set_mixing(cfg, preprocessor, choices)


def parse_input_size(text: str) -> tuple[int, int]:
    """Return (h, w) in pixels from a text such as 64x96.

    Raises:
        RequestError: if it is none.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None:
        raise RequestError(f"--input-size {text}: expected HEIGHTxWIDTH in pixels", hint="as in --input-size 64x96")
    return int(match[1]), int(match[2])


def _set_channels(clip: Any, channels: Channels) -> None:
    """Set the channels, and the mean and std that they need."""
    before = clip.get("channels", ClipSpec.channels)
    clip.channels = channels
    if channels == before:
        return
    for name, of_motion in (("mean", MOTION_MEAN), ("std", MOTION_STD)):
        values = tuple(clip.get(name, getattr(ClipSpec, name)))
        if channels == "motion":
            clip[name] = (values[0], of_motion, of_motion)
        elif before == "motion":
            clip[name] = values[:1]
        elif channels == "fold":  # one value for all, so that a stem summed over its channels stays exact
            clip[name] = (round(sum(values) / len(values), 6),)


def _find_preprocessor(cfg: Config, name: str) -> Any:
    if cfg.model.get("data_preprocessor") is None:
        cfg.model.data_preprocessor = {"type": PREPROCESSOR}
    found = cfg.model.data_preprocessor.get("type")
    if str(found).rpartition(".")[2] != PREPROCESSOR.rpartition(".")[2]:
        raise ConfigError(
            f"{_flag(name)}: model.data_preprocessor is {found}, expected {PREPROCESSOR}",
            hint="change its own augmentation, or give the configuration that preprocessor",
        )
    return cfg.model.data_preprocessor


def _set_augment(preprocessor: Any, choices: AugmentationChoices) -> None:
    values = {name: getattr(choices, name) for name in _AUGMENT_NAMES if getattr(choices, name) is not None}
    if choices.crop_area is not None:
        values["crop_area"] = (choices.crop_area, 1.0)
    if choices.augment is None and not values:
        return
    begin = (preprocessor.get("augment") or {}) if choices.augment is None else PRESETS[choices.augment]
    preprocessor.augment = {**begin, **values}
    if choices.erase_mode is not None and not preprocessor.augment.get("erase"):
        raise ConfigError(f"--erase-mode {choices.erase_mode}: nothing is erased", hint="add --erase 0.25")


def _set_mixing(cfg: Config, preprocessor: Any, choices: AugmentationChoices) -> None:
    given = [name for name in _MIX_NAMES if getattr(choices, name) is not None]
    if not given:
        return
    if choices.mix == "none":
        preprocessor.pop("mixing", None)
        return
    before = dict(preprocessor.get("mixing") or {})
    mode: Any = choices.mix or before.get("mode") or "none"
    useless = [name for name in given if name != "mix" and not _concerns(name, mode)]
    if useless:
        raise ConfigError(
            f"{_flag(useless[0])}: the mix is {mode}, and does not use it", hint="add --mix mixup, cutmix or cuboid"
        )
    if cfg.train_dataloader.get("batch_size") == 1:
        raise ConfigError(
            f"{_flag(given[0])}: a batch is one clip, and has none to mix with",
            hint="--batch-size 2 or more",
        )
    defaults = Mixing(mode=mode)
    values: dict[str, Any] = {"mode": mode}
    for name, key in (("mixup_alpha",) * 2, ("cutmix_alpha",) * 2, ("mix_probability", "probability")):
        if _concerns(name, mode):
            asked = getattr(choices, name)
            values[key] = before.get(key, getattr(defaults, key)) if asked is None else asked
    preprocessor.mixing = values


def _concerns(name: str, mode: str) -> bool:
    """Return whether a way of mixing uses what a flag sets."""
    kinds = set(mode.split("+"))
    users = {"mixup_alpha": {"mixup"}, "cutmix_alpha": {"cutmix", "cuboid"}, "mix_probability": kinds - {"none"}}
    return bool(kinds & users[name])


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
