"""What several trainings of one model come to: each run's scores, and how far they lie apart.

A single training is one draw of many: of the seed (initial weights, order of clips, augmentation) and, over folds, of
what is held out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import stats

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.metrics import compute_metrics
from thermalctl.evaluation.pooling import pool_predictions
from thermalctl.evaluation.predictions import Predictions, read_predictions
from thermalctl.evaluation.runs import predictions_path

Status = Literal["waiting", "finished", "failed"]
#: Of the intervals that are told.
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """One training of a sweep.

    Attributes:
        name: its folder in the sweep's: "seed-42", "fold-1", "fold-1-seed-42".
        seed: of every random draw; None for the configuration's.
        fold: which part is held out, from 1; None where the dataset's own split is used.
        data: the dataset folder of that fold; None without folds.
        status: "waiting" for its turn or its end, "finished", or "failed".
        epochs: how many were trained.
        stopped_early: whether early stopping ended it.
        last: metrics of the last epoch, by MMAction2's keys, 0 to 1.
        best: metrics of the epoch that the validation clips themselves chose.
        best_epoch: which that was.
        last_checkpoint: name of the newest checkpoint in the run's folder.
        best_checkpoint: name of the best one.
        seconds: how long it took; of a resumed run, since it was resumed.
        problem: why it failed.
    """

    name: str
    seed: int | None = None
    fold: int | None = None
    data: str | None = None
    status: Status = "waiting"
    epochs: int | None = None
    stopped_early: bool = False
    last: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float] = field(default_factory=dict)
    best_epoch: int | None = None
    last_checkpoint: str | None = None
    best_checkpoint: str | None = None
    seconds: float | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far a metric of several runs lies apart.

    Attributes:
        num_runs: how many there are.
        mean: of them.
        std: standard deviation as estimated from them (n - 1); None for a single run.
        least: the lowest.
        most: the highest.
    """

    num_runs: int
    mean: float
    std: float | None
    least: float
    most: float


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep came to.

    Attributes:
        work_dir: its folder.
        runs: each training.
        last: by metric, over the finished runs, after a number of epochs that was fixed beforehand.
        best: the same at each run's best epoch, which flatters: it was chosen on the clips it is judged on.
        pooled: by metric, over seeds, with the clips of all folds judged as one; empty without whole folds.
        pooled_clips: how many clips that are; None without.
        caveats: what the numbers do not say, a sentence each.
    """

    work_dir: Path
    runs: tuple[RunOutcome, ...]
    last: Mapping[str, Spread]
    best: Mapping[str, Spread]
    pooled: Mapping[str, Spread]
    pooled_clips: int | None
    caveats: tuple[str, ...]

    @property
    def failed(self) -> tuple[RunOutcome, ...]:
        """The runs that failed."""
        return tuple(run for run in self.runs if run.status == "failed")


def summarise_sweep(work_dir: Path, runs: Sequence[RunOutcome]) -> SweepResult:
    """Return what the runs of a sweep come to; predictions in their folders are pooled over the folds."""
    finished = [run for run in runs if run.status == "finished"]
    pooled = _pool_folds(work_dir, runs)
    return SweepResult(
        work_dir=work_dir,
        runs=tuple(runs),
        last=_measure_spreads([run.last for run in finished]),
        best=_measure_spreads([run.best for run in finished]),
        pooled=_measure_spreads([measure_predictions(predictions) for predictions in pooled]),
        pooled_clips=pooled[0].num_samples if pooled else None,
        caveats=_list_caveats(finished, has_pooled=bool(pooled)),
    )


def measure_spread(values: Sequence[float]) -> Spread:
    """Return the mean of values and how far they lie apart."""
    return Spread(
        num_runs=len(values),
        mean=float(np.mean(values)),
        std=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        least=float(min(values)),
        most=float(max(values)),
    )


def measure_predictions(predictions: Predictions) -> dict[str, float]:
    """Return the metrics of predictions by MMAction2's keys, 0 to 1."""
    metrics = compute_metrics(predictions)
    named = {"acc/top1": metrics.top1, "acc/top3": metrics.top3, "acc/mean_class": metrics.mean_class_accuracy}
    return {name: value for name, value in named.items() if value is not None}


def _measure_spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return the spread of each metric that every run has."""
    names = [name for name in (runs[0] if runs else ()) if all(name in run for run in runs)]
    return {name: measure_spread([run[name] for run in runs]) for name in names}


def _pool_folds(work_dir: Path, runs: Sequence[RunOutcome]) -> list[Predictions]:
    """Return, for each seed whose folds are all finished and scored, the clips of all folds as one."""
    pooled = []
    for seed in dict.fromkeys(run.seed for run in runs if run.fold is not None):
        folds = [run for run in runs if run.seed == seed]
        parts = [_read_last_predictions(work_dir, run) for run in folds]
        known = [part for part in parts if part is not None]
        if len(known) == len(folds) > 1:
            try:
                pooled.append(pool_predictions(known))
            except PredictionsError:  # folds of the user's own making may judge a clip twice; nothing to pool then
                return []
    return pooled


def _read_last_predictions(work_dir: Path, run: RunOutcome) -> Predictions | None:
    """Return what the run's last checkpoint answered; None where that was not scored, or replaced by another's."""
    path = predictions_path(work_dir / run.name, "val")
    if run.status != "finished" or not path.is_file():
        return None
    predictions = read_predictions(path)
    return predictions if Path(predictions.provenance.checkpoint).name == run.last_checkpoint else None


def _list_caveats(finished: Sequence[RunOutcome], *, has_pooled: bool) -> tuple[str, ...]:
    num_seeds = len({run.seed for run in finished})
    num_folds = len({run.fold for run in finished if run.fold is not None})
    caveats = []
    if num_seeds > 1 and not num_folds:
        caveats.append(_explain_interval(num_seeds))
    if num_folds > 1:
        caveats.append(
            f"The spread over {num_folds} folds gives no interval: their training clips overlap, and each is judged on "
            "clips of its own."
        )
    if has_pooled:
        caveats.append(
            "Folds as one: every clip once, judged by a model that never saw it; a class that only one fold holds does "
            "not count more for it. Its ± is over seeds."
        )
    if len(finished) == 1:
        caveats.append("One run has no spread: how far another seed would be from it is not known.")
    return tuple(caveats)


def _explain_interval(num_runs: int) -> str:
    """Return what a mean over so many seeds is known to (Student's t, as for any mean of few values)."""
    factor = stats.t.ppf((1 + CONFIDENCE) / 2, num_runs - 1) / np.sqrt(num_runs)
    return (
        f"With {num_runs} seeds the mean is known to within {factor:.1f} times the ± given ({CONFIDENCE:.0%}, "
        "Student's t); that covers the seeds, not the choice of clips."
    )
