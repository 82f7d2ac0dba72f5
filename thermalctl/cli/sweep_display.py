"""What `train --seeds` and `train --folds` show: which runs there are, each as it goes, and what they come to."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from thermalctl.cli import console
from thermalctl.errors import NotHeldError

if TYPE_CHECKING:
    from thermalctl.dataset.splitting import SplitRule
    from thermalctl.engine.options import TrainOptions
    from thermalctl.engine.sweep import SweepPlan
    from thermalctl.evaluation.sweep_summary import RunOutcome, Spread, SweepResult

_SCORES = {"top-1": "acc/top1", "top-3": "acc/top3", "mean class": "acc/mean_class"}


def train_sweep(
    *,
    config: str | None,
    data: Path | None,
    work_dir: Path | None,
    options: TrainOptions,
    seeds: str | None,
    folds: str | None,
    split_by: SplitRule | None,
    print_config: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train all runs and show what they come to; or show the configuration of the first, or what it would do.

    Raises:
        NotHeldError: if a run failed; after the others are trained and shown.
    """
    from thermalctl.engine.sweep import parse_seeds, plan_sweep
    from thermalctl.engine.sweep_folds import parse_folds

    plan = plan_sweep(
        config=config,
        data=data,
        work_dir=work_dir,
        options=options,
        seeds=() if seeds is None else parse_seeds(seeds),
        folds=None if folds is None else parse_folds(folds),
        split_rule=split_by,
    )
    for note in plan.notes:
        console.print_note(note)
    if print_config or dry_run:
        _show_first(plan, print_config=print_config, as_json=as_json)
        return
    result = _train(plan)
    console.print_json(result) if as_json else show_sweep(result)
    if result.failed:
        named = "; ".join(f"{run.name} ({run.problem})" for run in result.failed)
        raise NotHeldError(
            f"{len(result.failed)} of {len(result.runs)} runs failed: {named}",
            hint=f"try again, with the others left alone: {_say_resume(plan)}",
        )


def show_sweep(result: SweepResult) -> None:
    """Print what a sweep came to: the last epoch of each run, then the best one, and what the numbers do not say."""
    console.print_line("last epoch, fixed beforehand", style="bold")
    _show_table(result, is_best=False)
    if result.best:
        console.print_line()
        console.print_line("best epoch, chosen on these same clips, so its figures flatter", style="bold")
        _show_table(result, is_best=True)
    console.print_line()
    for caveat in result.caveats:
        console.print_line(caveat)
    finished = [run for run in result.runs if run.status == "finished"]
    if finished:
        console.print_unwrapped(f"next: thermalctl report {shlex.quote(str(result.work_dir / finished[0].name))}")


def describe_spread(spread: Spread) -> str:
    """Return a metric of several runs in percent, as "66.2 ± 4.3": the mean and the standard deviation."""
    mean = f"{100 * spread.mean:.1f}"
    return mean if spread.std is None else f"{mean} ± {100 * spread.std:.1f}"


def _train(plan: SweepPlan) -> SweepResult:
    from thermalctl.cli.training_display import TrainingDisplay
    from thermalctl.engine.sweep_runs import run_sweep

    try:
        with TrainingDisplay() as display:

            def announce(run: RunOutcome, number: int, num_runs: int) -> None:
                display.announce(f"run {number} of {num_runs}: {run.name}")

            return run_sweep(plan, on_event=display, on_run=announce, command=sys.argv)
    except KeyboardInterrupt as interruption:
        console.print_note(f"interrupted; go on with: {_say_resume(plan)}")
        raise typer.Exit(console.find_exit_code(interruption)) from None
    finally:
        _save_curves(plan)


def _save_curves(plan: SweepPlan) -> None:
    """Draw the curves of each run that was trained just now, as far as it came."""
    from thermalctl.evaluation.run_log import METRICS_FILE
    from thermalctl.reports.curves import save_curves

    for run in plan.runs:
        folder = plan.work_dir / run.name
        if run.status != "finished" and (folder / METRICS_FILE).is_file():
            save_curves(folder)


def _show_first(plan: SweepPlan, *, print_config: bool, as_json: bool) -> None:
    if plan.first is None:
        console.print_note("every run is finished")
        return
    name = Path(plan.first.cfg.work_dir).name
    whole = "; its fold is not dealt yet, so the whole dataset stands in" if plan.new_folds else ""
    console.print_note(f"shown is {name}; the other runs differ in seed or fold only{whole}")
    if print_config:
        console.print_unwrapped(plan.first.cfg.pretty_text)
        return
    from thermalctl.cli.training_display import show_dry_run
    from thermalctl.engine.dry_run import dry_run

    found = dry_run(plan.first.cfg)
    console.print_json(found) if as_json else show_dry_run(found)
    if found.problem:
        raise typer.Exit(1)


def _show_table(result: SweepResult, *, is_best: bool) -> None:
    headers = ("run", "epoch", *_SCORES) if is_best else ("run", "epochs", *_SCORES, "checkpoint")
    table = console.plain_table(*headers, right=headers[1:5])
    for run in result.runs:
        epochs, metrics = (run.best_epoch, run.best) if is_best else (run.epochs, run.last)
        scores = [f"{100 * metrics[key]:.1f}" if key in metrics else "" for key in _SCORES.values()]
        told = (run.last_checkpoint or "") if run.status == "finished" else run.status
        table.add_row(run.name, str(epochs or ""), *scores, *([] if is_best else [told]))
    spreads = result.best if is_best else result.last
    if any(spread.num_runs > 1 for spread in spreads.values()):
        table.add_row("mean ± std", "", *_describe_spreads(spreads), style="bold")
    if result.pooled and not is_best:
        pooled = _describe_spreads(result.pooled)
        table.add_row("folds as one", "", *pooled, f"{result.pooled_clips} clips", style="bold")
    console.print_table(table)


def _describe_spreads(spreads: Mapping[str, Spread]) -> list[str]:
    return [describe_spread(spreads[key]) if key in spreads else "" for key in _SCORES.values()]


def _say_resume(plan: SweepPlan) -> str:
    return f"thermalctl train --resume --work-dir {shlex.quote(str(plan.work_dir))}"
