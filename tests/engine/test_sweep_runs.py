"""Sweeps carried out: each run as it would be alone, and none lost to another's failure."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from thermalctl.engine.events import Event, RunStarted, ValidationDone
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.plan import plan_training
from thermalctl.engine.sweep import SweepPlan, plan_sweep
from thermalctl.engine.sweep_runs import run_sweep
from thermalctl.engine.train import train
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.errors import NotHeldError, RequestError, WeightsError
from thermalctl.evaluation.predictions import read_predictions
from thermalctl.evaluation.sweep_summary import SweepResult

Options = Callable[..., TrainOptions]


def read_weights(path: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = load_checkpoint_safely(path)["state_dict"]
    return weights


def are_equal(one: Path, other: Path) -> bool:
    first, second = read_weights(one), read_weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def ignore(event: Event) -> None:
    pass


class Interrupted:
    """Presses Ctrl-C once a run has validated an epoch."""

    def __init__(self, run: str, epoch: int) -> None:
        self.run, self.epoch, self.current = run, epoch, ""
        self.metrics: Mapping[str, float] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.current = event.work_dir.name
        elif isinstance(event, ValidationDone) and (self.current, event.epoch) == (self.run, self.epoch):
            self.metrics = event.metrics
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def options(small: dict[str, Any]) -> Options:
    """What each run is trained with; erasing draws random numbers for every clip."""
    overrides = small | {"default_hooks.checkpoint.interval": 1, "model.data_preprocessor.augment.erase": 0.5}

    def make(**asked: Any) -> TrainOptions:
        return TrainOptions(**({"epochs": 2, "device": "cpu", "overrides": overrides} | asked))

    return make


@pytest.fixture(scope="module")
def plan(options: Options, simulated_dataset: Path) -> Callable[..., SweepPlan]:
    """Plan a sweep in a folder: (work_dir, seeds, folds, **options)."""

    def plan(work_dir: Path, *, seeds: tuple[int, ...] = (), folds: int | None = None, **asked: Any) -> SweepPlan:
        return plan_sweep(
            config="slowfast-tiny",
            data=simulated_dataset,
            work_dir=work_dir,
            options=options(**asked),
            seeds=seeds,
            folds=folds,
        )

    return plan


def resume(work_dir: Path) -> SweepPlan:
    options = TrainOptions(resume=True, device="cpu")
    return plan_sweep(config=None, data=None, work_dir=work_dir, options=options)


@pytest.fixture(scope="module")
def sweep(plan: Callable[..., SweepPlan], tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """Two seeds, two epochs each; never changed."""
    work_dir = tmp_path_factory.mktemp("sweep") / "seeds"
    return run_sweep(plan(work_dir, seeds=(5, 6)), on_event=ignore, command=("thermalctl", "train"))


@pytest.fixture(scope="module")
def alone(options: Options, simulated_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work dir of the second seed, trained by itself before any sweep was."""
    work_dir = tmp_path_factory.mktemp("alone") / "run"
    planned = plan_training(config="slowfast-tiny", data=simulated_dataset, work_dir=work_dir, options=options(seed=6))
    train(planned.cfg, on_event=ignore)
    return work_dir


@pytest.fixture(scope="module")
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a dataset's path stays short: past 75 characters MMEngine takes 2 s each time it writes a configuration."""
    return tmp_path_factory.mktemp("f")


def test_run_in_a_sweep_is_bit_by_bit_the_run_alone(alone: Path, sweep: SweepResult) -> None:
    assert are_equal(sweep.work_dir / "seed-6" / "epoch_2.pth", alone / "epoch_2.pth")
    assert not are_equal(sweep.work_dir / "seed-5" / "epoch_2.pth", alone / "epoch_2.pth")


def test_each_run_is_a_run_like_any_other(sweep: SweepResult) -> None:
    for seed in (5, 6):
        folder = sweep.work_dir / f"seed-{seed}"
        record = json.loads((folder / "run.json").read_text())
        assert (record["seed"], record["command"]) == (seed, ["thermalctl", "train"])
        assert [path.name for path in folder.glob("*.py")] == ["slowfast_tiny.py"]
        assert len(list(folder.glob("*.log"))) == 1
        assert read_predictions(folder / "predictions_val.npz").provenance.epoch == 2


def test_scores_are_those_of_the_last_epoch(sweep: SweepResult) -> None:
    for run in sweep.runs:
        assert (run.status, run.epochs, run.last_checkpoint) == ("finished", 2, "epoch_2.pth")
        predictions = read_predictions(sweep.work_dir / run.name / "predictions_val.npz")
        hits = predictions.scores.argmax(axis=1) == predictions.labels
        assert run.last["acc/top1"] == pytest.approx(hits.mean())
        recalls = [hits[predictions.labels == label].mean() for label in np.unique(predictions.labels)]
        assert run.last["acc/mean_class"] == pytest.approx(np.mean(recalls))
    scores = [run.last["acc/mean_class"] for run in sweep.runs]
    assert sweep.last["acc/mean_class"].mean == pytest.approx(sum(scores) / 2)
    assert sweep.last["acc/mean_class"].std == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
    assert sweep.pooled == {}


def test_record_lies_beside_the_runs(sweep: SweepResult) -> None:
    record = json.loads((sweep.work_dir / "sweep.json").read_text())
    assert [run["name"] for run in record["runs"]] == ["seed-5", "seed-6"]
    assert record["last"]["acc/top1"]["mean"] == sweep.last["acc/top1"].mean
    assert "work_dir" not in record


def test_finished_sweep_has_nothing_left_to_do(sweep: SweepResult) -> None:
    before = {path: path.stat().st_mtime_ns for path in sweep.work_dir.rglob("*.pth")}
    again = run_sweep(resume(sweep.work_dir), on_event=ignore)
    assert again == sweep
    assert {path: path.stat().st_mtime_ns for path in sweep.work_dir.rglob("*.pth")} == before


def test_interrupted_sweep_goes_on_as_if_it_had_not_been(
    plan: Callable[..., SweepPlan], alone: Path, sweep: SweepResult, tmp_path: Path
) -> None:
    """The first run is stopped half way, and the second has not begun."""
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan(tmp_path / "sweep", seeds=(5, 6)), on_event=Interrupted("seed-5", 1))
    torch.manual_seed(99)  # another process would be somewhere else in its random numbers
    moved = (tmp_path / "sweep").rename(tmp_path / "moved")
    going_on = resume(moved)
    assert going_on.notes == (f"sweep: {moved}, 0 of 2 runs are finished",)
    names = []
    result = run_sweep(going_on, on_event=ignore, on_run=lambda run, number, num: names.append((run.name, number, num)))
    assert names == [("seed-5", 1, 2), ("seed-6", 2, 2)]
    assert are_equal(moved / "seed-5" / "epoch_2.pth", sweep.work_dir / "seed-5" / "epoch_2.pth")
    assert are_equal(moved / "seed-6" / "epoch_2.pth", alone / "epoch_2.pth")
    assert [run.last for run in result.runs] == [run.last for run in sweep.runs]


def test_run_stopped_after_its_last_checkpoint_is_scored(plan: Callable[..., SweepPlan], tmp_path: Path) -> None:
    stopped = Interrupted("seed-5", 1)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan(tmp_path / "sweep", seeds=(5,), epochs=1), on_event=stopped)
    (run,) = run_sweep(resume(tmp_path / "sweep"), on_event=ignore).runs
    assert run.status == "finished"
    for name in ("acc/top1", "acc/top3", "acc/mean_class"):
        assert run.last[name] == pytest.approx(stopped.metrics[name])


def test_failed_run_does_not_stop_the_others(plan: Callable[..., SweepPlan], tmp_path: Path) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, RunStarted) and event.work_dir.name == "seed-1":
            raise NotHeldError("the scores of 12 clips are not numbers", hint="lower the rate")

    result = run_sweep(plan(tmp_path / "sweep", seeds=(1, 2), epochs=1), on_event=fail)
    assert [(run.name, run.problem) for run in result.failed] == [("seed-1", "the scores of 12 clips are not numbers")]
    assert [run.status for run in result.runs] == ["failed", "finished"]
    assert result.last["acc/top1"].num_runs == 1
    again = run_sweep(resume(tmp_path / "sweep"), on_event=ignore)
    assert [(run.status, run.problem) for run in again.runs] == [("finished", None)] * 2


def test_device_that_runs_out_of_memory_fails_one_run(plan: Callable[..., SweepPlan], tmp_path: Path) -> None:
    def fail(event: Event) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nmore of it")

    (run,) = run_sweep(plan(tmp_path / "sweep", seeds=(1,)), on_event=fail).runs
    assert run.problem == "a step of 6 clips does not fit into memory: CUDA out of memory."


def test_mistake_of_ours_is_not_swallowed(plan: Callable[..., SweepPlan], tmp_path: Path) -> None:
    def fail(event: Event) -> None:
        raise KeyError("a mistake")

    with pytest.raises(KeyError, match="a mistake"):
        run_sweep(plan(tmp_path / "sweep", seeds=(1, 2)), on_event=fail)


def test_missing_weights_end_a_sweep_before_it_begins(plan: Callable[..., SweepPlan], tmp_path: Path) -> None:
    planned = plan(tmp_path / "sweep", seeds=(1, 2), load_from="slowfast_r50_4x16_kinetics400")
    with pytest.raises(WeightsError):
        run_sweep(planned, on_event=ignore)
    assert not (tmp_path / "sweep").exists()


def test_folds_are_dealt_and_pooled(
    plan: Callable[..., SweepPlan], short_folder: Path, simulated_dataset: Path
) -> None:
    work_dir = short_folder / "s"
    result = run_sweep(plan(work_dir, folds=2, epochs=1), on_event=ignore)
    assert [run.name for run in result.runs] == ["fold-1", "fold-2"]
    parts = [read_predictions(work_dir / run.name / "predictions_val.npz") for run in result.runs]
    assert not set(parts[0].sessions) & set(parts[1].sessions)
    for part in parts:
        assert part.protocol.num_overlapping == 0
        assert part.protocol.split_rule == "session"
    hits = np.concatenate([part.scores.argmax(axis=1) == part.labels for part in parts])
    assert result.pooled_clips == len(hits) == 24
    assert result.pooled["acc/top1"].mean == pytest.approx(hits.mean())
    for fold in (1, 2):
        for source in (simulated_dataset / "frames").glob("*.h5"):
            assert (work_dir / "folds" / f"fold_{fold}" / "frames" / source.name).samefile(source)


def test_run_leaves_no_thread_and_no_model_behind(
    sweep: SweepResult, plan: Callable[..., SweepPlan], tmp_path: Path
) -> None:
    models, threads = [], []

    def count(*told: object) -> None:
        models.append(count_convolutions())
        threads.append(threading.active_count())

    run_sweep(plan(tmp_path / "sweep", seeds=(1, 2), epochs=1), on_event=ignore, on_run=count)
    count()
    before, between, after = models
    assert before == between == after
    assert threads[1] == threads[2]


def count_convolutions() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.nn.Conv3d) for thing in gc.get_objects())


@pytest.mark.parametrize(
    ("asked", "flags"),
    [
        ({"epochs": 5}, "--epochs"),
        ({"early_stopping": 0}, "--early-stopping"),
        ({"lr": 0.1, "overrides": {"cpu_threads": 2}}, "--lr, --cfg-options"),
        ({"amp": True}, "--amp"),
    ],
)
def test_sweep_goes_on_as_it_was_planned(sweep: SweepResult, asked: dict[str, Any], flags: str) -> None:
    with pytest.raises(RequestError, match=f"goes on as it was planned, without {flags}$") as raised:
        plan_sweep(config=None, data=None, work_dir=sweep.work_dir, options=TrainOptions(resume=True, **asked))
    assert f"thermalctl train --resume --work-dir {sweep.work_dir}" in str(raised.value.hint)


def test_sweep_that_goes_on_has_its_own_seeds(sweep: SweepResult) -> None:
    options = TrainOptions(resume=True, device="cpu", num_workers=0, log_to=[])
    with pytest.raises(RequestError, match=r"without --config, --seeds$"):
        plan_sweep(config="slowfast-tiny", data=None, work_dir=sweep.work_dir, options=options, seeds=(5, 6))
    assert plan_sweep(config=None, data=None, work_dir=sweep.work_dir, options=options).first is None
