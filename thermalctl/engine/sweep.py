"""Several trainings of one configuration: over seeds, over folds, or both; what they are and whether they can begin."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thermalctl.dataset.splitting import SplitRule
from thermalctl.engine.checkpoints import find_last
from thermalctl.engine.config import choose_config
from thermalctl.engine.options import MOST_SEED, TrainOptions
from thermalctl.engine.plan import TrainingPlan, choose_work_dir, find_config_copy, plan_training
from thermalctl.engine.sweep_folds import FOLDS_FOLDER, NewFolds, find_folds, plan_new_folds
from thermalctl.engine.train import choose_device
from thermalctl.errors import RequestError
from thermalctl.evaluation.runs import list_runs
from thermalctl.evaluation.sweep_record import SWEEP_FILE, find_sweep, read_outcomes
from thermalctl.evaluation.sweep_summary import RunOutcome

#: What may be told of the machine when a sweep goes on; everything else was decided when it began.
_OF_THE_MACHINE = ("resume", "device", "num_workers")


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """A sweep that is ready to begin, or to go on.

    Attributes:
        work_dir: its folder; each run has one in it.
        runs: in order; those of a sweep that goes on may be finished.
        config: what each run is planned from, until it has a copy of its own; None once all have.
        data: the dataset folder that was named; a run of a fold has its own.
        options: edits of the configuration, the same for all but for the seed.
        new_folds: what to deal first; None where the folds are there, or there are none.
        first: the first unfinished run; on the whole dataset where its fold is still to be dealt. None if all are
            finished.
        notes: what was chosen and why, a line each.
    """

    work_dir: Path
    runs: tuple[RunOutcome, ...]
    config: str | None
    data: Path | None
    options: TrainOptions
    new_folds: NewFolds | None
    first: TrainingPlan | None
    notes: tuple[str, ...]


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return seeds from a text as "42,123,456".

    Raises:
        RequestError: if one is no whole number from 0.
    """
    parts = [part.strip() for part in text.split(",")]
    wrong = [part for part in parts if not (re.fullmatch(r"\d{1,10}", part) and int(part) <= MOST_SEED)]
    if wrong:
        raise RequestError(
            f"--seeds {text}: {wrong[0]!r} is no seed",
            hint=f"whole numbers from 0 to {MOST_SEED}, as in --seeds 42,123,456",
        )
    return tuple(map(int, parts))


def plan_sweep(
    *,
    config: str | None,
    data: Path | None,
    work_dir: Path | None,
    options: TrainOptions,
    seeds: Sequence[int] = (),
    folds: int | Path | None = None,
    split_rule: SplitRule | None = None,
) -> SweepPlan:
    """Return the plan of a sweep; nothing is written.

    Args:
        config: a shipped configuration's name or a file; None for the default of the device.
        data: the dataset folder; None for the one that is found.
        work_dir: where the sweep goes; None for a new folder below `work_dirs/`, or, to resume, for the newest one.
        options: edits of the configuration. With `resume` the sweep goes on: finished runs are left alone, one that
            began goes on from its last checkpoint, the others are trained.
        seeds: one run each; none for the configuration's own.
        folds: how many to deal, or the folder that `split-dataset --folds` wrote; one run each, for every seed.
        split_rule: what is never divided when folds are dealt; None for the session.

    Raises:
        ThermalctlError: if the requests contradict each other, or something named is not there, or does not fit.
    """
    _check_request(data=data, options=options, seeds=seeds, folds=folds, split_rule=split_rule)
    if options.resume:
        others = {"--config": config, "--data": data, "--seeds": seeds, "--folds": folds, "--split-by": split_rule}
        return _plan_resumed(work_dir, options, [flag for flag, value in others.items() if value])
    if work_dir is None:
        name = config or choose_config(choose_device(options.device), options.target)
        work_dir = choose_work_dir(f"{Path(name).stem.replace('_', '-')}-sweep")
    _check_free(work_dir)
    notes, new_folds, prepared = [], None, {}
    if isinstance(folds, Path):
        prepared = find_folds(folds)
        notes.append(f"folds: {', '.join(str(path) for path in prepared.values())}")
    elif folds is not None:
        new_folds = plan_new_folds(data, split_rule or "session", folds)
        data = new_folds.source.layout.root
        prepared = {number: work_dir / FOLDS_FOLDER / f"fold_{number}" for number in range(1, folds + 1)}
        splits = " and ".join(new_folds.source.splits)
        notes.append(f"folds: {folds} by {new_folds.rule}, dealt anew from {splits} into {work_dir / FOLDS_FOLDER}")
    runs = _name_runs(seeds, prepared)
    first = plan_training(
        config=config,
        data=data if new_folds or not prepared else Path(str(runs[0].data)),
        work_dir=work_dir / runs[0].name,
        options=dataclasses.replace(options, seed=runs[0].seed if seeds else options.seed),
    )
    return SweepPlan(
        work_dir=work_dir,
        runs=runs,
        config=config,
        data=data,
        options=options,
        new_folds=new_folds,
        first=first,
        notes=(*first.notes, *notes, f"runs: {', '.join(run.name for run in runs)}, in {work_dir}"),
    )


def plan_run(plan: SweepPlan, run: RunOutcome) -> TrainingPlan:
    """Return the plan of one run of a sweep, by what its folder holds.

    That is a checkpoint, from which it goes on; only the configuration that it waits with; or nothing as yet.
    """
    folder = plan.work_dir / run.name
    is_planned = any(folder.glob("*.py"))
    options = dataclasses.replace(plan.options, resume=find_last(folder) is not None)
    if not is_planned and run.seed is not None:
        options = dataclasses.replace(options, seed=run.seed)
    return plan_training(
        config=str(find_config_copy(folder)) if is_planned else plan.config,
        data=_find_fold(plan.work_dir, run) or plan.data,
        work_dir=folder,
        options=options,
    )


def _check_request(
    *,
    data: Path | None,
    options: TrainOptions,
    seeds: Sequence[int],
    folds: int | Path | None,
    split_rule: SplitRule | None,
) -> None:
    repeated = [seed for index, seed in enumerate(seeds) if seed in seeds[:index]]
    if repeated:
        raise RequestError(f"--seeds: {repeated[0]} is there twice", hint="the same seed gives the same run")
    if seeds and options.seed is not None:
        raise RequestError(
            f"--seed {options.seed} and --seeds {','.join(map(str, seeds))} contradict each other",
            hint="leave --seed out: each run has one of --seeds",
        )
    if split_rule is not None and not isinstance(folds, int):
        raise RequestError(
            f"--split-by {split_rule}: no folds are dealt here",
            hint="--folds K deals the dataset; split-dataset --by splits it into a dataset of its own",
        )
    if isinstance(folds, int) and folds < 2:
        raise RequestError(f"--folds {folds}: one part cannot be held out of itself", hint="--folds 2 or more")
    if isinstance(folds, Path) and data is not None:
        raise RequestError(
            f"--folds {folds} and --data {data} contradict each other: each fold is a dataset of its own",
            hint="leave --data out, or deal that dataset with --folds K",
        )


def _plan_resumed(work_dir: Path | None, options: TrainOptions, others: list[str]) -> SweepPlan:
    found = find_sweep(work_dir)
    if found is None:
        where = "the newest run is not part of a sweep" if work_dir is None else f"{work_dir} holds no sweep"
        raise RequestError(
            f"--resume: {where}",
            hint="name the sweep's folder with --work-dir, or leave --resume out to begin one",
        )
    others += _list_edits(options)
    if others:
        raise RequestError(
            f"--resume: the sweep in {found} goes on as it was planned, without {', '.join(others)}",
            hint=f"thermalctl train --resume --work-dir {found}; of other flags only --device and --num-workers fit",
        )
    runs = read_outcomes(found)
    plan = SweepPlan(
        work_dir=found, runs=runs, config=None, data=None, options=options, new_folds=None, first=None, notes=()
    )
    waiting = [run for run in runs if run.status != "finished"]
    note = f"sweep: {found}, {len(runs) - len(waiting)} of {len(runs)} runs are finished"
    first = plan_run(plan, waiting[0]) if waiting else None
    return dataclasses.replace(plan, first=first, notes=(note,))


def _list_edits(options: TrainOptions) -> list[str]:
    """Return the flags that were given and are not about the machine alone."""
    usual = TrainOptions()
    given = [
        field.name
        for field in dataclasses.fields(options)
        if field.name not in _OF_THE_MACHINE
        and getattr(options, field.name) != getattr(usual, field.name)
        and getattr(options, field.name) not in ((), [])  # what the command line gives for a list that was not
    ]
    return [f"--{'cfg-options' if name == 'overrides' else name.replace('_', '-')}" for name in given]


def _check_free(work_dir: Path) -> None:
    if (work_dir / SWEEP_FILE).is_file():
        raise RequestError(
            f"{work_dir}: holds a sweep already", hint="--resume goes on with it; another --work-dir begins a new one"
        )
    if work_dir.exists() and (not work_dir.is_dir() or any(work_dir.iterdir())):
        what = "holds a run" if work_dir.is_dir() and list_runs(work_dir) else "is not an empty folder"
        raise RequestError(f"{work_dir}: {what}; a sweep has a folder of its own", hint="name another with --work-dir")


def _name_runs(seeds: Sequence[int], folds: dict[int, Path]) -> tuple[RunOutcome, ...]:
    """Return one run for each fold and seed, seed after seed within a fold."""
    runs = []
    for fold in folds or (None,):
        for seed in seeds or (None,):
            parts = ([f"fold-{fold}"] if fold is not None else []) + ([f"seed-{seed}"] if seed is not None else [])
            data = str(folds[fold].resolve()) if fold is not None else None
            runs.append(RunOutcome(name="-".join(parts), seed=seed, fold=fold, data=data))
    return tuple(runs)


def _find_fold(work_dir: Path, run: RunOutcome) -> Path | None:
    """Return the dataset of a run's fold; one that the sweep dealt moves with it."""
    if run.fold is None or run.data is None:
        return None
    own = work_dir / FOLDS_FOLDER / f"fold_{run.fold}"
    return own if own.is_dir() else Path(run.data)
