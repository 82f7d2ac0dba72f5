"""Fitting pretrained weights to a model: what loaded, what was adapted, what is new.

MMEngine loads whatever matches and only logs the rest, so weights of another architecture "load" with nothing
matching. Here every parameter is accounted for, and a backbone that stays mostly random is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from thermalctl.errors import CheckpointError

#: Share of the backbone's values that must come from the file.
LEAST_BACKBONE_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class FittedWeights:
    """Which of a model's parameters and buffers came from a file; names as in the model's state dict.

    Attributes:
        loaded: taken over unchanged.
        adapted: RGB stems summed to one channel, or one-channel stems spread over three.
        remade: in the file with another shape, as a head of other classes; they stay as initialised.
        missing: not in the file; they stay as initialised.
        unused: in the file but not in the model.
        backbone_share: share of the backbone's values that came from the file, 0 to 1.
    """

    loaded: tuple[str, ...]
    adapted: tuple[str, ...]
    remade: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    backbone_share: float


def fold_rgb_stem(weight: Tensor) -> Tensor:
    """Return an RGB stem's kernel for one channel, (C, 1, ...): the sum over its three input channels.

    Exact for a grey image whose three channels are equal, normalised with one scalar mean and std.

    Args:
        weight: (C, 3, t, h, w), or (C, 3, h, w) of a 2D network.
    """
    return weight.sum(dim=1, keepdim=True)


def spread_gray_stem(weight: Tensor) -> Tensor:
    """Return a one-channel stem's kernel for three equal channels, (C, 3, ...): a third each.

    Args:
        weight: (C, 1, t, h, w), or (C, 1, h, w) of a 2D network.
    """
    return weight.expand(-1, 3, *weight.shape[2:]) / 3


def fit_pretrained(model: nn.Module, weights: Mapping[str, Tensor]) -> FittedWeights:
    """Load `weights` into `model` as far as they fit and return what became of each.

    Raises:
        CheckpointError: if less than nine tenths of the backbone come from the file; the model is then unchanged.
    """
    wanted = model.state_dict()
    given = {name.removeprefix("module."): value for name, value in weights.items()}
    taken: dict[str, Tensor] = {}
    adapted, remade = [], []
    for name in sorted(wanted.keys() & given.keys()):
        value = _adapt_stem(given[name], wanted[name])
        if value.shape != wanted[name].shape:
            remade.append(name)
            continue
        if value is not given[name]:
            adapted.append(name)
        taken[name] = value
    share = _measure_share(wanted, taken)
    if share < LEAST_BACKBONE_SHARE:
        example = next((name for name in given if name not in wanted), "none")
        raise CheckpointError(
            f"only {share:.0%} of the backbone's weights are in the file, expected {LEAST_BACKBONE_SHARE:.0%} "
            f"(it holds {len(given)} entries; the first unknown one is {example})",
            hint="these are weights of another architecture; choose the matching --config, or --load-from none",
        )
    model.load_state_dict(taken, strict=False)
    return FittedWeights(
        loaded=tuple(sorted(taken.keys() - set(adapted))),
        adapted=tuple(adapted),
        remade=tuple(remade),
        missing=tuple(
            sorted(name for name in wanted.keys() - given.keys() if not name.endswith("num_batches_tracked"))
        ),
        unused=tuple(sorted(given.keys() - wanted.keys())),
        backbone_share=share,
    )


def _adapt_stem(value: Tensor, wanted: Tensor) -> Tensor:
    if value.dim() not in (4, 5) or value.shape[2:] != wanted.shape[2:] or len(value) != len(wanted):
        return value
    channels = (value.shape[1], wanted.shape[1])
    if channels == (3, 1):
        return fold_rgb_stem(value)
    return spread_gray_stem(value) if channels == (1, 3) else value


def _measure_share(wanted: Mapping[str, Tensor], taken: Mapping[str, Tensor]) -> float:
    """Return the share of the backbone's values that are taken; of all values for a model that has no backbone."""
    backbone = [name for name in wanted if name.startswith("backbone.")] or list(wanted)
    total = sum(wanted[name].numel() for name in backbone)
    return sum(wanted[name].numel() for name in backbone if name in taken) / total


def strip_to_state_dict(checkpoint: Mapping[str, object], origin: str) -> dict[str, Tensor]:
    """Return the weights in a checkpoint: its "state_dict", or itself where it is one.

    Raises:
        CheckpointError: if it holds no weights.
    """
    held = checkpoint.get("state_dict", checkpoint)
    weights = (
        {name: value for name, value in held.items() if isinstance(value, torch.Tensor)}
        if isinstance(held, Mapping)
        else {}
    )
    if not weights:
        raise CheckpointError(
            f"{origin}: holds no weights (its entries: {', '.join(map(str, checkpoint)) or 'none'})",
            hint='a checkpoint holds its weights under "state_dict"',
        )
    return weights
