"""Where a run is written besides its log."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mmengine.config import Config

from thermalctl.engine.choices.custom_hooks import set_hook
from thermalctl.errors import ConfigError, RequestError

LogTo = Literal["tensorboard", "wandb", "mlflow", "none"]

PICTURES = "thermalctl.engine.pictures.PictureHook"
#: MMEngine's backends, ours for one of them, and the package that each needs.
BACKENDS = {
    "tensorboard": ("TensorboardVisBackend", "tensorboard"),
    "wandb": ("thermalctl.engine.boards.WandbBackend", "wandb"),
    "mlflow": ("MLflowVisBackend", "mlflow"),
}
#: Under which runs are collected there.
PROJECT = "thermalctl"
#: What of a configuration MLflow shows as a run's parameters; all of it are more than a run may have.
TRACKED_KEYS = ("optim_wrapper", "train_cfg", "class_weights", "randomness")


@dataclass(frozen=True, kw_only=True)
class WatchingChoices:
    """Where a run is written besides its log; None leaves it as the configuration has it.

    Attributes:
        log_to: the boards that are written for, in place of the configuration's; "none" alone for none.
        picture_every: draw the confusion matrix and sample clips every so manieth validation; 0 never.
    """

    log_to: Sequence[LogTo] | None = None
    picture_every: int | None = None


def check_watching(choices: WatchingChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, two contradict each other, or a package is not installed.
    """
    names = tuple(choices.log_to or ())
    unknown = [name for name in names if name not in (*BACKENDS, "none")]
    if unknown:
        raise RequestError(f"--log-to {unknown[0]}: no such board", hint=f"there are {', '.join(BACKENDS)} and none")
    if "none" in names and set(names) != {"none"}:
        others = " ".join(f"--log-to {name}" for name in names if name != "none")
        raise RequestError(f"--log-to none and {others} contradict each other", hint="leave one of them out")
    for name in names:
        if name != "none" and importlib.util.find_spec(BACKENDS[name][1]) is None:
            package = BACKENDS[name][1]
            raise RequestError(f"--log-to {name}: {package} is not installed", hint=f"pip install {package}")
    if choices.picture_every is not None and choices.picture_every < 0:
        raise RequestError(
            f"--picture-every is {choices.picture_every}, expected a number of validations, 0 for no pictures",
            hint="leave it out for every fifth",
        )
    if choices.picture_every and names == ("none",):
        raise RequestError(
            f"--picture-every {choices.picture_every} and --log-to none contradict each other: nothing is drawn for",
            hint="leave one of them out",
        )


def apply_watching(cfg: Config, choices: WatchingChoices) -> None:
    """Change where a run is written.

    Raises:
        ConfigError: if there are to be pictures and there is nowhere to draw them.
    """
    if choices.log_to:
        backends = [_make_backend(name) for name in dict.fromkeys(choices.log_to) if name != "none"]
        cfg.visualizer = {"type": "Visualizer"} | dict(cfg.get("visualizer") or {}) | {"vis_backends": backends}
    if choices.picture_every is not None:
        if choices.picture_every and not list_backends(cfg):
            raise ConfigError(
                f"--picture-every {choices.picture_every}: this configuration writes for no board that shows pictures",
                hint="--log-to tensorboard",
            )
        set_hook(cfg, PICTURES, interval=choices.picture_every)


def list_backends(cfg: Config) -> list[Any]:
    """Return the backends of the configuration's visualizer."""
    backends = (cfg.get("visualizer") or {}).get("vis_backends") or []
    return [backends] if isinstance(backends, dict) else list(backends)


def settle_backends(cfg: Config, work_dir: Path) -> None:
    """Give each backend its place in the work dir, where the configuration does not say otherwise.

    Weights & Biases sends nothing unless $WANDB_MODE or $WANDB_API_KEY says so; `wandb sync` does later. MLflow writes
    a database, or for the server that $MLFLOW_TRACKING_URI names; as of 3.17 it refuses MMEngine's default, a folder.
    """
    for backend in list_backends(cfg):
        name = str(backend.get("type")).rpartition(".")[2]
        if name == "TensorboardVisBackend":
            backend.setdefault("save_dir", str(work_dir / "tf_logs"))
        elif name in ("WandbVisBackend", "WandbBackend"):
            backend.setdefault("save_dir", str(work_dir))
            backend.setdefault("init_kwargs", {}).setdefault("name", work_dir.name)
        elif name == "MLflowVisBackend":
            own = f"sqlite:///{(work_dir / 'mlflow.db').resolve()}"
            backend.setdefault("save_dir", str(work_dir / "mlflow"))
            backend.setdefault("tracking_uri", os.environ.get("MLFLOW_TRACKING_URI", own))
            backend.setdefault("run_name", work_dir.name)
            if backend["tracking_uri"] == own:
                backend.setdefault("artifact_location", str((work_dir / "mlflow").resolve()))
            backend.setdefault("tracked_config_keys", [key for key in TRACKED_KEYS if key in cfg])


def _make_backend(name: str) -> dict[str, Any]:
    backend: dict[str, Any] = {"type": BACKENDS[name][0]}
    if name == "wandb":
        is_asked_to_send = bool({"WANDB_MODE", "WANDB_API_KEY"} & os.environ.keys())
        silent = {"project": PROJECT, "settings": {"silent": True}}  # the screen is for the run's own lines
        backend["init_kwargs"] = silent if is_asked_to_send else {"mode": "offline"} | silent
    elif name == "mlflow":
        backend |= {"exp_name": PROJECT, "artifact_suffix": (".log", ".jsonl")}
    return backend
