from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from thermalctl.compat import prepare_mmaction
from thermalctl.errors import CheckpointError
from thermalctl.models.layouts import recognise_foreign, translate_names
from thermalctl.models.pretrained import fit_pretrained

NORM_ENTRIES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
BLOCKS_OF_R50 = (3, 4, 6, 3)


def list_pyslowfast_names() -> Iterator[tuple[str, str]]:
    """Yield (PySlowFast's name, MMAction2's) of each convolution and norm of a SlowFast R50."""
    for number, path in enumerate(("slow_path", "fast_path")):
        yield f"s1.pathway{number}_stem.conv", f"{path}.conv1.conv"
        yield f"s1.pathway{number}_stem.bn", f"{path}.conv1.bn"
        for stage, num_blocks in enumerate(BLOCKS_OF_R50, start=1):
            for block in range(num_blocks):
                theirs, ours = f"s{stage + 1}.pathway{number}_res{block}", f"{path}.layer{stage}.{block}"
                if block == 0:
                    yield f"{theirs}.branch1", f"{ours}.downsample.conv"
                    yield f"{theirs}.branch1_bn", f"{ours}.downsample.bn"
                for position, letter in enumerate("abc", start=1):
                    yield f"{theirs}.branch2.{letter}", f"{ours}.conv{position}.conv"
                    yield f"{theirs}.branch2.{letter}_bn", f"{ours}.conv{position}.bn"
    for stage, ours in enumerate(("conv1", "layer1", "layer2", "layer3"), start=1):
        yield f"s{stage}_fuse.conv_f2s", f"slow_path.{ours}_lateral.conv"
        yield f"s{stage}_fuse.bn", f"slow_path.{ours}_lateral.bn"


def list_pytorchvideo_names() -> Iterator[tuple[str, str]]:
    """Yield (PyTorchVideo's name, MMAction2's) of each convolution and norm of a SlowFast R50."""
    for number, path in enumerate(("slow_path", "fast_path")):
        yield f"blocks.0.multipathway_blocks.{number}.conv", f"{path}.conv1.conv"
        yield f"blocks.0.multipathway_blocks.{number}.norm", f"{path}.conv1.bn"
        for stage, num_blocks in enumerate(BLOCKS_OF_R50, start=1):
            for block in range(num_blocks):
                theirs = f"blocks.{stage}.multipathway_blocks.{number}.res_blocks.{block}"
                ours = f"{path}.layer{stage}.{block}"
                if block == 0:
                    yield f"{theirs}.branch1_conv", f"{ours}.downsample.conv"
                    yield f"{theirs}.branch1_norm", f"{ours}.downsample.bn"
                for position, letter in enumerate("abc", start=1):
                    yield f"{theirs}.branch2.conv_{letter}", f"{ours}.conv{position}.conv"
                    yield f"{theirs}.branch2.norm_{letter}", f"{ours}.conv{position}.bn"
    for stage, ours in enumerate(("conv1", "layer1", "layer2", "layer3")):
        yield f"blocks.{stage}.multipathway_fusion.conv_fast_to_slow", f"slow_path.{ours}_lateral.conv"
        yield f"blocks.{stage}.multipathway_fusion.norm", f"slow_path.{ours}_lateral.bn"


def list_entries(project: str) -> Iterator[tuple[str, str]]:
    """Yield (the project's name, MMAction2's) of each entry of a SlowFast R50's state dict."""
    modules = list_pyslowfast_names() if project == "PySlowFast" else list_pytorchvideo_names()
    for theirs, ours in modules:
        for entry in ("weight",) if ours.endswith("conv") else NORM_ENTRIES:
            yield f"{theirs}.{entry}", f"backbone.{ours}.{entry}"
    head = "head.projection" if project == "PySlowFast" else "blocks.6.proj"
    for entry in ("weight", "bias"):
        yield f"{head}.{entry}", f"cls_head.fc_cls.{entry}"


def build_slowfast(**slow: Any) -> nn.Module:
    """Return a narrow SlowFast R50 with a head, its values random; by default its laterals are as PySlowFast's."""
    prepare_mmaction()
    from mmaction.models import Recognizer3D

    pathway: dict[str, Any] = {"type": "resnet3d", "depth": 50, "pretrained": None, "norm_eval": False}
    pathway |= {"conv1_stride_t": 1, "pool1_stride_t": 1}
    slow_pathway = pathway | {"lateral": True, "lateral_norm": True, "fusion_kernel": 7, "base_channels": 8}
    slow_pathway |= {"conv1_kernel": (1, 7, 7), "dilations": (1, 1, 1, 1), "inflate": (0, 0, 1, 1)} | slow
    backbone = {"type": "ResNet3dSlowFast", "pretrained": None, "resample_rate": 4, "speed_ratio": 4}
    backbone |= {"channel_ratio": 4, "slow_pathway": slow_pathway}
    backbone |= {"fast_pathway": pathway | {"lateral": False, "base_channels": 2, "conv1_kernel": (5, 7, 7)}}
    head = {"type": "SlowFastHead", "in_channels": (8 + 2) * 32, "num_classes": 5}
    preprocessor = {"type": "mmaction.ActionDataPreprocessor"}
    model: nn.Module = Recognizer3D(backbone=backbone, cls_head=head, data_preprocessor=preprocessor).eval()
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(0.5 + torch.rand_like(value))
    return model


def rename(model: nn.Module, project: str) -> dict[str, Tensor]:
    """Return a model's state dict as the project would have written it."""
    ours = model.state_dict()
    renamed = {theirs: ours[name].clone() for theirs, name in list_entries(project)}
    head = "head.projection.weight" if project == "PySlowFast" else "blocks.6.proj.weight"
    fast, slow = renamed[head][:, : 2 * 32], renamed[head][:, 2 * 32 :]
    renamed[head] = torch.cat((slow, fast), dim=1)
    return renamed


@pytest.mark.parametrize("project", ["PySlowFast", "PyTorchVideo"])
def test_slowfast_r50_of_another_project_is_loaded_whole(project: str) -> None:
    source, model = build_slowfast(), build_slowfast()
    weights = rename(source, project)
    # Both packages' own SlowFast R50 has 662 entries (pyslowfast 1.0, pytorchvideo 0.1.5).
    assert len(weights) == 662

    fitted = fit_pretrained(model, weights)

    assert (fitted.layout, fitted.backbone_share) == (project, 1)
    assert (fitted.adapted, fitted.remade, fitted.missing, fitted.unused) == ({}, (), (), ())
    for name, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_lateral_connections_of_another_kind_are_refused_with_the_edits_that_mend_it() -> None:
    weights = rename(build_slowfast(), "PyTorchVideo")

    with pytest.raises(CheckpointError, match="PyTorchVideo's SlowFast has other lateral connections") as raised:
        fit_pretrained(build_slowfast(lateral_norm=False, fusion_kernel=5), weights)

    assert "7 frames long and normalised, expected 5 frames, not normalised" in raised.value.message
    assert str(raised.value.hint).endswith(
        "--cfg-options model.backbone.slow_pathway.lateral_norm=True model.backbone.slow_pathway.fusion_kernel=7"
    )
    with pytest.raises(CheckpointError, match="7 frames long and normalised, expected 5 frames") as raised:
        fit_pretrained(build_slowfast(fusion_kernel=5), weights)
    assert "lateral_norm" not in str(raised.value.hint)


def test_slowfast_of_another_width_is_named_in_the_refusal() -> None:
    with pytest.raises(CheckpointError, match=r"only \d+% .* \(it holds PySlowFast's SlowFast\)"):
        fit_pretrained(build_slowfast(base_channels=4), rename(build_slowfast(), "PySlowFast"))


def test_mmaction2s_own_names_are_left_as_they_are() -> None:
    weights = build_slowfast().state_dict()

    layout, translated = translate_names(weights)

    assert layout is None
    assert translated == weights


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("blocks.0.conv.conv_t.weight", "PyTorchVideo's X3D"),
        ("blocks.0.conv.weight", "a PyTorchVideo network of one pathway"),
        ("s1.pathway0_stem.conv.weight", "a PySlowFast network of one pathway"),
        ("videomae.encoder.layer.0.attention.attention.query.weight", "a Transformers video model"),
        ("layer1.0.conv1.0.weight", "a torchvision video network"),
        ("layer1.0.conv1.weight", "a torchvision image network"),
        ("blocks.0.attn.qkv.weight", "a timm vision transformer"),
    ],
)
def test_networks_that_no_model_here_takes_are_named(name: str, words: str) -> None:
    assert recognise_foreign({name: torch.zeros(1)}) == words
    with pytest.raises(CheckpointError, match=f"it holds {words}"):
        fit_pretrained(build_slowfast(), {name: torch.zeros(1)})


def test_unknown_names_are_no_known_network() -> None:
    assert recognise_foreign({"backbone.conv1.conv.weight": torch.zeros(1)}) is None
