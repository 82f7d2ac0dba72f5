from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from thermalctl.engine.config import load_config
from thermalctl.engine.events import RunStarted, StepDone
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.plan import find_config_copy
from thermalctl.errors import RequestError


def list_rates(training: Any) -> list[float]:
    return [event.lr for event in training.events if isinstance(event, StepDone)]


def take_up(training: Any) -> None:
    """Go on with the configuration that the run left in its folder, as `--resume` does."""
    training.cfg = load_config(str(find_config_copy(training.work_dir)))


def test_extended_run_goes_on_at_the_rates_of_a_run_planned_for_so_many(training: Any, tmp_path: Path) -> None:
    training.run(epochs=3)
    take_up(training)
    training.events.clear()
    assert training.run(epochs=None, resume=True, extend_epochs=2).epochs == 5
    extended = list_rates(training)
    (started,) = (event for event in training.events if isinstance(event, RunStarted))
    assert started.first_epoch == 4
    assert str(started.extension).startswith("extended to 5 epochs: the rate, which was ")
    training.work_dir = tmp_path / "planned"
    training.events.clear()
    training.run(epochs=5)
    assert extended == pytest.approx(list_rates(training)[-len(extended) :], rel=1e-9)


def test_interrupted_extension_goes_on_to_the_bit(
    training: Any, run_until: Any, assert_same_run: Any, tmp_path: Path
) -> None:
    training.run(epochs=2)
    take_up(training)
    whole, parts = training.work_dir, Path(shutil.copytree(training.work_dir, tmp_path / "parts"))
    run_until(epochs=None, resume=True, extend_epochs=2)
    training.work_dir = parts
    with pytest.raises(KeyboardInterrupt):
        run_until(step=(3, 4), epochs=None, resume=True, extend_epochs=2)
    take_up(training)
    run_until(epochs=None, resume=True)
    assert_same_run(parts / "epoch_4.pth", whole / "epoch_4.pth")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extend_epochs": 0, "resume": True}, "--extend-epochs is 0, expected 1 or more"),
        ({"extend_epochs": 2}, "--extend-epochs 2: there is no run to extend"),
        ({"extend_epochs": 2, "resume": True, "epochs": 5}, "--extend-epochs 2 and --epochs 5 contradict"),
        ({"save_every": -1}, "--save-every is -1, expected a number of steps"),
    ],
)
def test_impossible_choices_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        TrainOptions(**options)
