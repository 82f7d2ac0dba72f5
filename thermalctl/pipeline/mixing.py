"""Clips mixed with others of their batch, and their labels with them: MixUp, CutMix, and CutMix in space and time.

MixUp (https://arxiv.org/abs/1710.09412) adds two clips, weighted lambda and 1 - lambda. CutMix
(https://arxiv.org/abs/1905.04899) pastes a rectangle of another clip, through all frames; the cuboid (as in VideoMix,
https://arxiv.org/abs/2012.03457, section 3.2) pastes it into some of the frames only. Lambda ~ Beta(alpha, alpha), one
lambda and one permutation for a batch, drawn on the CPU. A label is then a share of each class, (K,) float32.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from thermalctl.errors import ConfigError

MixMode = Literal["mixup", "cutmix", "cuboid", "mixup+cutmix", "mixup+cuboid"]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """How the clips of a training batch are mixed.

    Attributes:
        mode: "mixup", "cutmix" (a rectangle), "cuboid" (in space and time), or one of two kinds, drawn evenly for each
            batch.
        mixup_alpha: of MixUp's Beta distribution; 0.2 is the guide's, and mostly mixes in little.
        cutmix_alpha: of CutMix's and of the cuboid's; 1.0 is the guide's, every share equally likely.
        probability: how often a batch is mixed. Not always: what the model is tested on is not mixed, and a training
            accuracy is logged of plain batches only.

    Raises:
        ConfigError: if a value is impossible.
    """

    mode: MixMode
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0
    probability: float = 0.5

    def __post_init__(self) -> None:
        if self.mode not in get_args(MixMode):
            raise ConfigError(f"mixing.mode is {self.mode!r}, expected {', '.join(get_args(MixMode))}")
        for name in ("mixup_alpha", "cutmix_alpha"):
            if not _is_number(getattr(self, name)) or not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"mixing.{name} is {getattr(self, name)!r}, expected more than 0")
        if not _is_number(self.probability) or not 0 <= self.probability <= 1:
            raise ConfigError(f"mixing.probability is {self.probability!r}, expected a number from 0 to 1")

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> Mixing:
        """Return the mixing that a configuration names.

        Raises:
            ConfigError: if a name is unknown, the mode is missing, or a value is out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown or "mode" not in values:
            problem = f"mixing has no {unknown[0]!r}" if unknown else "mixing needs a mode"
            raise ConfigError(problem, hint=f"it has {', '.join(known)}")
        return cls(**values)


@dataclass(frozen=True, kw_only=True, eq=False)
class Mix:
    """How one batch is mixed.

    Attributes:
        partners: (N,) int64, the clip that each one is mixed with.
        share: lambda, how much of each clip stays, exactly.
        box: frames, rows and columns that come from the partner; None for MixUp.
    """

    partners: Tensor
    share: float
    box: Box | None


def draw_mix(num_clips: int, size: tuple[int, int, int], mixing: Mixing) -> Mix | None:
    """Return how a batch is to be mixed; None if not at all, as a batch of one never is.

    Args:
        num_clips: N.
        size: (T, h, w) of a clip.
        mixing: which way, how much and how often.
    """
    if num_clips < 2 or torch.rand(()) >= mixing.probability:
        return None
    kinds = mixing.mode.split("+")
    kind = kinds[int(torch.randint(len(kinds), ()))] if len(kinds) > 1 else kinds[0]
    alpha = mixing.mixup_alpha if kind == "mixup" else mixing.cutmix_alpha
    share = float(torch.distributions.Beta(torch.tensor(alpha).double(), torch.tensor(alpha).double()).sample())
    partners = torch.randperm(num_clips)
    if kind == "mixup":
        return Mix(partners=partners, share=share, box=None)
    box = _draw_box(size, share, in_time=kind == "cuboid")
    num_pasted = math.prod(part.stop - part.start for part in box)
    return Mix(partners=partners, share=1 - num_pasted / math.prod(size), box=box)


def mix_clips(inputs: Tensor, mix: Mix) -> Tensor:
    """Return the clips mixed, (N, C, T, h, w).

    Args:
        inputs: (N, C, T, h, w) float32, ready for the model.
        mix: from `draw_mix`.
    """
    others = inputs[mix.partners.to(inputs.device)]
    if mix.box is None:
        return torch.lerp(others, inputs, mix.share)
    frames, rows, columns = mix.box
    mixed = inputs.clone()
    mixed[:, :, frames, rows, columns] = others[:, :, frames, rows, columns]
    return mixed


def mix_labels(labels: Tensor, mix: Mix, num_classes: int) -> Tensor:
    """Return the clips' labels mixed likewise, (N, K) float32, each summing to 1.

    Args:
        labels: (N,) int64 class ids, or (N, K) float shares.
        mix: from `draw_mix`.
        num_classes: K.
    """
    shares = labels.double() if labels.dim() == 2 else torch.nn.functional.one_hot(labels, num_classes).double()
    return (mix.share * shares + (1 - mix.share) * shares[mix.partners.to(labels.device)]).float()


def _draw_box(size: tuple[int, int, int], share: float, *, in_time: bool) -> Box:
    """Return a box that holds 1 - share of a clip, its middle anywhere in it and what juts out cut off."""
    num_axes = 3 if in_time else 2
    ratio = (1 - share) ** (1 / num_axes)
    parts = [slice(0, length) for length in size[: 3 - num_axes]]
    for length in size[3 - num_axes :]:
        side, middle = int(length * ratio), int(torch.randint(length, ()))
        parts.append(slice(max(0, middle - side // 2), min(length, middle - side // 2 + side)))
    return parts[0], parts[1], parts[2]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
