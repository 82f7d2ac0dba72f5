from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict

from thermalctl.clip_spec import ClipSpec
from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.architecture import (
    CHANNEL_KEYS,
    COUNTING,
    RGB_ONLY,
    fit_architecture,
    set_input_channels,
)
from thermalctl.engine.config import list_shipped_configs, load_config
from thermalctl.engine.cost import find_input_shape
from thermalctl.engine.restore import build_model
from thermalctl.errors import ConfigError

prepare_mmaction()

import mmaction.models  # noqa: E402, F401  registers them
from mmaction.registry import MODELS  # noqa: E402

Complete = Callable[..., Config]

NAMES = list_shipped_configs()
SLOWFASTS = [name for name in NAMES if name.startswith("slowfast")]
#: The first convolution of each kind of backbone.
STEMS = {
    "slowonly-r50": ["backbone.conv1.conv"],
    "x3d-s": ["backbone.conv1_s.conv"],
    "tsm-r50": ["backbone.conv1.conv"],
    "uniformer-s": ["backbone.patch_embed1.proj"],
}
FOLD = {"clip.channels": "fold", "clip.mean": (110.0,), "clip.std": (30.0,)}


def make_spec(**values: Any) -> ClipSpec:
    return ClipSpec(classes=("a", "b"), **values)


def load_model(name: str, **values: Any) -> Any:
    """Return the model of a shipped configuration, with values by dotted key below it."""
    cfg = copy.deepcopy(load_config(name))
    cfg.merge_from_dict({f"model.{key}": value for key, value in values.items()})
    return cfg.model


def find_class(name: str) -> type:
    found: type = MODELS.get(name)
    return found


def list_parameters(owner: type) -> set[str]:
    """The parameters of a class's constructor, and of its bases' where it passes on what it does not know."""
    names: set[str] = set()
    for base in inspect.getmro(owner):
        if "__init__" in vars(base) and base is not object:
            parameters = inspect.signature(base.__init__).parameters.values()
            names |= {parameter.name for parameter in parameters}
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
                break
    return names


@pytest.mark.parametrize("name", [*sorted(RGB_ONLY), "UniFormer", "X3D", "ResNetTSM", "ResNet3dSlowOnly", "MViT"])
def test_key_of_the_stems_channels_is_a_parameter_of_the_backbone(name: str) -> None:
    parameters = list_parameters(find_class(name))
    assert (CHANNEL_KEYS.get(name, "in_channels") in parameters) == (name not in RGB_ONLY)


@pytest.mark.parametrize("name", [*sorted(COUNTING), "ResNet3dSlowOnly", "UniFormer", "I3DHead", "TSNHead"])
def test_models_that_count_frames_are_those_with_a_parameter_for_it(name: str) -> None:
    assert ("num_segments" in list_parameters(find_class(name))) == (name in COUNTING)


@pytest.mark.parametrize(
    "name", [pytest.param("slowfast-r101", marks=pytest.mark.slow), *sorted({*NAMES} - {"slowfast-r101"})]
)
def test_every_shipped_model_takes_32_frames_of_one_channel(
    name: str, dataset: ThermalDataset, complete: Complete
) -> None:
    size = (32, 64) if name == "uniformer-s" else (11, 13)
    cfg = complete(load_config(name), dataset, frames=32, overrides=FOLD | {"clip.input_size": size})
    model: Any = build_model(cfg).to("meta")
    stems = STEMS.get(name, ["backbone.slow_path.conv1.conv", "backbone.fast_path.conv1.conv"])
    assert [model.get_submodule(stem).weight.shape[1] for stem in stems] == [1] * len(stems)
    features, arguments = model.extract_feat(torch.empty((1, *find_input_shape(cfg.model)), device="meta"))
    assert model.cls_head(features, **arguments).shape == (1, 14)


def test_frames_of_a_clip_reach_backbone_and_head_of_tsm(dataset: ThermalDataset, complete: Complete) -> None:
    tsm = load_config("tsm-r50")
    assert [complete(tsm, dataset).model[part].num_segments for part in ("backbone", "cls_head")] == [8, 8]
    assert [complete(tsm, dataset, frames=12).model[part].num_segments for part in ("backbone", "cls_head")] == [12, 12]


def test_other_number_of_frames_for_tsm_is_refused(dataset: ThermalDataset, complete: Complete) -> None:
    with pytest.raises(ConfigError, match=r"model\.backbone\.num_segments=4: the dataset or a flag decides this key"):
        complete(load_config("tsm-r50"), dataset, overrides={"model.backbone.num_segments": 4})


def test_backbone_made_for_rgb_is_not_given_one_channel() -> None:
    backbone = ConfigDict(type="mmaction.C3D")
    set_input_channels(backbone, 3)
    assert backbone == {"type": "mmaction.C3D"}
    with pytest.raises(ConfigError, match=r"a C3D takes clips of 3 channels, and these have 1") as caught:
        set_input_channels(backbone, 1)
    assert "--channels copy" in str(caught.value.hint)


def test_stem_that_was_folded_goes_back_to_three_channels() -> None:
    backbone = ConfigDict(type="UniFormer")
    set_input_channels(backbone, 1)
    assert backbone.in_chans == 1
    set_input_channels(backbone, 3)
    assert backbone.in_chans == 3


@pytest.mark.parametrize("name", SLOWFASTS)
def test_frames_that_the_slow_pathway_cannot_share_out_are_refused(name: str) -> None:
    rate = load_config(name).model.backbone.resample_rate
    with pytest.raises(ConfigError, match=rf"clip\.num_frames is 30, expected a multiple of .* resample_rate, {rate}"):
        fit_architecture(load_model(name), make_spec(num_frames=30))


def test_hint_names_the_nearest_length_that_fits() -> None:
    for num_frames, fitting in ((30, 32), (3, 8), (65, 64)):
        with pytest.raises(ConfigError) as caught:
            fit_architecture(load_model("slowfast-r50"), make_spec(num_frames=num_frames))
        assert caught.value.hint == f"--frames {fitting}"
        fit_architecture(load_model("slowfast-r50"), make_spec(num_frames=fitting))


@pytest.mark.parametrize(("rate", "ratio", "fitting"), [(8, 3, 2), (8, 16, 8), (4, 0, 1), (0, 8, None)])
def test_pathways_whose_frames_do_not_meet_are_refused(rate: int, ratio: int, fitting: int | None) -> None:
    model = load_model("slowfast-r50", **{"backbone.resample_rate": rate, "backbone.speed_ratio": ratio})
    with pytest.raises(ConfigError, match=f"has resample_rate {rate} and speed_ratio {ratio}, expected") as caught:
        fit_architecture(model, make_spec())
    if fitting is not None:
        assert caught.value.hint == f"model.backbone.speed_ratio={fitting}"
        model.backbone.speed_ratio = fitting
        fit_architecture(model, make_spec())


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        (
            {"backbone.slow_pathway.base_channels": 32},
            r"fast_pathway\.base_channels is 8, expected 4: that of the slow pathway, 32, by channel_ratio, 8",
            "model.backbone.slow_pathway.base_channels=64 fits it too",
        ),
        (
            {"backbone.slow_pathway.base_channels": 32, "backbone.fast_pathway.base_channels": 4},
            r"cls_head\.in_channels is 2304, but both pathways together give 1152 features",
            "model.cls_head.in_channels=1152",
        ),
        (
            {"backbone.slow_pathway.depth": 18, "backbone.fast_pathway.depth": 34},
            r"cls_head\.in_channels is 2304, but both pathways together give 576 features",
            "model.cls_head.in_channels=576",
        ),
        (
            {"backbone.slow_pathway.depth": 34},
            "the slow pathway has depth 34, the fast one 50, expected blocks of one kind",
            "model.backbone.fast_pathway.depth=34",
        ),
    ],
)
def test_width_that_does_not_fit_is_refused_with_the_one_that_does(
    values: dict[str, int], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        fit_architecture(load_model("slowfast-r50", **values), make_spec())
    assert caught.value.hint == hint


@pytest.mark.parametrize(("depth", "features"), [(18, 72), (34, 72), (50, 288), (101, 288)])
def test_features_of_a_slowfast_are_counted_as_its_backbone_makes_them(depth: int, features: int) -> None:
    values = {f"backbone.{path}_pathway.depth": depth for path in ("slow", "fast")}
    values |= {"backbone.slow_pathway.base_channels": 8, "backbone.fast_pathway.base_channels": 1}
    model = load_model("slowfast-r50", **values, **{"cls_head.in_channels": features, "cls_head.num_classes": 2})
    fit_architecture(model, make_spec())
    backbone: Any = MODELS.build(model.backbone).to("meta").eval()
    slow, fast = backbone(torch.empty((1, 3, 8, 32, 32), device="meta"))
    assert slow.shape[1] + fast.shape[1] == features


@pytest.mark.parametrize(("size", "fitting"), [((40, 60), "32x64"), ((256, 380), "256x384"), ((7, 32), "32x32")])
def test_picture_that_patches_would_cut_is_refused(size: tuple[int, int], fitting: str) -> None:
    with pytest.raises(ConfigError, match="expected multiples of 32: the patches of a UniFormer leave") as caught:
        fit_architecture(load_model("uniformer-s"), make_spec(num_frames=16, input_size=size))
    assert caught.value.hint == f"--input-size {fitting}"
    fit_architecture(
        load_model("uniformer-s"), make_spec(num_frames=16, input_size=tuple(map(int, fitting.split("x"))))
    )


def test_patches_of_uniformer_do_leave_out_what_does_not_fill_them() -> None:
    backbone: Any = find_class("UniFormer")(depth=[1, 1, 1, 1], embed_dim=[8, 8, 64, 64], pretrained2d=False).eval()
    clip = torch.rand(1, 3, 2, 32, 32)
    with torch.no_grad():
        wider = torch.cat((clip, torch.rand(1, 3, 2, 32, 3)), dim=4)
        assert torch.equal(backbone(wider), backbone(clip))
        assert [backbone(torch.rand(1, 3, 2, 32, width)).shape[-1] for width in (32, 63, 64, 96)] == [1, 1, 2, 3]


def test_recognizer_of_images_is_not_given_clips(dataset: ThermalDataset, complete: Complete) -> None:
    with pytest.raises(ConfigError, match="layout is 'clip', expected 'images' for a Recognizer2D") as caught:
        complete(load_config("tsm-r50"), dataset, overrides={"model.data_preprocessor.layout": "clip"})
    assert caught.value.hint == "model.data_preprocessor.layout=images"
    with pytest.raises(ConfigError, match="layout is 'images', expected 'clip' for a Recognizer3D"):
        complete(load_config("x3d-s"), dataset, overrides={"model.data_preprocessor.layout": "images"})
