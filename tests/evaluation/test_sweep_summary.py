from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.evaluation.predictions import Predictions, write_predictions
from thermalctl.evaluation.runs import predictions_path
from thermalctl.evaluation.sweep_summary import (
    RunOutcome,
    measure_spread,
    summarise_sweep,
)


def finished(name: str, top1: float, **changes: Any) -> RunOutcome:
    run = RunOutcome(name=name, status="finished", epochs=3, last={"acc/top1": top1}, last_checkpoint="epoch_3.pth")
    return dataclasses.replace(run, **changes)


def test_spread_is_that_of_a_sample() -> None:
    values = [0.5, 0.6, 0.9]
    spread = measure_spread(values)
    assert spread.mean == pytest.approx(statistics.mean(values))
    assert spread.std == pytest.approx(statistics.stdev(values))
    assert (spread.num_runs, spread.least, spread.most) == (3, 0.5, 0.9)


def test_one_run_has_no_spread(tmp_path: Path) -> None:
    result = summarise_sweep(tmp_path, [finished("seed-1", 0.5, seed=1)])
    assert result.last["acc/top1"].std is None
    assert result.caveats == ("One run has no spread: how far another seed would be from it is not known.",)


def test_only_finished_runs_count(tmp_path: Path) -> None:
    runs = [
        finished("seed-1", 0.5, seed=1),
        finished("seed-2", 0.7, seed=2),
        RunOutcome(name="seed-3", seed=3, status="failed", problem="out of memory"),
        RunOutcome(name="seed-4", seed=4),
    ]
    result = summarise_sweep(tmp_path, runs)
    assert (result.last["acc/top1"].num_runs, result.last["acc/top1"].mean) == (2, pytest.approx(0.6))
    assert [run.name for run in result.failed] == ["seed-3"]


def test_metric_that_a_run_lacks_is_left_out(tmp_path: Path) -> None:
    """A resumed run knows of its best epoch only what chose it."""
    both = {"acc/top1": 0.5, "acc/top3": 0.9}
    runs = [finished("seed-1", 0.5, seed=1, best=both), finished("seed-2", 0.7, seed=2, best={"acc/top1": 0.7})]
    assert list(summarise_sweep(tmp_path, runs).best) == ["acc/top1"]


@pytest.mark.parametrize(("num_seeds", "factor"), [(2, "9.0"), (3, "2.5"), (5, "1.2"), (10, "0.7")])
def test_interval_of_the_mean_is_students(tmp_path: Path, num_seeds: int, factor: str) -> None:
    """From a table of t at 97.5 %: 12.706, 4.303, 2.776 and 2.262 for 1, 2, 4 and 9 degrees of freedom, over root n."""
    runs = [finished(f"seed-{seed}", 0.5, seed=seed) for seed in range(num_seeds)]
    (caveat,) = summarise_sweep(tmp_path, runs).caveats
    assert f"within {factor} times the ± given" in caveat


def test_folds_give_no_interval(tmp_path: Path) -> None:
    runs = [finished(f"fold-{fold}-seed-{seed}", 0.5, fold=fold, seed=seed) for fold in (1, 2) for seed in (5, 6)]
    (caveat,) = summarise_sweep(tmp_path, runs).caveats
    assert caveat.startswith("The spread over 2 folds gives no interval")


def make_runs(work_dir: Path, folds: list[Predictions], **changes: Any) -> list[RunOutcome]:
    """Two folds of each seed whose last checkpoints are scored."""
    runs = []
    for seed in (5, 6):
        for fold, predictions in enumerate(folds, start=1):
            run = finished(f"fold-{fold}-seed-{seed}", 0.5, fold=fold, seed=seed, **changes)
            (work_dir / run.name).mkdir()
            write_predictions(predictions_path(work_dir / run.name, "val"), predictions)
            runs.append(run)
    return runs


@pytest.fixture
def folds(make_predictions: Callable[..., Predictions]) -> list[Predictions]:
    """Two folds, of four and of two clips, 3 and 1 of them right; the recalls of all six are 2/3, 1/1 and 1/2."""

    def make(name: str, labels: list[int], predicted: list[int]) -> Predictions:
        scores = np.eye(3)[predicted]
        return make_predictions(labels, scores, sample_ids=tuple(f"{name}{index}" for index in range(len(labels))))

    return [make("a", [0, 0, 0, 1], [0, 0, 2, 1]), make("b", [2, 2], [2, 0])]


def test_folds_of_a_seed_are_judged_as_one(tmp_path: Path, folds: list[Predictions]) -> None:
    result = summarise_sweep(tmp_path, make_runs(tmp_path, folds))
    assert result.pooled_clips == 6
    assert result.pooled["acc/top1"].mean == pytest.approx(4 / 6)
    assert result.pooled["acc/top1"].num_runs == 2  # one for each seed
    assert result.pooled["acc/mean_class"].mean == pytest.approx(13 / 18)
    assert [caveat.split(":")[0].split(" gives")[0] for caveat in result.caveats] == [
        "The spread over 2 folds",
        "Folds as one",
    ]


def test_folds_that_lack_a_run_are_not_pooled(tmp_path: Path, folds: list[Predictions]) -> None:
    runs = make_runs(tmp_path, folds)
    runs[3] = dataclasses.replace(runs[3], status="failed")
    assert summarise_sweep(tmp_path, runs).pooled["acc/top1"].num_runs == 1  # the other seed


def test_predictions_of_another_checkpoint_are_not_pooled(tmp_path: Path, folds: list[Predictions]) -> None:
    """`thermalctl test` replaces the file with what the best checkpoint answers."""
    assert summarise_sweep(tmp_path, make_runs(tmp_path, folds, last_checkpoint="epoch_9.pth")).pooled == {}


def test_folds_that_share_clips_are_not_pooled(tmp_path: Path, folds: list[Predictions]) -> None:
    assert summarise_sweep(tmp_path, make_runs(tmp_path, [folds[0], folds[0]])).pooled == {}
