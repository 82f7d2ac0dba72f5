from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import nn

from thermalctl.engine.summary import describe_device, describe_model, find_warmup, list_rates


def make_runner(rates: dict[str, float], **cfg: Any) -> Any:
    model = nn.ModuleDict({"backbone": nn.Linear(2, 2), "cls_head": nn.Linear(2, 2)})
    groups = [{"params": [p], "lr": rates.get(name, 0.1)} for name, p in model.named_parameters()]
    return SimpleNamespace(
        recognizer=model, optim_wrapper=OptimWrapper(torch.optim.SGD(groups, lr=0.1)), cfg=Config(cfg)
    )


def test_rate_of_each_part_is_listed_once() -> None:
    assert list_rates(make_runner({"backbone.weight": 0.01, "backbone.bias": 0.01})) == {
        "backbone": 0.01,
        "cls_head": 0.1,
    }


def test_part_of_several_rates_is_listed_with_each() -> None:
    assert list_rates(make_runner({"backbone.bias": 0.2})) == {
        "backbone (1)": 0.1,
        "backbone (2)": 0.2,
        "cls_head": 0.1,
    }


def test_full_rate_is_listed_while_it_still_rises() -> None:
    runner = make_runner({})
    for group in runner.optim_wrapper.optimizer.param_groups:
        group.update(lr=0.001, initial_lr=0.1)
    assert list_rates(runner) == {"backbone": 0.1, "cls_head": 0.1}


def test_warmup_is_counted_in_epochs() -> None:
    warmup = {"type": "LinearLR", "begin": 0, "end": 7, "by_epoch": True}
    assert find_warmup(make_runner({}, param_scheduler=[warmup, {"type": "CosineAnnealingLR"}])) == 7
    assert find_warmup(make_runner({}, param_scheduler=warmup)) == 7
    assert find_warmup(make_runner({}, param_scheduler=[warmup | {"by_epoch": False}])) == 0
    assert find_warmup(make_runner({})) == 0


def test_model_is_described_by_its_backbone() -> None:
    slowfast = {"type": "ResNet3dSlowFast", "slow_pathway": {"depth": 50}}
    assert describe_model({"type": "Recognizer3D", "backbone": slowfast}) == "ResNet3dSlowFast, depth 50"
    assert describe_model({"type": "Recognizer3D", "backbone": {"type": "X3D"}}) == "X3D"
    assert describe_model({"type": "Recognizer3D", "backbone": {"type": "R", "depth": 18}}) == "R, depth 18"
    assert describe_model({"type": "Own"}) == "Own"


@pytest.mark.parametrize(("num_threads", "text"), [(1, "CPU, 1 thread"), (3, "CPU, 3 threads")])
def test_processor_is_described_by_its_threads(num_threads: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: num_threads)
    assert describe_device(torch.device("cpu")) == text
