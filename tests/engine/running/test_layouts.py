"""Other layouts and translations of a model compute the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from thermalctl.engine import runner
from thermalctl.engine.runner import lay_channels_last
from thermalctl.errors import RequestError


def read_weights(training: Any) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(training.work_dir / "epoch_1.pth", weights_only=True)["state_dict"]
    return weights


def test_convolutions_lie_channels_last() -> None:
    for convolution, size, layout in (
        (nn.Conv3d(3, 4, 3), (1, 3, 3, 4, 4), torch.channels_last_3d),
        (nn.Conv2d(3, 4, 3), (1, 3, 4, 4), torch.channels_last),
    ):
        model = nn.Module()
        model.backbone = nn.Sequential(convolution, nn.Flatten(0))
        lay_channels_last(model)
        assert convolution.weight.is_contiguous(memory_format=layout)
        given: list[torch.Tensor] = []
        convolution.register_forward_pre_hook(lambda module, inputs, given=given: given.extend(inputs))
        model.backbone(torch.zeros(size))
        assert given[0].is_contiguous(memory_format=layout)


@pytest.mark.parametrize(
    "options", [{"channels_last": True}, {"overrides": {"compile": {"backend": "eager"}}}], ids=["layout", "compiled"]
)
def test_training_comes_to_the_same(training: Any, tmp_path: Any, options: dict[str, Any]) -> None:
    training.run(epochs=1)
    plain, training.work_dir = read_weights(training), tmp_path / "other"
    training.run(epochs=1, **options)
    other = read_weights(training)
    assert other.keys() == plain.keys()
    for name, value in plain.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4)


def test_flag_compiles_the_backbone(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module, **options: told.append(options))
    training.run(epochs=1, compile=True)
    assert told == [{}]


def test_missing_compiler_is_told_before_the_first_step(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.shutil, "which", lambda name: None)
    with pytest.raises(RequestError, match="no C\\+\\+ compiler"):
        training.run(epochs=1, compile=True)
    assert not list(training.work_dir.glob("*.pth"))
