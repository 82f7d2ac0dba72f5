from __future__ import annotations

import copy
import importlib.machinery
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.choices.watching import settle_backends
from thermalctl.engine.config import load_config
from thermalctl.engine.options import TrainOptions
from thermalctl.errors import ConfigError, RequestError
from thermalctl.evaluation.run_log import read_run_log

Complete = Callable[..., Config]
Compare = Callable[[Config, Config], dict[str, Any]]


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither board nor its settings, wherever the tests run."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)


class Standin(types.ModuleType):
    """A module that notes what is called of it, (name, arguments)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.config = types.SimpleNamespace(update=lambda *args, **kwargs: self.calls.append(("config", args, kwargs)))

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))

    def list_calls(self, name: str) -> list[tuple[Any, ...]]:
        return [args for called, args, _ in self.calls if called == name]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Standin]:
    def install(name: str) -> Standin:
        module = Standin(name)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return install


@pytest.fixture
def fresh(tiny: Config) -> Config:
    return copy.deepcopy(tiny)


def test_nothing_is_changed_unless_asked_for(
    fresh: Config, dataset: ThermalDataset, complete: Complete, compare: Compare
) -> None:
    assert compare(complete(fresh, dataset), complete(fresh, dataset, log_to=None, picture_every=None)) == {}


def test_none_writes_for_no_board(fresh: Config, dataset: ThermalDataset, complete: Complete, compare: Compare) -> None:
    changed = compare(complete(fresh, dataset), complete(fresh, dataset, log_to=["none"]))
    assert changed.pop("visualizer.vis_backends") == []
    assert set(changed.values()) == {"gone"}


def test_tensorboard_is_written_once_where_it_is_named_twice(
    fresh: Config, dataset: ThermalDataset, complete: Complete, compare: Compare
) -> None:
    cfg = complete(fresh, dataset, log_to=["tensorboard", "tensorboard"])
    assert compare(complete(fresh, dataset), cfg) == {}


def test_wandb_sends_nothing_unless_the_environment_says_so(
    fresh: Config,
    dataset: ThermalDataset,
    complete: Complete,
    install: Callable[[str], Standin],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install("wandb")
    (backend,) = complete(fresh, dataset, log_to=["wandb"]).visualizer.vis_backends
    assert backend["type"] == "thermalctl.engine.boards.WandbBackend"
    assert backend["init_kwargs"]["mode"] == "offline"
    monkeypatch.setenv("WANDB_MODE", "online")
    (backend,) = complete(fresh, dataset, log_to=["wandb"]).visualizer.vis_backends
    assert "mode" not in backend["init_kwargs"]


def test_mlflow_writes_a_database_or_for_the_server_of_the_environment(
    fresh: Config, dataset: ThermalDataset, install: Callable[[str], Standin], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("mlflow")
    fresh.visualizer.vis_backends = [{"type": "MLflowVisBackend"}]
    settle_backends(fresh, Path("/runs/one"))
    (backend,) = fresh.visualizer.vis_backends
    assert backend["tracking_uri"] == "sqlite:////runs/one/mlflow.db"
    assert backend["artifact_location"] == "/runs/one/mlflow"
    assert (backend["run_name"], backend["tracked_config_keys"]) == (
        "one",
        ["optim_wrapper", "train_cfg", "class_weights", "randomness"],
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://board:5000")
    fresh.visualizer.vis_backends = [{"type": "MLflowVisBackend"}]
    settle_backends(fresh, Path("/runs/one"))
    (backend,) = fresh.visualizer.vis_backends
    assert backend["tracking_uri"] == "http://board:5000"
    assert "artifact_location" not in backend


def test_place_that_the_configuration_names_is_kept(fresh: Config) -> None:
    fresh.visualizer.vis_backends = [{"type": "TensorboardVisBackend", "save_dir": "elsewhere"}]
    settle_backends(fresh, Path("/runs/one"))
    assert fresh.visualizer.vis_backends == [{"type": "TensorboardVisBackend", "save_dir": "elsewhere"}]


def test_pictures_are_a_hook_of_the_configuration(
    fresh: Config, dataset: ThermalDataset, complete: Complete, compare: Compare
) -> None:
    once = complete(fresh, dataset, picture_every=3)
    assert compare(complete(fresh, dataset), once) == {
        "custom_hooks": "gone",
        "custom_hooks.0.type": "thermalctl.engine.pictures.PictureHook",
        "custom_hooks.0.interval": 3,
    }
    again = complete(once, dataset, picture_every=0)
    assert [hook["interval"] for hook in again.custom_hooks] == [0]


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"log_to": ["wandb"]}, "--log-to wandb: wandb is not installed", "pip install wandb"),
        ({"log_to": ["tensorboard", "mlflow"]}, "--log-to mlflow: mlflow is not installed", "pip install mlflow"),
        ({"log_to": ["none", "tensorboard"]}, "--log-to none and --log-to tensorboard contradict", "leave one"),
        ({"log_to": ["clearml"]}, "--log-to clearml: no such board", "tensorboard, wandb, mlflow and none"),
        ({"picture_every": -1}, "--picture-every is -1", "every fifth"),
        ({"picture_every": 2, "log_to": ["none"]}, "--picture-every 2 and --log-to none contradict", "leave one"),
    ],
)
def test_impossible_choices_are_refused(values: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        TrainOptions(**values)
    assert hint in str(caught.value.hint)


def test_pictures_need_a_board(fresh: Config, dataset: ThermalDataset, complete: Complete) -> None:
    fresh.visualizer = None
    with pytest.raises(ConfigError, match="writes for no board that shows pictures"):
        complete(fresh, dataset, picture_every=2)


def test_scores_arrive_in_wandb_and_no_code_does(training: Any, install: Callable[[str], Standin]) -> None:
    wandb = install("wandb")
    training.run(log_to=["wandb"])
    ((_, (), started),) = [call for call in wandb.calls if call[0] == "init"]
    assert (started["mode"], started["project"], started["name"]) == ("offline", "thermalctl", "run")
    assert started["dir"] == str(training.work_dir)
    logged: dict[str, Any] = {}
    for (scalars,) in wandb.list_calls("log"):
        logged |= scalars
    done = read_run_log(training.work_dir).validations[0]
    assert logged["acc/top1"] == pytest.approx(done.metrics["acc/top1"])
    assert "loss" in logged
    ((sent,),) = wandb.list_calls("config")
    assert sent["model"]["cls_head"]["num_classes"] == 14
    assert {name for name, _, _ in wandb.calls} == {"init", "config", "log", "join"}


def test_scores_arrive_in_mlflow(training: Any, install: Callable[[str], Standin]) -> None:
    mlflow = install("mlflow")
    training.cfg = load_config("slowfast-tiny")
    training.run(log_to=["mlflow", "tensorboard"])
    done = read_run_log(training.work_dir).validations[0]
    (of_validation,) = [scalars for scalars, _ in mlflow.list_calls("log_metrics") if "acc/top1" in scalars]
    assert of_validation["acc/top1"] == pytest.approx(done.metrics["acc/top1"])
    assert any("loss" in scalars for scalars, _ in mlflow.list_calls("log_metrics"))
    assert (training.work_dir / "tf_logs").is_dir()
    assert mlflow.calls[-1][0] == "end_run"
