"""Training: from a configuration, a dataset and options to a work dir."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config

from thermalctl.engine.checkpoints import find_best, find_last
from thermalctl.engine.config_text import parse_config_text
from thermalctl.engine.events import Event, OnEvent, ValidationDone
from thermalctl.engine.hooks import EventHook, ProvenanceHook, StartHook
from thermalctl.engine.provenance import find_trained_dataset, record_run
from thermalctl.engine.resuming import EpochSeedHook, PatienceHook
from thermalctl.engine.runner import ThermalRunner, build_runner
from thermalctl.engine.summary import summarise_run
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.errors import CheckpointError, ConfigError, RequestError
from thermalctl.files import write_json
from thermalctl.weights.store import resolve_load_from

#: What is told of a run besides its checkpoints, for those who come later.
RUN_FILE = "run.json"


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A finished training.

    Attributes:
        work_dir: where it lies.
        epochs: how many were trained.
        stopped_early: whether early stopping ended it.
        last: metrics of the last validation, by MMAction2's keys, 0 to 1.
        best: metrics of the validation that chose the best checkpoint; where that was before the run was resumed, only
            the one that chose it.
        best_epoch: when that was.
        last_checkpoint: the newest checkpoint.
        best_checkpoint: the best one; None where none was chosen.
        seconds: how long it took.
    """

    work_dir: Path
    epochs: int
    stopped_early: bool
    last: Mapping[str, float]
    best: Mapping[str, float]
    best_epoch: int | None
    last_checkpoint: Path | None
    best_checkpoint: Path | None
    seconds: float


def choose_device(wanted: str | None) -> str:
    """Return the device to train on: the one wanted, else CUDA where there is one, else the CPU.

    Raises:
        RequestError: if the device is not there.
    """
    if wanted is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = wanted.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise RequestError(f"--device {wanted}: no such device", hint="cpu, cuda, or cuda:0 for the first GPU")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise RequestError(
            f"--device {wanted}: {torch.cuda.device_count()} GPUs are visible to torch {torch.__version__}",
            hint="thermalctl doctor says why; --device cpu works everywhere",
        )
    return wanted


def train(cfg: Config, *, on_event: OnEvent, command: Sequence[str] = ()) -> TrainResult:
    """Train and return what came out.

    Args:
        cfg: from `complete_config`; it is not changed.
        on_event: told how it goes.
        command: the command line, for the record.

    Raises:
        WeightsError: if the weights to start from are not there.
        CheckpointError: if they, or the checkpoint to resume from, do not fit.
        NotHeldError: if the model's scores stop being numbers.
    """
    cfg = copy.deepcopy(cfg)
    work_dir = Path(cfg.work_dir)
    cfg.load_from = find_start(cfg)
    started = time.monotonic()
    watch = _Watch(on_event)
    runner = build_runner(cfg)
    dataset = find_trained_dataset(cfg)
    record = record_run(runner, dataset, command)
    write_json(work_dir / RUN_FILE, {key: value for key, value in record.items() if key != "train_sample_ids"})
    runner.register_hook(EpochSeedHook())
    runner.register_hook(PatienceHook())
    runner.register_hook(ProvenanceHook(record))
    runner.register_hook(EventHook(watch))
    runner.register_hook(StartHook(lambda: watch(summarise_run(runner, dataset, work_dir=work_dir))))
    runner.train()
    best_checkpoint = find_best(work_dir)
    best, best_epoch = (watch.best.metrics, watch.best.epoch) if watch.best else _recall_best(runner, best_checkpoint)
    return TrainResult(
        work_dir=work_dir,
        epochs=runner.epoch,
        stopped_early=runner.iter < runner.max_iters,
        last=watch.last.metrics if watch.last else {},
        best=best,
        best_epoch=best_epoch,
        last_checkpoint=find_last(work_dir),
        best_checkpoint=best_checkpoint,
        seconds=time.monotonic() - started,
    )


def _recall_best(runner: ThermalRunner, checkpoint: Path | None) -> tuple[dict[str, float], int | None]:
    """Return the metric and the epoch of the best validation where that was before the run was resumed."""
    metric = runner.cfg.get("default_hooks", {}).get("checkpoint", {}).get("save_best")
    score = runner.message_hub.get_info("best_score")
    epoch = re.search(r"_epoch_(\d+)$", checkpoint.stem) if checkpoint else None
    if not isinstance(metric, str) or score is None or epoch is None:
        return {}, None
    return {metric: float(score)}, int(epoch[1])


def find_start(cfg: Config) -> str | None:
    """Return the file to begin from: weights, or the checkpoint to resume from; None to begin from random weights.

    Raises:
        RequestError: if the work dir holds another run, which would be overwritten, or nothing to resume from.
        CheckpointError: if what is to be resumed cannot be.
        ConfigError: if the length of a resumed run was changed: its schedule would go on as if it had not been.
        WeightsError: if the weights are not there or not what they claim to be.
    """
    last = find_last(Path(cfg.work_dir))
    wanted = cfg.get("load_from")
    if not cfg.resume:
        if last is not None:
            raise RequestError(
                f"{cfg.work_dir}: holds a run already (its last checkpoint is {last.name})",
                hint="--resume goes on with it; another --work-dir begins a new one",
            )
        weights = resolve_load_from(str(wanted)) if wanted else None
        return str(weights) if weights else None
    source = resolve_load_from(str(wanted)) if wanted else last
    if source is None:
        raise RequestError(
            f"--resume: {cfg.work_dir} holds no checkpoint", hint="leave --resume out to begin a new run"
        )
    _check_resumable(cfg, source)
    return str(source)


def _check_resumable(cfg: Config, source: Path) -> None:
    checkpoint = load_checkpoint_safely(source)
    if "optimizer" not in checkpoint:  # as in MMEngine's best_*.pth
        raise CheckpointError(
            f"{source}: holds weights without the optimizer's state, so the run cannot go on as it was",
            hint=f"begin a new run from it in another folder: --load-from {source} --work-dir DIR",
        )
    planned = parse_config_text(checkpoint.get("meta", {}).get("cfg", "")).get("train_cfg", {}).get("max_epochs")
    wanted = cfg.train_cfg.get("max_epochs")
    if planned is not None and planned != wanted:
        raise ConfigError(
            f"{source}: belongs to a run of {planned} epochs, but {wanted} are asked for",
            hint=f"resume with --epochs {planned}, or begin a new run from it: --load-from {source} --work-dir DIR",
        )


class _Watch:
    """Passes events on and remembers the last and the best validation."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self.last: ValidationDone | None = None
        self.best: ValidationDone | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, ValidationDone):
            self.last = event
            self.best = event if event.is_best else self.best
        self._on_event(event)
