"""The stages of a recognizer, from its stem to its head: what is frozen together and learns at one rate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from thermalctl.errors import ConfigError

#: Stages that a plain row of equal blocks is divided into, as a residual network has them.
NUM_STAGES = 4
#: Stands for the last stage while it is not known how many there are.
_ABOVE = -1
_HEAD = "head"
_BACKBONE = "backbone."
_PATHWAY = r"(?:slow_path\.|fast_path\.)?"
#: What comes before the first stage. A lateral connection belongs to the stage that it carries features out of.
_STEM = re.compile(
    rf"{_PATHWAY}conv1(?:_s|_t|_lateral)?\.|patch_embed1?\."  # residual networks and X3D; transformers
    r"|(?:cls_token|pos_embed|time_embed|class_embedding|positional_embedding)\b|ln_pre\."
)
#: Stages that carry their own number, from 1: of residual networks, X3D and MobileNet, and of UniFormer.
_NUMBERED = re.compile(rf"(?:{_PATHWAY}layer|blocks|patch_embed)(?P<number>[1-9])(?:_lateral)?\.")
#: Swin's stages, from 0.
_COUNTED = re.compile(r"layers\.(?P<index>\d+)\.")
#: Rows of blocks, from 0: of MViT and ViT, of UniFormerV2, of TimeSformer.
_BLOCKS = re.compile(r"(?:blocks|transformer\.resblocks|transformer_layers\.layers)\.(?P<index>\d+)\.")
#: What comes after the last stage, and goes with it.
_TOP = re.compile(r"conv[25]\.|(?:norm\d?|fc_norm|ln_post)\.|proj\b|transformer\.(?!resblocks)\w")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a model.

    Attributes:
        name: "stem", "stage 1", ..., "head"; "backbone" where it was not divided.
        parameters: the names of its parameters, as the model has them.
        modules: the names of the outermost modules that lie in it wholly.
    """

    name: str
    parameters: tuple[str, ...]
    modules: tuple[str, ...]


def list_stages(model: nn.Module) -> tuple[Stage, ...]:
    """Return the stages of a recognizer in the order in which a clip passes them; the head is the last.

    Every parameter is in exactly one. Both pathways of a SlowFast share their stages; a neck belongs to the head.
    MViT's stages begin where its maps shrink; a row of equal blocks, as ViT's, is divided into four of equal length.

    Args:
        model: a recognizer with a `backbone`.

    Raises:
        ConfigError: if it has none, or one whose stages are not known.
    """
    backbone = _get_backbone(model)
    starts = _find_block_starts(backbone)
    numbers = {name: _number_part(f"{name}.", starts) for name, _ in backbone.named_parameters()}
    stray = next((name for name, number in numbers.items() if number is None), None)
    if stray is not None:
        raise ConfigError(
            f"the stages of a {type(backbone).__name__} are not known: {_BACKBONE}{stray} is in none of them",
            hint="the backbone as a whole can be frozen (--freeze-backbone) or slowed down (--backbone-lr-mult)",
        )
    # Where nothing has a stage of its own, the top goes with the stem.
    last = max((number for number in numbers.values() if number is not None and number != _ABOVE), default=0)
    modules = {name: _number_part(f"{name}.", starts) for name, _ in backbone.named_modules() if name}
    stages = [
        Stage(
            name=f"stage {number}" if number else "stem",
            parameters=_select(numbers, number, last),
            modules=_keep_outermost(_select(modules, number, last)),
        )
        for number in range(last + 1)
    ]
    return (*(stage for stage in stages if stage.parameters), _collect_head(model))


def find_backbone(model: nn.Module) -> Stage:
    """Return the whole backbone as one stage, whatever its architecture.

    Raises:
        ConfigError: if the model has none.
    """
    backbone = _get_backbone(model)
    names = tuple(f"{_BACKBONE}{name}" for name, _ in backbone.named_parameters())
    return Stage(name="backbone", parameters=names, modules=("backbone",))


def _get_backbone(model: nn.Module) -> nn.Module:
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise ConfigError(f"a {type(model).__name__} has no backbone whose stages could be told apart")
    return backbone


def _number_part(name: str, block_starts: Sequence[int]) -> int | None:
    """Return the stage of a parameter or module of the backbone, 0 for the stem; None where no rule knows it."""
    if _STEM.match(name):
        return 0
    if found := _NUMBERED.match(name):
        return int(found["number"])
    if found := _COUNTED.match(name):
        return int(found["index"]) + 1
    if found := _BLOCKS.match(name):
        return 1 + sum(int(found["index"]) >= start for start in block_starts)
    return _ABOVE if _TOP.match(name) else None


def _find_block_starts(backbone: nn.Module) -> list[int]:
    """Return which blocks of a row begin the second and later stages."""
    own = getattr(backbone, "downscale_indices", None)  # MViT's
    if own is not None:
        return sorted(own)
    found = [_BLOCKS.match(f"{name}.") for name, _ in backbone.named_modules()]
    num_blocks = max((int(match["index"]) + 1 for match in found if match), default=0)
    return [-(-num_blocks * stage // NUM_STAGES) for stage in range(1, NUM_STAGES)]


def _select(numbers: Mapping[str, int | None], wanted: int, last: int) -> tuple[str, ...]:
    kept = {wanted, _ABOVE} if wanted == last else {wanted}
    return tuple(f"{_BACKBONE}{name}" for name, number in numbers.items() if number in kept)


def _keep_outermost(names: Sequence[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for name in names:  # a module comes before those in it
        if not name.startswith(tuple(f"{outer}." for outer in kept)):
            kept.append(name)
    return tuple(kept)


def _collect_head(model: nn.Module) -> Stage:
    names = tuple(name for name, _ in model.named_parameters() if not name.startswith(_BACKBONE))
    modules = tuple(name for name, _ in model.named_children() if name != "backbone")
    return Stage(name=_HEAD, parameters=names, modules=modules)
