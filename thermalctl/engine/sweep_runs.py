"""A sweep carried out: one training after another in this process, each as it would be alone.

Nothing of a run reaches the next: each seeds all generators, builds everything anew under a name of its own, and what
it held is given back before the next one begins. Tests compare the weights bit by bit with those of a run alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config

from thermalctl.engine.config import iterate_datasets
from thermalctl.engine.events import OnEvent
from thermalctl.engine.plan import TrainingPlan
from thermalctl.engine.provenance import find_trained_dataset
from thermalctl.engine.restore import restore_model
from thermalctl.engine.running.memory import give_back
from thermalctl.engine.score import find_clip_length, score_split
from thermalctl.engine.starting import find_start
from thermalctl.engine.sweep import SweepPlan, plan_run
from thermalctl.engine.sweep_folds import FOLDS_FOLDER, deal_new_folds
from thermalctl.engine.train import TrainResult, train
from thermalctl.errors import ThermalctlError
from thermalctl.evaluation.predictions import Predictions, write_predictions
from thermalctl.evaluation.references import answer_references
from thermalctl.evaluation.runs import predictions_path
from thermalctl.evaluation.sweep_record import write_sweep
from thermalctl.evaluation.sweep_summary import RunOutcome, SweepResult, measure_predictions, summarise_sweep
from thermalctl.files import replace_file

#: What ends one run and not the sweep: what a user can mend, and what a machine does to long work (its memory, its
#: driver, its disk). Anything else is a mistake of ours and would end every run.
_FAULTS = (ThermalctlError, RuntimeError, MemoryError, OSError)

#: Called before each run with (run, its number from 1, number of runs).
OnRun = Callable[[RunOutcome, int, int], None]


def run_sweep(
    plan: SweepPlan,
    *,
    on_event: OnEvent,
    on_run: OnRun = lambda run, number, num_runs: None,
    command: Sequence[str] = (),
) -> SweepResult:
    """Train every run that is not finished and return what they come to.

    A run that fails is noted and the next one begins. Stopped at any moment, the folder holds what it takes to go on:
    a finished run, a checkpoint or, where nothing began yet, the configuration to begin with.

    Args:
        plan: from `plan_sweep`.
        on_event: told how each training goes.
        on_run: told which one begins.
        command: the command line, for the record of each run.

    Raises:
        WeightsError: if the weights to start from are not there; before anything is written.
        ThermalctlError: if a run cannot be planned.
    """
    runs = list(plan.runs)
    trainings = _lay_out(plan)
    write_sweep(summarise_sweep(plan.work_dir, runs))
    for index, run in enumerate(runs):
        if run.name in trainings:
            on_run(run, index + 1, len(runs))
            runs[index] = _run_one(run, trainings[run.name].cfg, on_event, command)
            write_sweep(summarise_sweep(plan.work_dir, runs))
    return summarise_sweep(plan.work_dir, runs)


def _lay_out(plan: SweepPlan) -> dict[str, TrainingPlan]:
    """Deal the folds, give each run a folder with its configuration, and return what is still to be trained."""
    if plan.first is None:
        return {}
    find_start(plan.first.cfg)
    if plan.new_folds:
        num_frames = find_window(plan.first.cfg)
        deal_new_folds(plan.new_folds, plan.work_dir / FOLDS_FOLDER, window_frames=num_frames)
    trainings = {run.name: plan_run(plan, run) for run in plan.runs if run.status != "finished"}
    for name, training in trainings.items():
        folder = plan.work_dir / name
        if not any(folder.glob("*.py")):
            with replace_file(folder / Path(training.cfg.filename).name) as temporary:
                training.cfg.dump(str(temporary))
    return trainings


def find_window(cfg: Config) -> int:
    """Return how many frames a clip of a complete configuration has."""
    if "clip" in cfg:
        return int(cfg.clip.num_frames)
    return max((leaf.get("frame_window", 1) for _, leaf in iterate_datasets(cfg)), default=1)


def _run_one(run: RunOutcome, cfg: Config, on_event: OnEvent, command: Sequence[str]) -> RunOutcome:
    """Train, score the last checkpoint on val, and return what came out."""
    problem = None
    try:
        result = train(cfg, on_event=on_event, command=command)
        return _describe_outcome(run, result, score_last(cfg, result))
    except _FAULTS as error:
        problem = error.message if isinstance(error, ThermalctlError) else f"{type(error).__name__}: {error}"
    finally:
        give_back()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
    return dataclasses.replace(run, status="failed", problem=problem.splitlines()[0])


def score_last(cfg: Config, result: TrainResult) -> Predictions | None:
    """Write and return what a run's last checkpoint answers on val; None where that is not a dataset folder's."""
    dataset = find_trained_dataset(cfg)
    if dataset is None or "val" not in dataset.splits or result.last_checkpoint is None:
        return None
    loader = cfg.get("val_dataloader") or {}
    restored = restore_model(result.last_checkpoint)
    target = restored.clip_spec.target if restored.clip_spec else "frame"
    num_frames, window_s = find_clip_length(restored)
    predictions = score_split(
        restored,
        dataset,
        "val",
        references=answer_references(dataset, "val", target=target, num_frames=num_frames, window_s=window_s),
        device=cfg.device,
        batch_size=loader.get("batch_size", 4),
        num_workers=loader.get("num_workers", 0),
    )
    write_predictions(predictions_path(result.work_dir, "val"), predictions)
    return predictions


def _describe_outcome(run: RunOutcome, result: TrainResult, predictions: Predictions | None) -> RunOutcome:
    last = dict(result.last)
    if not last and predictions is not None:  # stopped between its last checkpoint and that one's validation
        last = measure_predictions(predictions)
    return dataclasses.replace(
        run,
        status="finished",
        epochs=result.epochs,
        stopped_early=result.stopped_early,
        last={name: float(value) for name, value in last.items()},
        best={name: float(value) for name, value in result.best.items()},
        best_epoch=result.best_epoch,
        last_checkpoint=result.last_checkpoint.name if result.last_checkpoint else None,
        best_checkpoint=result.best_checkpoint.name if result.best_checkpoint else None,
        seconds=result.seconds,
        problem=None,
    )
