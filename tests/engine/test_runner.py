from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from thermalctl.engine.runner import ThermalRunner, build_runner, load_exactly, prepare_head
from thermalctl.engine.running.loop import seed_step
from thermalctl.errors import CheckpointError


@pytest.fixture
def runner(training: Any) -> ThermalRunner:
    return build_runner(training.prepare())


def test_runners_of_the_same_second_share_nothing(training: Any, runner: ThermalRunner, tmp_path: Any) -> None:
    other = build_runner(training.prepare())
    assert other.timestamp == runner.timestamp or other.timestamp > runner.timestamp
    assert other.message_hub is not runner.message_hub
    assert other.logger is not runner.logger
    other.message_hub.update_info("best_score", 0.9)
    assert runner.message_hub.get_info("best_score") is None


def test_configuration_given_is_not_changed(training: Any) -> None:
    cfg = training.prepare()
    before = cfg.pretty_text
    build_runner(cfg)
    assert cfg.pretty_text == before


def test_log_goes_to_a_file_in_the_work_dir_alone(runner: ThermalRunner, capfd: pytest.CaptureFixture[str]) -> None:
    runner.logger.info("a line of the log")
    logs = [path for path in training_files(runner) if path.endswith(".log")]
    assert len(logs) == 1
    assert "/" not in logs[0]
    assert capfd.readouterr() == ("", "")


def training_files(runner: ThermalRunner) -> list[str]:
    from pathlib import Path

    return [str(path.relative_to(runner.work_dir)) for path in Path(runner.work_dir).rglob("*") if path.is_file()]


def test_recognizer_is_found_inside_its_wrapper(runner: ThermalRunner) -> None:
    inner = runner.model
    assert runner.recognizer is inner
    wrapper = MODEL_WRAPPERS.module_dict["DataParallel"](inner)
    runner.model = wrapper
    assert runner.recognizer is inner


def test_wrapped_model_takes_pretrained_weights(runner: ThermalRunner, tmp_path: Any) -> None:
    weights = {name: torch.ones_like(value) for name, value in runner.model.state_dict().items()}
    torch.save(weights, tmp_path / "ones.pth")
    runner.model = MODEL_WRAPPERS.module_dict["DataParallel"](runner.model)
    runner.load_checkpoint(str(tmp_path / "ones.pth"))
    assert runner.fitted is not None
    assert runner.fitted.missing == ()
    assert all((value == 1).all() for value in runner.recognizer.state_dict().values())


class Head(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.bfloat16()


def test_scores_are_float32_whatever_the_head_computes_in() -> None:
    model = nn.Module()
    model.cls_head = Head()
    prepare_head(model)
    assert model.cls_head(torch.ones(2, 3)).dtype == torch.float32
    prepare_head(nn.Module())  # a model without a head has no scores


def make_model(num_classes: int = 3, width: int = 4) -> nn.Module:
    model = nn.Module()
    model.backbone = nn.Linear(2, width)
    model.cls_head = nn.Linear(width, num_classes)
    return model


def test_weights_that_fit_are_loaded() -> None:
    source, model = make_model(), make_model()
    load_exactly(model, {f"module.{name}": value for name, value in source.state_dict().items()}, "x.pth")
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (make_model(num_classes=5).state_dict(), r"x\.pth: was trained for 5 classes, the model has 3"),
        (make_model(width=6).state_dict(), r"x\.pth: backbone\.weight has shape \(6, 2\), the model's has \(4, 2\)"),
        (make_model().backbone.state_dict(), r"x\.pth: 6 weights are not in both the file and the model, first "),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_exactly(make_model(), weights, "x.pth")


def test_every_step_has_random_numbers_of_its_own() -> None:
    def draw(seed: int, step: int) -> tuple[float, ...]:
        seed_step(seed, step)
        return (random.random(), float(np.random.rand()), float(torch.rand(())))

    first, second, other = draw(1, 0), draw(1, 1), draw(2, 0)
    torch.rand(100)
    assert draw(1, 0) == first
    assert len({first, second, other}) == 3
