"""Which predictions a report is on: of one run, or of several that are the folds or the seeds of one experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.metrics import compute_metrics
from thermalctl.evaluation.pooling import pool_predictions
from thermalctl.evaluation.predictions import Predictions, read_predictions
from thermalctl.evaluation.runs import find_predictions, predictions_path
from thermalctl.evaluation.sweep_record import SWEEP_FILE, find_sweep, read_outcomes


@dataclass(frozen=True, kw_only=True)
class RunScore:
    """What one of several runs scores on its clips; rates in 0..1.

    Attributes:
        name: the run, "seed 42" for all folds of a seed.
        num_clips: judged.
        top1: share of right answers.
        mean_class: mean recall over the classes with a clip.
        is_pooled: whether it is several runs' clips taken as one.
    """

    name: str
    num_clips: int
    top1: float
    mean_class: float
    is_pooled: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Gathered:
    """The predictions to report on, and what they are a part of.

    Attributes:
        predictions: of one run, or of all folds taken as one.
        path: the file, or the folder of the sweep.
        how: how it was chosen, in words.
        runs: what each of several runs scores; none for a single one.
        spread: how far they lie apart, a sentence each.
    """

    predictions: Predictions
    path: Path
    how: str
    runs: tuple[RunScore, ...] = ()
    spread: tuple[str, ...] = ()


def gather_predictions(paths: Sequence[Path]) -> Gathered:
    """Return the predictions that are meant.

    Args:
        paths: predictions files, work dirs, or one folder of `train --seeds` or `--folds`; none for the newest run, or
            the sweep that it is part of.

    Raises:
        PredictionsError: if a file cannot be read, or several are neither folds nor seeds of one experiment.
        RequestError: if there is no such run.
    """
    if len(paths) > 1:
        parts = [(_name(path), read_predictions(find_predictions(path).path)) for path in paths]
        return _combine(parts, paths[0].parent, how="as named")
    path = paths[0] if paths else None
    sweep = path if path is not None and (path / SWEEP_FILE).is_file() else find_sweep(None) if path is None else None
    if sweep is not None:
        return _gather_sweep(sweep, how="as named" if path else "the newest run is part of it")
    found = find_predictions(path)
    return Gathered(predictions=read_predictions(found.path), path=found.path, how=found.how)


def _gather_sweep(folder: Path, *, how: str) -> Gathered:
    """Return the sweep's first seed, its folds taken as one, beside the others."""
    every = read_outcomes(folder)
    outcomes = [run for run in every if run.status == "finished"]
    if len(outcomes) < len(every):
        how += f"; {len(every) - len(outcomes)} of its {len(every)} runs are not finished"
    if not outcomes:
        raise PredictionsError(f"{folder}: no run of the sweep is finished", hint="thermalctl train  goes on with it")
    by_seed: dict[int | None, list[tuple[str, Predictions]]] = {}
    for run in outcomes:
        predictions = read_predictions(predictions_path(folder / run.name, "val"))
        by_seed.setdefault(run.seed, []).append((run.name, predictions))
    if all(len(parts) == 1 for parts in by_seed.values()):
        return _combine([parts[0] for parts in by_seed.values()], folder, how=how)
    runs = [_score(name, part) for parts in by_seed.values() for name, part in parts]
    spread = [_describe_spread(runs, "folds" if len(by_seed) == 1 else "folds and seeds")]
    num_folds = len({run.fold for run in every})
    whole = {seed: parts for seed, parts in by_seed.items() if len(parts) == num_folds}
    chosen = whole or dict([next(iter(by_seed.items()))])  # of the others a part only, told as such
    pooled = {seed: pool_predictions([part for _, part in parts]) for seed, parts in chosen.items()}
    if len(pooled) > 1:
        of_seeds = [_score(f"seed {seed}, all folds", whole, is_pooled=True) for seed, whole in pooled.items()]
        spread.append(_describe_spread(of_seeds, "seeds, all folds taken as one"))
        runs += of_seeds
    first = next(iter(pooled))
    share = f"all {num_folds}" if whole else f"{len(by_seed[first])} of {num_folds}"
    told = f"{how}; {share} folds taken as one" + (f", of seed {first}" if len(by_seed) > 1 else "")
    return Gathered(predictions=pooled[first], path=folder, how=told, runs=tuple(runs), spread=tuple(spread))


def _combine(parts: Sequence[tuple[str, Predictions]], folder: Path, *, how: str) -> Gathered:
    """Return runs of other clips as folds, and runs of the same clips as seeds."""
    first = parts[0][1]
    runs = tuple(_score(name, part) for name, part in parts)
    if len(parts) == 1:
        return Gathered(predictions=first, path=folder, how=how)
    clips = [set(part.sample_ids) for _, part in parts]
    if all(one == clips[0] for one in clips):
        spread = _describe_spread(runs, "runs")
        told = f"{how}; the first of {len(parts)} runs on the same clips, {parts[0][0]}"
        return Gathered(predictions=first, path=folder, how=told, runs=runs, spread=(spread,))
    if sum(map(len, clips)) > len(set().union(*clips)):
        raise PredictionsError(
            f"{parts[0][0]} and the others judge some clips in common, but not all",
            hint="report on folds, which share none, or on seeds, which share all",
        )
    pooled = pool_predictions([part for _, part in parts])
    spread = _describe_spread(runs, "folds")
    return Gathered(
        predictions=pooled, path=folder, how=f"{how}; {len(parts)} folds taken as one", runs=runs, spread=(spread,)
    )


def _score(name: str, predictions: Predictions, *, is_pooled: bool = False) -> RunScore:
    metrics = compute_metrics(predictions)
    return RunScore(
        name=name,
        num_clips=metrics.num_samples,
        top1=metrics.top1,
        mean_class=metrics.mean_class_accuracy,
        is_pooled=is_pooled,
    )


def _describe_spread(runs: Sequence[RunScore], what: str) -> str:
    told = []
    for title, values in (("top-1", [run.top1 for run in runs]), ("mean class", [run.mean_class for run in runs])):
        std = 100 * float(np.std(values, ddof=1))
        told.append(f"{title} {100 * float(np.mean(values)):.1f} ± {std:.1f}")
    return f"Over {len(runs)} {what}: {', '.join(told)} (mean and standard deviation)."


def _name(path: Path) -> str:
    return path.parent.name if path.suffix == ".npz" else path.name
