from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from thermalctl.engine.freezing import FreezeHook, FreezeNormHook, count_frozen_parts, list_frozen_parts
from thermalctl.errors import ConfigError


class Model(nn.Module):
    """A backbone of a stem and two stages, and a head, named as MMAction2 names them."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential()
        for name in ("conv1", "layer1", "layer2"):
            self.backbone.add_module(name, nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))
        self.cls_head = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cls_head(self.backbone(x)).square().mean()


def make_runner(model: nn.Module | None = None, *, recognizer: Model | None = None) -> Any:
    recognizer = recognizer or Model()
    logger = logging.getLogger("freezing")
    return SimpleNamespace(model=model or recognizer, recognizer=recognizer, epoch=0, max_epochs=100, logger=logger)


def begin_epoch(hook: Any, runner: Any, epoch: int) -> None:
    """What MMEngine's loop does before the first step of an epoch."""
    runner.epoch = epoch
    if isinstance(hook, FreezeHook):
        hook.before_train_epoch(runner)
    runner.model.train()
    hook.before_train_iter(runner, 0)


def list_learning(model: Model) -> set[str]:
    """Return the parts of which any parameter learns, having checked that all of it does or none."""
    parts = {
        name: {p.requires_grad for p in part.parameters()} for name, part in [*model.backbone.named_children()]
    } | {"head": {p.requires_grad for p in model.cls_head.parameters()}}
    assert all(len(found) == 1 for found in parts.values())
    return {name for name, found in parts.items() if found == {True}}


@pytest.mark.parametrize(
    ("every", "expected"),
    [(None, [3, 3, 0, 0, 0, 0, 0, 0]), (1, [3, 3, 2, 1, 0, 0, 0, 0]), (2, [3, 3, 2, 2, 1, 1, 0, 0])],
)
def test_stages_are_unfrozen_from_the_top(every: int | None, expected: list[int]) -> None:
    assert [count_frozen_parts(epoch, 3, epochs=2, unfreeze_every=every) for epoch in range(8)] == expected


def test_frozen_stages_neither_learn_nor_count(caplog: pytest.LogCaptureFixture) -> None:
    runner = make_runner()
    hook = FreezeHook(epochs=1, unfreeze_every=1)
    hook.before_train(runner)
    learning, counting = [], []
    with caplog.at_level(logging.INFO):
        for epoch in range(4):
            begin_epoch(hook, runner, epoch)
            learning.append(list_learning(runner.recognizer))
            children = runner.recognizer.backbone.named_children()
            counting.append({name for name, part in children if part[1].training})
    assert learning == [
        {"head"},
        {"head", "layer2"},
        {"head", "layer2", "layer1"},
        {"head", "layer2", "layer1", "conv1"},
    ]
    assert counting == [set(), {"layer2"}, {"layer2", "layer1"}, {"layer2", "layer1", "conv1"}]
    assert [record.message for record in caplog.records] == [
        "frozen from epoch 1: stem, stage 1, stage 2",
        "frozen from epoch 2: stem, stage 1",
        "frozen from epoch 3: stem",
        "frozen from epoch 4: nothing",
    ]


def test_lowest_stages_alone_are_frozen() -> None:
    runner = make_runner()
    hook = FreezeHook(epochs=1, stages=1)
    hook.before_train(runner)
    begin_epoch(hook, runner, 0)
    assert list_learning(runner.recognizer) == {"layer2", "head"}
    begin_epoch(hook, runner, 1)
    assert list_learning(runner.recognizer) == {"conv1", "layer1", "layer2", "head"}


def test_resumed_run_freezes_what_its_epoch_asks_for() -> None:
    runner = make_runner()
    hook = FreezeHook(epochs=1, unfreeze_every=1)
    hook.before_train(runner)
    begin_epoch(hook, runner, 2)
    assert list_learning(runner.recognizer) == {"head", "layer2", "layer1"}


def test_what_the_configuration_holds_still_is_not_unfrozen() -> None:
    runner = make_runner()
    runner.recognizer.backbone.conv1.requires_grad_(False)
    hook = FreezeHook(epochs=1)
    hook.before_train(runner)
    begin_epoch(hook, runner, 1)
    assert list_learning(runner.recognizer) == {"head", "layer2", "layer1"}


def test_backbone_of_unknown_stages_is_frozen_as_a_whole() -> None:
    recognizer = Model()
    recognizer.backbone = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    (part,) = list_frozen_parts(recognizer, None, by_stage=False)
    assert part.parameters == ("backbone.0.weight", "backbone.0.bias", "backbone.1.weight", "backbone.1.bias")
    with pytest.raises(ConfigError, match="stages of a Sequential are not known"):
        list_frozen_parts(recognizer, None, by_stage=True)


def test_more_stages_than_there_are_are_refused() -> None:
    assert len(list_frozen_parts(Model(), 2, by_stage=False)) == 3
    with pytest.raises(ConfigError, match="--freeze-stages is 3, but Sequential has 2"):
        list_frozen_parts(Model(), 3, by_stage=False)


def test_statistics_stay_while_scale_and_shift_learn() -> None:
    runner = make_runner()
    hook = FreezeNormHook()
    hook.before_train(runner)
    begin_epoch(hook, runner, 0)
    model = runner.recognizer
    before = {name: value.clone() for name, value in model.named_buffers()}
    model(torch.randn(8, 3, generator=torch.Generator().manual_seed(0))).backward()
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    norms = [part[1] for part in model.backbone]
    assert all(norm.weight.requires_grad and norm.weight.grad.abs().sum() > 0 for norm in norms)
    assert model.training
    assert model.backbone.conv1[0].training


def test_backbone_without_batch_normalisation_is_refused() -> None:
    runner = make_runner()
    runner.recognizer.backbone = nn.Linear(3, 3)
    with pytest.raises(ConfigError, match="--freeze-bn: Linear has no batch normalisation"):
        FreezeNormHook().before_train(runner)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    """A distributed training of this process alone."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
def test_distributed_training_freezes_and_unfreezes() -> None:
    recognizer = Model()
    wrapped = DistributedDataParallel(recognizer, find_unused_parameters=True)
    runner = make_runner(wrapped, recognizer=recognizer)
    hook = FreezeHook(epochs=1, unfreeze_every=1)
    hook.before_train(runner)
    learned = []
    for epoch in range(4):
        begin_epoch(hook, runner, epoch)
        for step in range(2):
            recognizer.zero_grad()
            wrapped(torch.randn(8, 3, generator=torch.Generator().manual_seed(step))).backward()
        children = [*recognizer.backbone.named_children(), ("head", recognizer.cls_head)]
        learned.append({name for name, part in children if all(p.grad is not None for p in part.parameters())})
    assert learned == [
        {"head"},
        {"head", "layer2"},
        {"head", "layer2", "layer1"},
        {"head", "layer2", "layer1", "conv1"},
    ]


@pytest.mark.usefixtures("process_group")
def test_distributed_training_that_would_wait_for_frozen_parameters_is_refused() -> None:
    recognizer = Model()
    runner = make_runner(DistributedDataParallel(recognizer), recognizer=recognizer)
    with pytest.raises(ConfigError, match="distributed training waits for the gradient of every one"):
        FreezeHook(epochs=1).before_train(runner)
