from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from thermalctl.benchmarking import contenders, stock, train_steps
from thermalctl.benchmarking.contenders import Contender
from thermalctl.benchmarking.train_steps import TrainSteps
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.engine.running.accumulating import WholeMean
from thermalctl.pipeline.clip_dataset import ClipDataset
from thermalctl.pipeline.preprocessor import ThermalDataPreprocessor

SLOW_S = 0.1


@pytest.fixture(scope="module")
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


def measure(contender: Contender, dataset: ThermalDataset, batch_size: int = 2) -> dict[str, float]:
    steps = TrainSteps(
        contender, dataset, device="cpu", threads=1, batch_size=batch_size, num_workers=0, num_steps=2, num_warmup=1
    )
    return steps.measure()


def slow_down(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """Make a method work for a tenth of a second longer; sleeping is no work."""
    original = getattr(owner, name)

    def slowed(*arguments: Any, **options: Any) -> Any:
        until = time.process_time() + SLOW_S
        while time.process_time() < until:
            pass
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, slowed)


@pytest.mark.parametrize(
    ("owner", "name", "slowed"),
    [
        (ClipDataset, "__getitem__", "wait_s"),
        (ThermalDataPreprocessor, "forward", "prepare_s"),
        (WholeMean, "update_params", "backward_s"),
    ],
)
def test_time_is_booked_where_it_is_spent(
    owner: Any,
    name: str,
    slowed: str,
    dataset: ThermalDataset,
    small: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # so that what other processes do does not count
    slow_down(monkeypatch, owner, name)
    overrides = {key: value for key, value in small.items() if "dataloader" not in key}
    found = measure(Contender(name="small", config="slowfast-tiny", overrides=overrides), dataset, batch_size=3)
    num_calls = 3 if slowed == "wait_s" else 1
    for part in ("wait_s", "prepare_s", "forward_s", "backward_s"):
        assert (found[part] >= num_calls * SLOW_S) == (part == slowed), found
    assert (found["step_s"] >= SLOW_S) == (slowed != "wait_s")
    assert 0 < found["convolution_share"] < 1
    assert found["peak_bytes"] >= 0


def test_stock_side_trains_with_mmengines_own_runner(dataset: ThermalDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    runners = []
    original = train_steps.Runner.from_cfg.__func__  # type: ignore[attr-defined]

    def from_cfg(cls: Any, cfg: Any) -> Any:
        runner = original(cls, cfg)
        runners.append(runner)
        return runner

    monkeypatch.setattr(train_steps.Runner, "from_cfg", classmethod(from_cfg))
    monkeypatch.setattr(stock, "INPUT_SIZE", (32, 48))
    found = measure(Contender(name=contenders.STOCK, config=None), dataset)
    assert type(runners[0]) is train_steps.Runner
    assert type(runners[0].model.data_preprocessor).__name__ == "ActionDataPreprocessor"
    assert type(runners[0].optim_wrapper).__module__.startswith("mmengine.")
    assert all(found[part] > 0 for part in ("wait_s", "step_s", "prepare_s", "forward_s", "backward_s"))
