"""Training: from a configuration, a dataset and options to a work dir."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process

from thermalctl.engine.checkpoints import find_best, find_last
from thermalctl.engine.choices.custom_hooks import find_hooks
from thermalctl.engine.choices.watching import PICTURES
from thermalctl.engine.diagnosis import Diagnosis
from thermalctl.engine.diagnosis_hook import DiagnosisHook, LabelHook, describe_circumstances
from thermalctl.engine.events import Event, Finding, OnEvent, RunStarted, ValidationDone
from thermalctl.engine.hooks import EventHook, ProvenanceHook, StartHook, find_log_interval
from thermalctl.engine.monitoring import MetricsLog
from thermalctl.engine.pictures import PictureHook
from thermalctl.engine.provenance import SAMPLES, find_trained_dataset, record_run
from thermalctl.engine.runner import ThermalRunner, build_runner
from thermalctl.engine.running.allocator import keep_freed_memory
from thermalctl.engine.running.distributed import LAUNCHERS, find_place, joined_group
from thermalctl.engine.running.memory import has_room_to_keep, telling_full_memory
from thermalctl.engine.running.resuming import PatienceHook, ValidatedHook
from thermalctl.engine.running.saving import StepCheckpointHook
from thermalctl.engine.running.signals import noting_signals
from thermalctl.engine.running.storage import telling_full_disk
from thermalctl.engine.starting import find_start
from thermalctl.engine.summary import summarise_run
from thermalctl.errors import RequestError
from thermalctl.evaluation.run_log import read_run_log
from thermalctl.evaluation.runs import RUN_FILE
from thermalctl.files import write_json


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
        findings: what was wrong with how it went, before it was resumed too.
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
    findings: tuple[Finding, ...] = ()


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
        DatasetError: if a label is none of the model's classes.
        NotHeldError: if the model's weights or scores stop being numbers.
        RequestError: if this process was launched among several, and has no GPU of its own.
    """
    cfg = copy.deepcopy(cfg)
    asked = cfg.get("launcher")  # of a finished run's configuration, what MMEngine was told
    place = find_place(asked if asked in LAUNCHERS else None)
    cfg.launcher = "pytorch" if place else "none"  # to MMEngine's runner: the group is there
    with joined_group(place, cfg.device):
        return _train(cfg, on_event=on_event, command=command)


def _train(cfg: Config, *, on_event: OnEvent, command: Sequence[str]) -> TrainResult:
    work_dir = Path(cfg.work_dir)
    cfg.load_from = find_start(cfg)
    began = time.monotonic()
    if cfg.device == "cpu" and has_room_to_keep(cfg):
        keep_freed_memory()
    runner = build_runner(cfg)
    dataset = find_trained_dataset(cfg)
    record = record_run(runner, dataset, command)
    if is_main_process():
        write_json(work_dir / RUN_FILE, {key: value for key, value in record.items() if key not in SAMPLES})
    with MetricsLog(work_dir, log_interval=find_log_interval(runner)) as log, _closing_boards(runner):
        watch = _Watch(runner, log, on_event)
        runner.register_hook(LabelHook())
        runner.register_hook(PatienceHook())
        runner.register_hook(ValidatedHook())
        runner.register_hook(ProvenanceHook(record))
        runner.register_hook(StartHook(lambda: watch(summarise_run(runner, dataset, work_dir=work_dir))))
        runner.register_hook(EventHook(watch))
        runner.register_hook(DiagnosisHook(watch.begin_diagnosis, watch))
        if not find_hooks(cfg, PICTURES):
            runner.register_hook(PictureHook())
        with noting_signals() as request, telling_full_disk(work_dir), telling_full_memory(cfg):
            runner.register_hook(StepCheckpointHook(cfg.get("save_every", 0), request))
            runner.train()
        stopped_early = runner.iter < runner.max_iters
        log.note_end(epochs=runner.epoch, stopped_early=stopped_early)
    best_checkpoint = find_best(work_dir)
    best, best_epoch = (watch.best.metrics, watch.best.epoch) if watch.best else _recall_best(runner, best_checkpoint)
    return TrainResult(
        work_dir=work_dir,
        epochs=runner.epoch,
        stopped_early=stopped_early,
        last=watch.last.metrics if watch.last else {},
        best=best,
        best_epoch=best_epoch,
        last_checkpoint=find_last(work_dir),
        best_checkpoint=best_checkpoint,
        seconds=time.monotonic() - began,
        findings=tuple(watch.findings),
    )


def _recall_best(runner: ThermalRunner, checkpoint: Path | None) -> tuple[dict[str, float], int | None]:
    """Return the metric and the epoch of the best validation where that was before the run was resumed."""
    metric = runner.cfg.get("default_hooks", {}).get("checkpoint", {}).get("save_best")
    score = runner.message_hub.get_info("best_score")
    epoch = re.search(r"_epoch_(\d+)$", checkpoint.stem) if checkpoint else None
    if not isinstance(metric, str) or score is None or epoch is None:
        return {}, None
    return {metric: float(score)}, int(epoch[1])


@contextmanager
def _closing_boards(runner: ThermalRunner) -> Iterator[None]:
    """Write out what the visualizer holds back when a run is stopped; MMEngine does where it ends by itself."""
    try:
        yield
    except BaseException:
        runner.visualizer.close()
        raise


class _Watch:
    """Passes events on to the run's logs and to whoever shows them, and remembers what the result is made of."""

    def __init__(self, runner: ThermalRunner, log: MetricsLog, on_event: OnEvent) -> None:
        self._runner = runner
        self._log = log
        self._on_event = on_event
        self._started: RunStarted | None = None
        self.last: ValidationDone | None = None
        self.best: ValidationDone | None = None
        self.findings: list[Finding] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, ValidationDone):
            self.last = event
            self.best = event if event.is_best else self.best
        elif isinstance(event, Finding):
            self.findings.append(event)
            self._runner.logger.warning(f"{event.topic}: {event.text}; try {event.advice}")
        self._log(event)
        self._on_event(event)

    def begin_diagnosis(self) -> Diagnosis:
        """Return the diagnosis of the run that has just started; of one that is resumed, with all it knew."""
        assert self._started is not None
        diagnosis = Diagnosis(describe_circumstances(self._runner.cfg, self._started))
        if self._started.is_resumed:
            before = read_run_log(self._started.work_dir)
            self.findings = list(before.findings)
            diagnosis.recall(before.validations, before.findings, num_clips=self._started.num_val)
        return diagnosis
