from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import list_shipped_configs, load_config
from thermalctl.engine.cost import measure_cost
from thermalctl.engine.events import RunStarted
from thermalctl.engine.restore import build_model, restore_model
from thermalctl.engine.score import score_split
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.models.pretrained import fit_pretrained
from thermalctl.models.small_frames import SmallFrameSlowFast
from thermalctl.weights.catalog import get_entry

prepare_mmaction()

import mmaction.models  # noqa: E402, F401  registers them
from mmaction.registry import MODELS  # noqa: E402

Complete = Callable[..., Config]

MMACTION = Path(str(importlib.metadata.distribution("mmaction2").locate_file("mmaction/.mim")))
NAMES = list_shipped_configs()
#: Quarter the width of what takes more than five seconds.
NARROW = {
    "model.backbone.slow_pathway.base_channels": 16,
    "model.backbone.fast_pathway.base_channels": 2,
    "model.cls_head.in_channels": 576,
}
HEAVY = {"slowfast-r101", "slowfast-r50-8x8"}
#: Trained from scratch: no weights that are published fit them.
FROM_SCRATCH = {"slowfast-tiny", "slowfast-small", "thermal-small"}
FINETUNED = [name for name in NAMES if name not in FROM_SCRATCH]
#: Two steps of two clips, and as few to be validated.
SHORT = {
    "train_dataloader.batch_size": 2,
    "train_dataloader.num_batch_per_epoch": 2,
    "val_dataloader.batch_size": 4,
    "val_dataloader.num_batch_per_epoch": 1,
    "default_hooks.checkpoint.interval": 1,
    "default_hooks.checkpoint.save_optimizer": False,
    "default_hooks.checkpoint.save_best": None,
}


def shorten(name: str) -> dict[str, Any]:
    """What makes of a shipped configuration one that trains in seconds."""
    size = (32, 64) if name == "uniformer-s" else (24, 32)
    frames = {"clip.num_frames": 8} if name.startswith(("slowfast", "thermal")) else {}
    return SHORT | frames | {"clip.input_size": size} | (NARROW if name in HEAVY else {})


@pytest.mark.parametrize("name", NAMES)
def test_shipped_configuration_trains_an_epoch_and_is_restored(
    name: str, dataset: ThermalDataset, training: Any
) -> None:
    training.cfg, training.overrides = load_config(name), shorten(name)
    cfg = training.prepare(load_from="none", num_workers=0)
    cost = measure_cost(cfg)
    result = training.run(load_from="none", num_workers=0)

    started = next(event for event in training.events if isinstance(event, RunStarted))
    assert started.num_parameters == cost.num_parameters > 0
    assert (cost.gmacs > 0, cost.activation_bytes > 0) == (True, True)
    losses = [event.loss for event in training.events if hasattr(event, "loss")]
    assert losses and np.isfinite(losses).all()
    assert result.epochs == 1

    restored = restore_model(result.last_checkpoint)
    trained = load_checkpoint_safely(result.last_checkpoint)["state_dict"]
    assert all(torch.equal(value, trained[key]) for key, value in restored.model.state_dict().items())
    scores = score_split(restored, dataset, "val", batch_size=12).scores
    assert scores.shape == (len(dataset.samples("val", cfg.clip.target)), 14)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_clips_of_shipped_configurations_last_about_as_long(name: str) -> None:
    clip = load_config(name).clip
    if clip.time_sampling == "uniform":
        assert clip.window_s == 10.0  # 64 frames of the real recordings span 9.3 to 14.7 s
    else:
        assert clip.num_frames == 64


@pytest.mark.parametrize("name", FINETUNED)
def test_finetuned_configuration_keeps_the_guides_recipe(name: str, r50: Config) -> None:
    cfg = load_config(name)
    for key in ("class_weights", "train_dataloader", "val_dataloader", "train_cfg", "default_hooks", "custom_hooks"):
        assert cfg[key] == r50[key], key
    assert cfg.model.data_preprocessor.augment == r50.model.data_preprocessor.augment
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys == {"backbone": {"lr_mult": 0.1}}
    assert cfg.load_from


@pytest.mark.parametrize("name", sorted(FROM_SCRATCH))
def test_configuration_without_weights_starts_from_random_ones(name: str) -> None:
    assert load_config(name).load_from is None


@pytest.mark.parametrize("name", FINETUNED)
def test_weights_of_the_catalog_are_for_the_model_that_starts_from_them(name: str) -> None:
    cfg = load_config(name)
    assert get_entry(cfg.load_from).config == name


@pytest.mark.parametrize("name", FINETUNED)
def test_statistics_are_those_that_the_weights_were_trained_with(name: str) -> None:
    """As MMAction2's own configurations of these models have them, in its installed copy."""
    clip = load_config(name).clip
    expected = {"x3d-s": ((114.75,), (57.38,)), "uniformer-s": ((114.75,), (57.375,))}
    imagenet = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    assert (clip.mean, clip.std) == expected.get(name, imagenet)


@pytest.mark.parametrize("name", FINETUNED)
def test_weights_fit_the_network_that_starts_from_them(name: str) -> None:
    """It is that of MMAction2's configuration, whose parameters the published file holds."""
    cfg = load_config(name)
    [path] = (MMACTION / "configs" / "recognition").glob(f"*/{get_entry(cfg.load_from).mmaction2_name}.py")
    published = Config.fromfile(path).model.backbone
    published.pretrained = None
    shapes = [
        {key: value.shape for key, value in MODELS.build(backbone).state_dict().items()}
        for backbone in (published, cfg.model.backbone | ({"num_segments": 8} if name == "tsm-r50" else {}))
    ]
    assert shapes[0] == shapes[1]


#: Much shallower networks with the same stems.
SHALLOW: dict[str, dict[str, Any]] = {
    "slowonly-r50": {"backbone.depth": 18, "cls_head.in_channels": 512},
    "tsm-r50": {"backbone.depth": 18, "cls_head.in_channels": 512},
    "x3d-s": {"backbone.gamma_d": 1},
    "uniformer-s": {"backbone.depth": [1, 1, 1, 1]},
}


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("slowonly-r50", "backbone.conv1.conv.weight"),
        ("tsm-r50", "backbone.conv1.conv.weight"),
        ("x3d-s", "backbone.conv1_s.conv.weight"),
        ("uniformer-s", "backbone.patch_embed1.proj.weight"),
    ],
)
def test_one_channel_answers_as_three_equal_ones_with_the_same_weights(
    name: str, stem: str, dataset: ThermalDataset, complete: Complete
) -> None:
    overrides = {f"model.{key}": value for key, value in SHALLOW[name].items()}
    overrides |= {"clip.input_size": (32, 64), "clip.num_frames": 4}
    grey = {"clip.mean": (110.0,), "clip.std": (30.0,), "clip.channels": "copy"}
    colour: Any = build_model(complete(load_config(name), dataset, overrides=overrides | grey))
    single: Any = build_model(
        complete(load_config(name), dataset, overrides=overrides | grey | {"clip.channels": "fold"})
    )
    fitted = fit_pretrained(single, colour.state_dict())
    assert fitted.adapted == {stem: "RGB stem summed to one channel"}
    assert (fitted.remade, fitted.missing, fitted.unused) == ((), (), ())
    clips = [22 + 3 * torch.rand(4, 16, 24) for _ in range(2)]
    with torch.no_grad():
        scores = []
        for model in (colour, single):
            features, arguments = model.extract_feat(model.data_preprocessor({"inputs": clips})["inputs"])
            scores.append(model.cls_head(features, **arguments))
    assert scores[0].std() > 1e-4
    torch.testing.assert_close(scores[1], scores[0], rtol=1e-4, atol=1e-6)


def test_small_frames_are_not_pooled_early(dataset: ThermalDataset, complete: Complete) -> None:
    backbone: Any = build_model(complete(load_config("slowfast-small"), dataset)).backbone
    assert isinstance(backbone, SmallFrameSlowFast)
    sizes = []
    for module in (backbone.fast_path.conv1, *[getattr(backbone.fast_path, f"layer{n}") for n in (1, 2, 3, 4)]):
        module.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[2:])))
    backbone.to("meta")(torch.empty((1, 1, 64, 40, 60), device="meta"))
    assert sizes == [(32, 40, 60), (32, 20, 30), (32, 10, 15), (32, 5, 8), (32, 3, 4)]


def test_pooling_is_left_out_only_where_it_is_asked_for() -> None:
    def build(**pathway: Any) -> SmallFrameSlowFast:
        torch.manual_seed(0)
        common = {"type": "resnet3d", "depth": 18, "pretrained": None, "conv1_stride_s": 1, "pool1_stride_s": 1}
        return SmallFrameSlowFast(
            channel_ratio=4,
            slow_pathway={**common, "lateral": True, "base_channels": 8, "conv1_kernel": (1, 3, 3), **pathway},
            fast_pathway={**common, "lateral": False, "base_channels": 2, "conv1_kernel": (3, 3, 3), **pathway},
        ).eval()

    clip = torch.rand(1, 3, 8, 6, 7)
    plain, pooled = build(with_pool1=False), build()
    assert plain.state_dict().keys() == pooled.state_dict().keys()
    with torch.no_grad():
        # The stem's output goes into the first stage as it is, or as the largest of each 3x3 neighbourhood.
        stem = plain.fast_path.conv1(clip)
        assert torch.equal(plain.fast_path.maxpool(stem), stem)
        expected = torch.nn.functional.max_pool3d(stem, (1, 3, 3), stride=1, padding=(0, 1, 1))
        assert torch.equal(pooled.fast_path.maxpool(stem), expected)
        assert not torch.equal(plain(clip)[1], pooled(clip)[1])


def test_attention_is_trained_with_adamw_and_the_backbone_with_a_tenth(
    dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = complete(load_config("uniformer-s"), dataset)
    model = build_model(cfg)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert type(optimizer).__name__ == "AdamW"
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == pytest.approx(2e-5 if name.startswith("backbone.") else 2e-4), name


def test_shipped_files_are_in_the_package() -> None:
    folder = Path(load_config("tsm-r50").filename).parent
    assert {path.stem.replace("_", "-") for path in folder.glob("*.py")} - {"--init--"} == set(NAMES)
