from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from thermalctl.engine.averaging import AveragingHook, RampedAverage, ramp_decay


class Model(nn.Module):
    """A parameter, running statistics and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)


def set_random_values(model: nn.Module, step: int) -> dict[str, np.ndarray]:
    """Give the model the values of a training step, and return them in float64."""
    generator = torch.Generator().manual_seed(step)
    for name, value in model.state_dict().items():
        value.fill_(step) if name.endswith("tracked") else value.copy_(torch.randn(value.shape, generator=generator))
    return copy_values(model)


def copy_values(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.double().numpy().copy() for name, value in model.state_dict().items()}


def test_decay_rises_to_its_limit() -> None:
    decays = [ramp_decay(0.9, step) for step in (0, 1, 8, 79, 80, 81, 1000)]
    assert decays == pytest.approx([0, 2 / 11, 9 / 18, 80 / 89, 81 / 90, 0.9, 0.9])


def test_average_of_some_steps_is_the_one_worked_out_by_hand() -> None:
    model = Model()
    average = RampedAverage(model, 0.5)
    seen = []
    for step in range(12):
        seen.append(set_random_values(model, step))
        average.update_parameters(model)
    expected = seen[0]
    for step in range(1, 12):
        kept = min(0.5, (1 + step) / (10 + step))
        expected = {name: kept * value + (1 - kept) * seen[step][name] for name, value in expected.items()}
    found = copy_values(average.module)
    for name in ("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)
    assert found["norm.num_batches_tracked"] == 11  # a counter is the latest, not an average


def test_weights_that_do_not_change_are_their_own_average_to_the_bit() -> None:
    model = Model()
    set_random_values(model, 3)
    average = RampedAverage(model, 0.999)
    for _ in range(20):
        average.update_parameters(model)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in average.module.state_dict().items())


@pytest.fixture
def run() -> Any:
    """A hook that has averaged three steps, and what a runner has of them."""
    runner = SimpleNamespace(recognizer=Model(), _resume=False, iter=0)
    hook = AveragingHook(decay=0.9)
    hook.before_run(runner)
    hook.before_train(runner)
    for step in range(3):
        set_random_values(runner.recognizer, step)
        hook.after_train_iter(runner, step)
    return SimpleNamespace(hook=hook, runner=runner)


def test_average_is_what_is_validated_and_tested(run: Any) -> None:
    latest, average = copy_values(run.runner.recognizer), copy_values(run.hook.ema_model.module)
    for begin, end in (("before_val_epoch", "after_val_epoch"), ("before_test_epoch", "after_test_epoch")):
        getattr(run.hook, begin)(run.runner)
        np.testing.assert_equal(copy_values(run.runner.recognizer), average)
        getattr(run.hook, end)(run.runner)
        np.testing.assert_equal(copy_values(run.runner.recognizer), latest)
    assert np.abs(average["norm.running_mean"] - latest["norm.running_mean"]).max() > 0.1


def test_saved_weights_are_the_average_and_a_resumed_run_goes_on_from_the_latest(run: Any) -> None:
    latest, average = copy_values(run.runner.recognizer), copy_values(run.hook.ema_model.module)
    checkpoint = {"state_dict": {name: value.clone() for name, value in run.runner.recognizer.state_dict().items()}}
    run.hook.before_save_checkpoint(run.runner, checkpoint)
    np.testing.assert_equal({name: v.double().numpy() for name, v in checkpoint["state_dict"].items()}, average)

    resumed = SimpleNamespace(recognizer=Model(), _resume=True, iter=3)
    hook = AveragingHook(decay=0.9)
    hook.before_run(resumed)
    hook.after_load_checkpoint(resumed, checkpoint)
    resumed.recognizer.load_state_dict(checkpoint["state_dict"])
    hook.before_train(resumed)
    np.testing.assert_equal(copy_values(resumed.recognizer), latest)
    for one in (run, SimpleNamespace(hook=hook, runner=resumed)):
        set_random_values(one.runner.recognizer, 7)
        one.hook.after_train_iter(one.runner, 3)
    np.testing.assert_equal(copy_values(hook.ema_model.module), copy_values(run.hook.ema_model.module))


def test_pretrained_weights_are_left_as_they_are_loaded(run: Any) -> None:
    checkpoint = {"model_state": {"norm.weight": torch.ones(3)}}
    run.hook.after_load_checkpoint(run.runner, checkpoint)
    assert list(checkpoint) == ["model_state"]
