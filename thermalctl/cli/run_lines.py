"""What the screen shows of a training's records, alike for one that runs here and one that is followed."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from thermalctl.cli.console import count

if TYPE_CHECKING:
    from thermalctl.evaluation.run_records import Finding, RunFacts, StepDone, ValidationDone

#: The metrics that the screen shows, and what it calls them.
SCORE_NAMES = {"acc/top1": "top-1", "acc/top3": "top-3", "acc/mean_class": "mean class"}
NO_WEIGHTS = "none: the model starts from random weights"
#: The least that is left for the bar, and what lies between the columns.
_LEAST_BAR, _GAPS = 8, 2


class StepLine:
    """One moving line for the current step; a context manager. Without a terminal there is none.

    Args:
        console: where it is drawn.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[facts]}"))
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=None, facts="", visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, step: StepDone) -> None:
        """Move the line to a step."""
        width = len(str(step.num_steps))
        description = f"epoch {step.epoch}/{step.max_epochs} {step.step:>{width}}/{step.num_steps}"
        facts = choose_facts(step, self._console.width - len(description) - _LEAST_BAR - _GAPS)
        self._progress.update(
            self._task,
            visible=True,
            total=step.num_steps,
            completed=step.step,
            description=description,
            facts=facts,
        )


def choose_facts(step: StepDone, width: int) -> str:
    """Return what is worth saying of a step in so many characters: the most wanted facts, in their usual order."""
    facts = (
        (0, f"loss {step.loss:.3f}"),
        (4, f"lr {step.lr:.2g}"),
        (2, f"{step.clips_per_s:.0f} clips/s"),
        (3, f"{step.memory_gib:.1f} GiB"),
        (1, f"{format_time(step.seconds_left)} left"),
    )
    chosen: list[tuple[int, str]] = []
    for number in range(len(facts)):
        wanted = [fact for fact in facts if fact[0] <= number]
        if chosen and len("  ".join(text for _, text in wanted)) > width:
            break
        chosen = wanted
    return "  ".join(text for _, text in chosen)


def describe_validation(done: ValidationDone) -> Text:
    """Return a validation in a line."""
    scores = "  ".join(
        f"{name} {100 * done.metrics[key]:4.1f}" for key, name in SCORE_NAMES.items() if key in done.metrics
    )
    text = Text(f"epoch {done.epoch:<4} loss {done.train_loss:.3f}  {scores}")
    return text.append("  best so far", style="green") if done.is_best else text


def describe_finding(finding: Finding) -> Table:
    """Return a finding and what to try, wrapped beside its label."""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text("note:", style="bold yellow"), Text(finding.text))
    grid.add_row("", Text(f"try: {finding.advice}"))
    return grid


def describe_data(run: RunFacts) -> str:
    """Return what a run is trained and validated on."""
    present = sum(count > 0 for count in run.train_counts) if run.train_counts else len(run.classes)
    return f"{run.num_train} train, {run.num_val} val clips, {len(run.classes)} classes ({present} in train)"


def describe_model(run: RunFacts) -> str:
    """Return what is trained."""
    return f"{run.model}, {run.num_parameters / 1e6:.1f} M parameters"


def describe_device(run: RunFacts) -> str:
    """Return where a run runs."""
    factors = [(run.accumulate, "steps"), (run.num_processes, "processes")]
    times = "".join(f" x {number} {what}" for number, what in factors if number > 1)
    whole = run.batch_size * run.accumulate * run.num_processes
    batch = f"{whole} ({run.batch_size} clips{times})" if times else str(run.batch_size)
    return f"{run.device}, {run.precision}, batch {batch}"


def describe_rates(run: RunFacts) -> str:
    """Return a run's learning rates."""
    rates = ", ".join(f"{part} {rate:g}" for part, rate in run.rates.items())
    return f"{rates}; {run.warmup_epochs} of {count(run.max_epochs, 'epoch')} to warm up"


def describe_next(run: RunFacts) -> str:
    """Return where a resumed run goes on."""
    if run.first_step == 1:
        return f"epoch {run.first_epoch} comes next"
    return f"step {run.first_step} of epoch {run.first_epoch} comes next"


def describe_resumption(work_dir: Path) -> str:
    """Return how to go on with a training that did not end."""
    if any(work_dir.glob("epoch_*.pth")) or any(work_dir.glob("iter_*.pth")):
        return f"go on with: thermalctl train --resume --work-dir {shlex.quote(str(work_dir))}"
    return f"it had saved no checkpoint yet; there is nothing to resume in {work_dir}"


def label_rows(rows: list[tuple[str, str]]) -> list[Text]:
    """Return labelled lines, one below the other."""
    return [Text.assemble((f"{label:<8} ", "bold"), text) for label, text in rows]


def format_time(seconds: float) -> str:
    """Return a length of time as 0:41 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
