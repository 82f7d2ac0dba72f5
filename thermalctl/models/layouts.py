"""SlowFast under the names that other projects give its parameters, translated to MMAction2's.

PySlowFast and PyTorchVideo publish the same network. Their lateral connections are followed by batch normalisation,
which MMAction2's have only with `lateral_norm=True`; nothing else differs but names and the order of the head's inputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_PATHWAYS = ("slow_path", "fast_path")
_BOTTLENECK_CONVS = {"a": "conv1", "b": "conv2", "c": "conv3"}


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How one project names a SlowFast's parameters; `rest` is "weight", "bias", "running_mean", ...

    Attributes:
        project: its name.
        mark: the beginning of a name that no other layout has.
        stem: each pathway's first convolution and its norm.
        lateral: the convolutions that join the fast pathway to the slow one, and their norms.
        shortcut: the convolution beside a stage's first block, and its norm.
        block: the three convolutions of a block, lettered a to c, and their norms.
        head: the last linear layer.
        first_stage: the number of the first residual stage.
    """

    project: str
    mark: re.Pattern[str]
    stem: re.Pattern[str]
    lateral: re.Pattern[str]
    shortcut: re.Pattern[str]
    block: re.Pattern[str]
    head: re.Pattern[str]
    first_stage: int


_LAYOUTS = (
    _Layout(
        project="PySlowFast",
        mark=re.compile(r"s1\.pathway1_stem\."),
        stem=re.compile(r"s1\.pathway(?P<path>[01])_stem\.(?P<part>conv|bn)\.(?P<rest>\w+)"),
        lateral=re.compile(r"s(?P<stage>\d)_fuse\.(?P<part>conv_f2s|bn)\.(?P<rest>\w+)"),
        shortcut=re.compile(
            r"s(?P<stage>\d)\.pathway(?P<path>[01])_res(?P<block>\d+)\.branch1(?P<norm>_bn)?\.(?P<rest>\w+)"
        ),
        block=re.compile(
            r"s(?P<stage>\d)\.pathway(?P<path>[01])_res(?P<block>\d+)\.branch2\.(?P<letter>[abc])(?P<norm>_bn)?\.(?P<rest>\w+)"
        ),
        head=re.compile(r"head\.projection\.(?P<rest>weight|bias)"),
        first_stage=2,
    ),
    _Layout(
        project="PyTorchVideo",
        mark=re.compile(r"blocks\.0\.multipathway_blocks\.1\.conv\."),
        stem=re.compile(r"blocks\.0\.multipathway_blocks\.(?P<path>[01])\.(?P<part>conv|norm)\.(?P<rest>\w+)"),
        lateral=re.compile(
            r"blocks\.(?P<stage>\d)\.multipathway_fusion\.(?P<part>conv_fast_to_slow|norm)\.(?P<rest>\w+)"
        ),
        shortcut=re.compile(
            r"blocks\.(?P<stage>\d)\.multipathway_blocks\.(?P<path>[01])\.res_blocks\.(?P<block>\d+)"
            r"\.branch1_(?:conv|(?P<norm>norm))\.(?P<rest>\w+)"
        ),
        block=re.compile(
            r"blocks\.(?P<stage>\d)\.multipathway_blocks\.(?P<path>[01])\.res_blocks\.(?P<block>\d+)"
            r"\.branch2\.(?:conv|(?P<norm>norm))_(?P<letter>[abc])\.(?P<rest>\w+)"
        ),
        head=re.compile(r"blocks\.6\.proj\.(?P<rest>weight|bias)"),
        first_stage=1,
    ),
)

#: Weights that are known by a name of theirs and that no model here can take: (a pattern of one name, what they are).
_FOREIGN = (
    (re.compile(r"blocks\.0\.conv\.(?:conv_t|conv_xy)\."), "PyTorchVideo's X3D"),
    (re.compile(r"blocks\.0\.conv\.weight"), "a PyTorchVideo network of one pathway"),
    (re.compile(r"s1\.pathway0_stem\."), "a PySlowFast network of one pathway"),
    (re.compile(r"(?:videomae|vivit|timesformer)\."), "a Transformers video model"),
    (re.compile(r"layer1\.0\.conv1\.0\.weight"), "a torchvision video network"),
    (re.compile(r"layer1\.0\.conv1\.weight"), "a torchvision image network"),
    (re.compile(r"blocks\.0\.attn\.qkv\.weight"), "a timm vision transformer"),
)


def translate_names(weights: Mapping[str, Tensor]) -> tuple[str | None, dict[str, Tensor]]:
    """Return whose names a state dict uses, None if it is not one to translate, and it under MMAction2's names.

    Names that the layout does not know stay as they are. The head's inputs are reordered: MMAction2 puts the fast
    pathway's features before the slow one's, the others after them.

    Args:
        weights: a network's parameters and buffers by name.
    """
    layout = next((known for known in _LAYOUTS if any(known.mark.match(name) for name in weights)), None)
    if layout is None:
        return None, dict(weights)
    translated = {_translate(name, layout): value for name, value in weights.items()}
    head = translated.get("cls_head.fc_cls.weight")
    last_of_slow = translated.get("backbone.slow_path.layer4.0.conv3.conv.weight")
    if head is not None and last_of_slow is not None:
        slow, fast = head[:, : len(last_of_slow)], head[:, len(last_of_slow) :]
        translated["cls_head.fc_cls.weight"] = torch.cat((fast, slow), dim=1)
    return layout.project, translated


def recognise_foreign(weights: Mapping[str, Tensor]) -> str | None:
    """Return what a state dict is that no model here can take, in words, or None if it is unknown."""
    return next((words for pattern, words in _FOREIGN if any(pattern.match(name) for name in weights)), None)


def _translate(name: str, layout: _Layout) -> str:
    if found := layout.stem.fullmatch(name):
        part = "conv" if found["part"] == "conv" else "bn"
        return f"backbone.{_PATHWAYS[int(found['path'])]}.conv1.{part}.{found['rest']}"
    if found := layout.lateral.fullmatch(name):
        stage = int(found["stage"]) - layout.first_stage + 1
        part = "conv" if found["part"].startswith("conv") else "bn"
        owner = "conv1_lateral" if stage == 0 else f"layer{stage}_lateral"
        return f"backbone.slow_path.{owner}.{part}.{found['rest']}"
    if found := layout.shortcut.fullmatch(name) or layout.block.fullmatch(name):
        stage = int(found["stage"]) - layout.first_stage + 1
        owner = _BOTTLENECK_CONVS[found["letter"]] if "letter" in found.re.groupindex else "downsample"
        part = "bn" if found["norm"] else "conv"
        pathway = _PATHWAYS[int(found["path"])]
        return f"backbone.{pathway}.layer{stage}.{found['block']}.{owner}.{part}.{found['rest']}"
    if found := layout.head.fullmatch(name):
        return f"cls_head.fc_cls.{found['rest']}"
    return name
