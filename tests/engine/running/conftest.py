from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from thermalctl.engine.events import StepDone, ValidationDone
from thermalctl.engine.train import TrainResult, train

#: What a checkpoint holds that decides how a run goes on.
STATE = ("state_dict", "optimizer", "param_schedulers")


def _flatten(node: Any, place: str = "") -> dict[str, Any]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else None
    if items is None:
        return {place: node}
    flat: dict[str, Any] = {}
    for key, inner in items:
        flat |= _flatten(inner, f"{place}.{key}")
    return flat


def _read_state(path: Path) -> dict[str, Any]:
    checkpoint = torch.load(path, weights_only=True)
    history = checkpoint["message_hub"]["log_scalars"]
    kept = {name: buffer.data[0].tolist() for name, buffer in history.items() if not name.endswith(("time", "memory"))}
    return _flatten({name: checkpoint[name] for name in STATE if name in checkpoint} | {"history": kept})


@pytest.fixture
def assert_same_run() -> Callable[[Path, Path], None]:
    """Assert that two checkpoints hold the same weights, optimizer, schedule and history, to the bit."""

    def check(found: Path, expected: Path) -> None:
        first, second = _read_state(found), _read_state(expected)
        assert first.keys() == second.keys()
        for name, value in second.items():
            same = torch.equal(first[name], value) if isinstance(value, torch.Tensor) else first[name] == value
            assert same, name

    return check


@pytest.fixture
def training(training: Any) -> Any:
    """A training of 6 steps an epoch, each of which is told."""
    training.overrides |= {"train_dataloader.batch_size": 2, "default_hooks.logger.interval": 1}
    return training


@pytest.fixture
def run_until(training: Any) -> Callable[..., TrainResult]:
    """Train as `training.run` does, and send this process a signal right after a step, or when a validation ends."""

    def run(*, step: tuple[int, int] | None = None, number: int = signal.SIGTERM, **options: Any) -> TrainResult:
        def tell(event: Any) -> None:
            training.events.append(event)
            if isinstance(event, StepDone) and (event.epoch, event.step) == step:
                signal.raise_signal(number)
            if isinstance(event, ValidationDone) and step == (event.epoch, 0):
                signal.raise_signal(number)

        return train(training.prepare(**options), on_event=tell)

    return run


@pytest.fixture(scope="session")
def _kept_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"folder": tmp_path_factory.mktemp("kept") / "run"}


@pytest.fixture
def trained_twice(training: Any, _kept_run: dict[str, Path]) -> Path:
    """The work dir of two epochs; never changed."""
    folder, own = _kept_run["folder"], training.work_dir
    if not folder.exists():
        training.work_dir = folder
        training.run(epochs=2)
        training.work_dir = own
    return folder
