from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from thermalctl.clip_spec import ClipSpec
from thermalctl.compat import prepare_mmaction
from thermalctl.errors import CheckpointError
from thermalctl.models.head_classes import HeadClasses
from thermalctl.models.pretrained import fit_pretrained, fold_rgb_stem, spread_gray_stem, strip_to_state_dict

prepare_mmaction()

import mmaction.models  # noqa: E402, F401
from mmaction.registry import MODELS  # noqa: E402

from thermalctl.pipeline.preprocessor import ClipTransform  # noqa: E402


class Recogniser(nn.Module):
    """A stem of `channels`, one layer more and a head, named as MMAction2 names them."""

    def __init__(self, channels: int = 3, num_classes: int = 4, width: int = 8) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv3d(channels, width, (1, 3, 3)), nn.BatchNorm3d(width), nn.Conv3d(width, width, 3)
        )
        self.cls_head = nn.Linear(width, num_classes)


def copy_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_unchanged(model: nn.Module, before: Mapping[str, Tensor]) -> None:
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def build_slowfast(in_channels: int) -> nn.Module:
    pathway: dict[str, Any] = {
        "type": "resnet3d",
        "depth": 18,
        "pretrained": None,
        "in_channels": in_channels,
        "conv1_stride_t": 1,
        "pool1_stride_t": 1,
        "norm_eval": False,
    }
    torch.manual_seed(0)
    backbone: nn.Module = MODELS.build(
        {
            "type": "ResNet3dSlowFast",
            "pretrained": None,
            "resample_rate": 4,
            "speed_ratio": 4,
            "channel_ratio": 4,
            "slow_pathway": pathway
            | {"lateral": True, "base_channels": 8, "conv1_kernel": (1, 7, 7), "inflate": (0, 0, 1, 1)},
            "fast_pathway": pathway | {"lateral": False, "base_channels": 2, "conv1_kernel": (5, 7, 7)},
        }
    )
    backbone.init_weights()
    recogniser = nn.Module()
    recogniser.backbone = backbone
    return recogniser


def test_three_equal_channels_and_the_folded_stem_give_the_same_features() -> None:
    colour, gray = build_slowfast(3), build_slowfast(1)
    torch.manual_seed(1)
    for value in colour.state_dict().values():  # weights that no symmetry helps
        if value.is_floating_point():
            value.add_(0.05 * torch.rand_like(value))
    fitted = fit_pretrained(gray, colour.state_dict())
    how = "RGB stem summed to one channel"
    assert fitted.adapted == {
        "backbone.fast_path.conv1.conv.weight": how,
        "backbone.slow_path.conv1.conv.weight": how,
    }
    assert fitted.backbone_share == 1
    clips_c = 15 + 20 * torch.rand(2, 16, 40, 60, generator=torch.Generator().manual_seed(2))
    spec: dict[str, Any] = {"classes": ("a", "b"), "num_frames": 16, "input_size": (64, 96)}
    spec |= {"mean": (114.495,), "std": (57.63,)}
    with torch.no_grad():
        three = colour.eval().backbone(ClipTransform(ClipSpec(channels="copy", **spec))(clips_c))
        one = gray.eval().backbone(ClipTransform(ClipSpec(channels="fold", **spec))(clips_c))
    for expected, found in zip(three, one, strict=True):
        assert expected.std() > 1e-3
        assert float((found - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("kernel", [(1, 7, 7), (7, 7)])
def test_folding_sums_and_spreading_divides(kernel: tuple[int, ...]) -> None:
    colour = torch.rand(8, 3, *kernel)
    folded = fold_rgb_stem(colour)
    assert folded.shape == (8, 1, *kernel)
    torch.testing.assert_close(folded[:, 0], colour[:, 0] + colour[:, 1] + colour[:, 2])
    spread = spread_gray_stem(folded)
    assert spread.shape == colour.shape
    torch.testing.assert_close(fold_rgb_stem(spread), folded)


def test_gray_weights_fit_a_colour_stem() -> None:
    gray, colour = Recogniser(channels=1), Recogniser(channels=3)
    assert fit_pretrained(colour, gray.state_dict()).adapted == {
        "backbone.0.weight": "one-channel stem spread over three"
    }
    clip = torch.rand(1, 1, 5, 8, 8)
    torch.testing.assert_close(
        colour.eval().backbone(clip.expand(-1, 3, -1, -1, -1)), gray.eval().backbone(clip), rtol=0, atol=1e-5
    )


def test_everything_that_fits_is_loaded() -> None:
    source, model = Recogniser(), Recogniser()
    fitted = fit_pretrained(model, source.state_dict())
    assert set(fitted.loaded) == set(model.state_dict())
    assert (fitted.adapted, fitted.remade, fitted.missing, fitted.unused) == ({}, (), (), ())
    assert_unchanged(model, source.state_dict())


def test_head_of_other_classes_is_new_and_the_rest_loaded() -> None:
    source, model = Recogniser(num_classes=400), Recogniser(num_classes=4)
    head = copy_state(model.cls_head)
    fitted = fit_pretrained(model, source.state_dict() | {"extra.weight": torch.zeros(1)})
    assert fitted.remade == ("cls_head.bias", "cls_head.weight")
    assert fitted.unused == ("extra.weight",)
    assert fitted.backbone_share == 1
    assert_unchanged(model.cls_head, head)
    assert_unchanged(model.backbone, source.backbone.state_dict())


def test_head_keeps_the_rows_of_the_classes_it_knows_by_name() -> None:
    """Three of the model's classes are known, in another order; one is new, one of the weights is dropped."""
    source, model = Recogniser(num_classes=4), Recogniser(num_classes=4)
    fresh = copy_state(model.cls_head)
    classes = HeadClasses(given=("sit", "stand", "walk", "fall"), wanted=("walk", "lean", "sit", "stand"))
    fitted = fit_pretrained(model, source.state_dict(), classes=classes)
    for name, found in model.cls_head.state_dict().items():
        given = source.cls_head.state_dict()[name]
        assert torch.equal(found, torch.stack((given[2], fresh[name][1], given[0], given[1])))
    how = "3 of 4 classes kept"
    assert fitted.adapted == {"cls_head.weight": how, "cls_head.bias": how}
    assert (fitted.remade, fitted.missing, fitted.unused) == ((), (), ())
    assert_unchanged(model.backbone, source.backbone.state_dict())


@pytest.mark.parametrize("more", [0, 2])
def test_head_of_added_classes_keeps_all_it_knew(more: int) -> None:
    source, model = Recogniser(num_classes=4), Recogniser(num_classes=4 + more)
    names = ("sit", "stand", "walk", "fall", "lean", "other")
    fitted = fit_pretrained(model, source.state_dict(), classes=HeadClasses(given=names[:4], wanted=names[: 4 + more]))
    assert torch.equal(model.cls_head.weight[:4], source.cls_head.weight)
    assert torch.equal(model.cls_head.bias[:4], source.cls_head.bias)
    how = f"4 of {4 + more} classes kept"
    assert fitted.adapted == ({"cls_head.weight": how, "cls_head.bias": how} if more else {})


@pytest.mark.parametrize("num_classes", [4, 5])
def test_head_of_other_classes_altogether_stays_as_initialised(num_classes: int) -> None:
    """Even where there are as many: rows of other classes are worth no more than random ones."""
    source, model = Recogniser(num_classes=4), Recogniser(num_classes=num_classes)
    fresh = copy_state(model.cls_head)
    classes = HeadClasses(given=("a", "b", "c", "d"), wanted=("v", "w", "x", "y", "z")[:num_classes])
    fitted = fit_pretrained(model, source.state_dict(), classes=classes)
    assert fitted.remade == ("cls_head.bias", "cls_head.weight")
    assert_unchanged(model.cls_head, fresh)


def test_head_of_other_features_stays_as_initialised() -> None:
    source, model = Recogniser(), Recogniser()
    weights = source.state_dict() | {"cls_head.weight": torch.zeros(3, 5), "cls_head.bias": torch.arange(3.0)}
    fitted = fit_pretrained(model, weights, classes=HeadClasses(given=("a", "b", "c"), wanted=("c", "b", "a", "new")))
    assert fitted.remade == ("cls_head.weight",)
    assert model.cls_head.bias[:3].tolist() == [2, 1, 0]


def test_names_of_a_wrapped_model_are_understood() -> None:
    source, model = Recogniser(), Recogniser()
    wrapped = {f"module.{name}": value for name, value in source.state_dict().items()}
    assert fit_pretrained(model, wrapped).unused == ()
    assert_unchanged(model, source.state_dict())


def test_model_under_other_names_is_not_fitted_in_silence() -> None:
    source, model = Recogniser(), Recogniser()
    wrapper = nn.Module()
    wrapper.module = model
    with pytest.raises(CheckpointError, match="0% of the backbone"):
        fit_pretrained(wrapper, source.state_dict())


def test_parameters_that_the_file_lacks_are_named() -> None:
    source, model = Recogniser(), Recogniser()
    weights = {name: value for name, value in source.state_dict().items() if not name.startswith("cls_head")}
    assert fit_pretrained(model, weights).missing == ("cls_head.bias", "cls_head.weight")


def test_weights_of_another_architecture_are_refused_and_change_nothing() -> None:
    model = Recogniser(width=8)
    before = copy_state(model)
    with pytest.raises(CheckpointError, match=r"only 0% of the backbone's weights .* unknown one is other\.0"):
        fit_pretrained(model, {"other.0": torch.zeros(3), "cls_head.weight": torch.zeros(4, 8)})
    with pytest.raises(CheckpointError, match="expected 90%") as caught:
        fit_pretrained(model, Recogniser(width=16).state_dict())
    assert "another architecture" in str(caught.value.hint)
    assert_unchanged(model, before)


def test_backbone_that_is_mostly_there_is_accepted() -> None:
    source, model = Recogniser(), Recogniser()
    weights = source.state_dict()
    del weights["backbone.0.bias"]  # 8 of 1,993 values
    fitted = fit_pretrained(model, weights)
    assert fitted.missing == ("backbone.0.bias",)
    total = sum(value.numel() for value in model.backbone.state_dict().values())
    assert fitted.backbone_share == pytest.approx(1 - 8 / total)


def test_state_dict_is_found_in_a_checkpoint_or_is_one() -> None:
    weights = {"a": torch.ones(1)}
    assert strip_to_state_dict({"state_dict": weights, "meta": {}}, "x.pth") == weights
    assert strip_to_state_dict({"model_state": weights, "cfg": "TRAIN: ..."}, "x.pyth") == weights
    assert strip_to_state_dict(weights, "x.pth") == weights


def test_each_part_of_the_model_is_counted() -> None:
    colour, gray = build_slowfast(3), build_slowfast(1)
    weights = colour.state_dict() | {"cls_head.fc_cls.weight": torch.zeros(400, 80)}
    del weights["backbone.slow_path.layer4.0.conv1.bn.weight"]

    groups = {group.name: group for group in fit_pretrained(gray, weights).groups}

    stages = ("conv1", "layer1", "layer2", "layer3", "layer4")
    laterals = [f"backbone.slow_path.{stage}_lateral" for stage in stages[:-1]]
    pathways = [f"backbone.{path}.{stage}" for path in ("slow_path", "fast_path") for stage in stages]
    assert set(groups) == {*laterals, *pathways, "cls_head"}
    stem = groups["backbone.slow_path.conv1"]  # its kernel, and five entries of its norm
    assert (stem.loaded, stem.adapted, stem.new, stem.unused) == (5, 1, 0, 0)
    last = groups["backbone.slow_path.layer4"]
    assert (last.adapted, last.new, last.unused) == (0, 1, 0)
    head = groups["cls_head"]
    assert (head.loaded, head.adapted, head.new, head.unused) == (0, 0, 0, 1)


@pytest.mark.parametrize("held", [{}, {"meta": {"epoch": 3}}, {"state_dict": {"a": 1}}, {"state_dict": 5}])
def test_checkpoint_without_weights_is_an_error(held: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"x\.pth: holds no weights"):
        strip_to_state_dict(held, "x.pth")
