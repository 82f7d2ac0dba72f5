from __future__ import annotations

import copy
from typing import Any

import pytest
from mmengine.registry import DefaultScope, init_default_scope
from torch import nn

from thermalctl.compat import prepare_mmaction
from thermalctl.engine.config import list_shipped_configs, load_config
from thermalctl.errors import ConfigError
from thermalctl.models.stages import find_backbone, list_stages

prepare_mmaction()

import mmaction.models  # noqa: E402, F401
from mmaction.registry import MODELS  # noqa: E402

FIVE = ["stem", "stage 1", "stage 2", "stage 3", "stage 4"]
#: MMAction2's backbones, small; and a parameter of each with the stage it belongs to.
BACKBONES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "SlowFast": (
        load_config("slowfast-tiny").model.backbone.to_dict(),
        {
            "backbone.fast_path.conv1.conv.weight": "stem",
            "backbone.slow_path.conv1_lateral.conv.weight": "stem",
            "backbone.slow_path.layer2.0.conv1.bn.bias": "stage 2",
            "backbone.fast_path.layer2.0.conv1.bn.bias": "stage 2",
            "backbone.slow_path.layer2_lateral.conv.weight": "stage 2",
        },
    ),
    "SlowOnly": (
        {"type": "ResNet3dSlowOnly", "depth": 18, "lateral": False, "pretrained": None},
        {"backbone.conv1.conv.weight": "stem", "backbone.layer4.1.conv2.bn.weight": "stage 4"},
    ),
    "X3D": (
        {"type": "X3D", "gamma_d": 1.0},
        {"backbone.conv1_t.conv.weight": "stem", "backbone.conv5.conv.weight": "stage 4"},
    ),
    "TSM": (
        {"type": "ResNetTSM", "depth": 18, "pretrained": None},
        {"backbone.conv1.conv.weight": "stem", "backbone.layer3.0.conv1.conv.net.weight": "stage 3"},
    ),
    "Swin": (
        {"type": "SwinTransformer3D", "arch": "tiny", "pretrained": None, "pretrained2d": False},
        {
            "backbone.patch_embed.proj.weight": "stem",
            "backbone.layers.0.downsample.reduction.weight": "stage 1",
            "backbone.norm3.weight": "stage 4",
        },
    ),
    "UniFormer": (
        {"type": "UniFormer", "depth": [1, 1, 2, 1], "embed_dim": [16, 16, 32, 32], "head_dim": 16},
        {
            "backbone.patch_embed1.proj.weight": "stem",
            "backbone.patch_embed3.proj.weight": "stage 3",
            "backbone.blocks3.1.norm1.weight": "stage 3",
            "backbone.norm.weight": "stage 4",
        },
    ),
    "MViT": (
        {
            "type": "MViT",
            "arch": {"embed_dims": 16, "num_layers": 6, "num_heads": 1, "downscale_indices": [1, 3, 5]},
        },
        {
            "backbone.cls_token": "stem",
            "backbone.blocks.0.norm1.weight": "stage 1",
            "backbone.blocks.2.norm1.weight": "stage 2",
            "backbone.blocks.4.norm1.weight": "stage 3",
            "backbone.blocks.5.norm1.weight": "stage 4",
            "backbone.norm3.weight": "stage 4",
        },
    ),
    "VisionTransformer": (
        {"type": "VisionTransformer", "img_size": 32, "embed_dims": 16, "depth": 6, "num_heads": 1, "num_frames": 4},
        {
            "backbone.patch_embed.projection.weight": "stem",
            "backbone.blocks.1.norm1.weight": "stage 1",
            "backbone.blocks.2.norm1.weight": "stage 2",
            "backbone.blocks.3.norm1.weight": "stage 3",  # of six blocks, the stages have 2, 1, 2 and 1
            "backbone.blocks.5.norm1.weight": "stage 4",
        },
    ),
}  # fmt: skip


def build(backbone: dict[str, Any]) -> nn.Module:
    """A recognizer of that backbone, with a head and a neck that are no matter here."""
    if DefaultScope.get_current_instance() is None:
        init_default_scope("mmaction")
    with DefaultScope.overwrite_default_scope("mmaction"):
        built = MODELS.build(copy.deepcopy(backbone))
    recognizer = nn.Module()
    recognizer.backbone = built
    recognizer.neck = nn.Linear(2, 2)
    recognizer.cls_head = nn.Linear(2, 3)
    return recognizer


@pytest.fixture(scope="module", params=BACKBONES)
def known(request: pytest.FixtureRequest) -> tuple[nn.Module, dict[str, str]]:
    backbone, expected = BACKBONES[request.param]
    return build(backbone), expected


def test_every_parameter_is_in_exactly_one_stage(known: tuple[nn.Module, dict[str, str]]) -> None:
    model, expected = known
    stages = list_stages(model)
    assert [stage.name for stage in stages] == [*FIVE, "head"]
    assert sorted(name for stage in stages for name in stage.parameters) == sorted(dict(model.named_parameters()))
    stage_of = {name: stage.name for stage in stages for name in stage.parameters}
    assert {name: stage_of[name] for name in expected} == expected
    assert stage_of["neck.weight"] == stage_of["cls_head.weight"] == "head"


def test_modules_of_a_stage_hold_its_parameters_and_no_others(known: tuple[nn.Module, dict[str, str]]) -> None:
    model, _ = known
    for stage in list_stages(model):
        within = {
            f"{module}.{name}" for module in stage.modules for name, _ in model.get_submodule(module).named_parameters()
        }
        assert within <= set(stage.parameters)
        loose = set(stage.parameters) - within  # a token or a table of positions is in no module of its own
        assert all(name.rpartition(".")[2] in {"cls_token", "pos_embed", "time_embed"} for name in loose)


@pytest.mark.parametrize("name", list_shipped_configs())
def test_stages_of_each_shipped_model_are_known(name: str) -> None:
    backbone = load_config(name).model.backbone.to_dict()
    if "num_segments" in backbone:
        backbone["num_segments"] = 8  # TSM's, which is filled in from the clip
    assert [stage.name for stage in list_stages(build(backbone))] == [*FIVE, "head"]


def test_backbone_of_unknown_stages_is_refused_but_known_as_a_whole() -> None:
    model = build({"type": "C3D"})
    with pytest.raises(ConfigError, match=r"stages of a C3D are not known: backbone\.conv1a\.conv\.weight is in none"):
        list_stages(model)
    whole = find_backbone(model)
    assert whole.modules == ("backbone",)
    assert set(whole.parameters) == {name for name, _ in model.named_parameters() if name.startswith("backbone.")}


def test_model_without_a_backbone_is_refused() -> None:
    with pytest.raises(ConfigError, match="a Linear has no backbone"):
        list_stages(nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="a Linear has no backbone"):
        find_backbone(nn.Linear(2, 2))
