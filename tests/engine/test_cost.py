from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import nn

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import load_config
from thermalctl.engine.cost import ModelCost, find_input_shape, measure_cost
from thermalctl.errors import ConfigError

Complete = Callable[..., Config]


@pytest.fixture
def measure(dataset: ThermalDataset, complete: Complete) -> Callable[..., ModelCost]:
    def measure(name: str, **overrides: Any) -> ModelCost:
        values = {key.replace("__", "."): value for key, value in overrides.items()}
        return measure_cost(complete(load_config(name), dataset, overrides=values))

    return measure


#: MMAction2's own record (the metafile of each family): 10^9 multiply-adds, at the input that gives them.
#: UniFormer's from its paper: 167 for four clips (Li et al. 2022, https://arxiv.org/abs/2201.04676).
RECORDED = [
    ("slowfast-r50", 32, (256, 256), 36.3),
    ("slowfast-r50-8x8", 32, (256, 256), 66.1),
    pytest.param("slowfast-r101", 32, (256, 256), 126, marks=pytest.mark.slow),
    ("slowonly-r50", 8, (256, 256), 54.75),
    ("tsm-r50", 8, (224, 224), 32.88),
    ("uniformer-s", 16, (224, 224), 167 / 4),
    ("x3d-s", 13, (160, 160), 1.96),  # Feichtenhofer 2020, https://arxiv.org/abs/2004.04730
]


@pytest.mark.parametrize(("name", "num_frames", "size", "gmacs"), RECORDED)
def test_multiplications_agree_with_those_that_are_published(
    measure: Callable[..., ModelCost], name: str, num_frames: int, size: tuple[int, int], gmacs: float
) -> None:
    assert measure(name, clip__num_frames=num_frames, clip__input_size=size).gmacs == pytest.approx(gmacs, rel=0.015)


class Small(nn.Module):
    """Stands for a recognizer: a convolution, a ReLU in place, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, kernel_size=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.linear = nn.Linear(4, 5)

    def extract_feat(self, inputs: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        return self.relu(self.conv(inputs[:, 0])).mean(dim=(2, 3, 4)), {}

    def cls_head(self, features: torch.Tensor) -> torch.Tensor:
        return self.linear(features)


@pytest.mark.parametrize(
    ("optimizer", "copies"),
    [
        ({"type": "SGD"}, 2),
        ({"type": "SGD", "momentum": 0.9}, 3),
        ({"type": "AdamW"}, 4),
    ],
)
def test_cost_of_a_model_counted_by_hand(
    monkeypatch: pytest.MonkeyPatch, optimizer: dict[str, Any], copies: int
) -> None:
    monkeypatch.setattr("thermalctl.engine.cost.build_model", lambda cfg: Small())
    cost = measure_cost(Config({"model": {}, "optim_wrapper": {"optimizer": optimizer}}), (1, 3, 2, 6, 7))
    places = 2 * 6 * 7
    assert cost.num_parameters == 3 * 4 + 4 * 5 + 5
    assert cost.gmacs == pytest.approx((places * 3 * 4 + 4 * 5) / 1e9)
    # Kept are the input of the convolution, the ReLU's result, and the input of the linear layer.
    assert cost.activation_bytes == 4 * (places * 3 + places * 4 + 4)
    assert cost.fixed_bytes == copies * 4 * cost.num_parameters
    assert cost.estimate_step_bytes(8) == cost.fixed_bytes + 8 * cost.activation_bytes


def test_parameters_and_memory_are_those_of_the_model_that_runs(
    measure: Callable[..., ModelCost], tiny: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    from thermalctl.engine.restore import build_model

    cfg = complete(tiny, dataset)
    model: Any = build_model(cfg).train()
    cost = measure("slowfast-tiny")
    assert cost.num_parameters == sum(parameter.numel() for parameter in model.parameters())
    kept: dict[int, torch.Tensor] = {}
    own = {parameter.data_ptr() for parameter in (*model.parameters(), *model.buffers())}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.cls_head(model.extract_feat(torch.rand(1, *cost.input_shape))[0])
    counted = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    assert cost.activation_bytes == pytest.approx(counted, rel=0.01)


def test_cost_grows_with_the_clip(measure: Callable[..., ModelCost]) -> None:
    whole, half = measure("slowfast-tiny"), measure("slowfast-tiny", clip__num_frames=32)
    assert half.gmacs == pytest.approx(whole.gmacs / 2, rel=0.01)
    assert half.activation_bytes == pytest.approx(whole.activation_bytes / 2, rel=0.01)
    assert (half.num_parameters, half.fixed_bytes) == (whole.num_parameters, whole.fixed_bytes)


def test_input_is_what_the_preprocessor_makes_of_a_clip(dataset: ThermalDataset, complete: Complete) -> None:
    shapes = {name: find_input_shape(complete(load_config(name), dataset).model) for name in ("tsm-r50", "x3d-s")}
    assert shapes == {"tsm-r50": (8, 3, 256, 384), "x3d-s": (1, 3, 13, 160, 240)}


def test_configuration_is_not_changed(tiny: Config, dataset: ThermalDataset, complete: Complete) -> None:
    cfg = complete(tiny, dataset)
    before = copy.deepcopy(cfg)
    measure_cost(cfg)
    assert cfg.to_dict() == before.to_dict()


def test_input_of_a_users_configuration_has_to_be_named(users_config: Path) -> None:
    cfg = load_config(str(users_config))
    with pytest.raises(ConfigError, match="does not say the shape of its model's input"):
        measure_cost(cfg)
    assert measure_cost(cfg, (1, 3, 8, 16, 24)).input_shape == (1, 3, 8, 16, 24)
