"""What the screen shows of a training: how it begins, one moving line, one line per validation, how it ended."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.text import Text
from typing_extensions import Self

from thermalctl.cli import console
from thermalctl.cli.run_lines import (
    NO_WEIGHTS,
    SCORE_NAMES,
    StepLine,
    describe_data,
    describe_device,
    describe_finding,
    describe_model,
    describe_next,
    describe_rates,
    describe_validation,
    format_time,
    label_rows,
)
from thermalctl.environment.quantities import format_bytes

if TYPE_CHECKING:
    from thermalctl.dataset.inspect import Inspection
    from thermalctl.engine.dry_run import DryRun
    from thermalctl.engine.events import Event, Finding, RunStarted
    from thermalctl.engine.train import TrainResult
    from thermalctl.models.pretrained import FittedWeights


class TrainingDisplay:
    """Shows events on standard error; a context manager. Without a terminal the moving line is left out.

    Args:
        is_shown: whether to show anything; of several processes one does.
    """

    def __init__(self, *, is_shown: bool = True) -> None:
        self._console = console.stderr()
        self._console.quiet = not is_shown
        self._line = StepLine(self._console)

    def __enter__(self) -> Self:
        self._line.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        """Show an event."""
        from thermalctl.engine.events import Finding, RunStarted, StepDone

        if isinstance(event, RunStarted):
            for line in describe_start(event):
                self._console.print(line)
        elif isinstance(event, StepDone):
            self._line.show(event)
        elif isinstance(event, Finding):
            self._console.print(describe_finding(event))
        else:
            self._console.print(describe_validation(event))

    def announce(self, text: str) -> None:
        """Show which part of a longer work comes next."""
        self._console.print(Text(f"· {text}", style="bold"))

    def show_inspection(self, inspection: Inspection) -> None:
        """Show in a line or two each what is worth knowing before training."""
        splits = ", ".join(f"{split.num_keyframes} {split.split}" for split in inspection.splits)
        self._console.print(
            f"{len(inspection.recordings)} recordings, {inspection.num_frames:,} frames, keyframes: {splits}"
        )
        for finding in inspection.findings:
            if finding.status != "ok":
                self._console.print(console.style_status(finding.status), f"{finding.topic}: {finding.text}")


def describe_start(started: RunStarted, *, weights: str | None = None) -> list[Text]:
    """Return what a run is about to do, a labelled line each; `weights` replaces what is said of those."""
    rows = [
        ("data", describe_data(started)),
        ("model", describe_model(started)),
        ("weights", weights or _describe_weights(started)),
        *([("", _describe_fit(started.fitted))] if started.fitted and not weights else []),
        ("rates", describe_rates(started)),
        *(("", text) for text in (started.freezing, started.extension) if text),
        ("device", describe_device(started)),
        ("run", str(started.work_dir)),
    ]
    if started.incomplete_share:
        rows.insert(1, ("", f"{started.incomplete_share:.1%} of the training frames are incomplete; repaired"))
    if started.class_weights:
        rows.insert(2, ("", _describe_class_weights(started)))
    return label_rows(rows)


def show_result(result: TrainResult) -> None:
    """Print how a training ended, and what comes next."""
    if not result.last:
        console.print_line(f"nothing left to train: {result.epochs} of {result.epochs} epochs were done before")
        return
    ended = "stopped early after" if result.stopped_early else "trained for"
    console.print_line(f"{ended} {console.count(result.epochs, 'epoch')} in {format_time(result.seconds)}")
    table = console.plain_table(
        "", "top-1", "top-3", "mean class", "checkpoint", right=("top-1", "top-3", "mean class")
    )
    rows = [("last epoch", result.last, result.last_checkpoint)]
    if result.best_epoch is not None:
        rows.append((f"best, epoch {result.best_epoch}", result.best, result.best_checkpoint))
    for name, metrics, checkpoint in rows:
        scores = [f"{100 * metrics[key]:.1f}" if key in metrics else "" for key in SCORE_NAMES]
        table.add_row(name, *scores, checkpoint.name if checkpoint else "")
    console.print_table(table)
    if result.findings:
        console.print_line()
        _show_findings(result.findings)
    if result.best_epoch is not None:
        console.print_note("The best epoch was chosen on these same clips, so its figures flatter.")
    console.print_unwrapped(f"next: thermalctl test {shlex.quote(str(result.work_dir))}")


def _show_findings(findings: Sequence[Finding]) -> None:
    """Print what was wrong with a training, each with what to try next time."""
    table = console.plain_table("noticed in", "what, and what to try")
    for finding in findings:
        table.add_row(f"epoch {finding.epoch}", f"{finding.text}\ntry: {finding.advice}")
    console.print_table(table)


def show_dry_run(found: DryRun) -> None:
    """Print what a training would do."""
    weights = "missing, see below; random ones stand in" if found.are_weights_missing else None
    for line in describe_start(found.started, weights=weights):
        console.stdout().print(line)
    shape = " x ".join(map(str, found.input_shape))
    started = found.started
    console.print_line(f"{'batch':<8} {shape} goes in; loss {found.loss:.3f} with these weights")
    if found.cost is not None and found.step_bytes is not None:
        gmacs, memory = f"{found.cost.gmacs:.3g} GMACs a clip", format_bytes(found.step_bytes)
        console.print_line(f"{'cost':<8} {gmacs}, a training step about {memory} in float32")
    length = f"{console.count(started.max_epochs, 'epoch')} of {console.count(found.num_steps, 'step')}"
    console.print_line(f"{'length':<8} {length}, {started.warmup_epochs} to warm up")
    if started.fitted:
        _show_fit(started.fitted)
    if found.problem:
        console.print_line()
        console.print_unwrapped(f"Training would stop before its first step: {found.problem}")
        if found.fix:
            console.print_unwrapped(f"fix: {found.fix}")
    else:
        console.print_line("\nTraining can start; nothing was written.")


def _describe_weights(started: RunStarted) -> str:
    if started.weights is None:
        return f"resumed, {describe_next(started)}" if started.is_resumed else NO_WEIGHTS
    if started.fitted is None:
        return f"resumed from {started.weights}"
    return started.weights


def _describe_fit(fitted: FittedWeights) -> str:
    """Return how many weights were loaded, and of the others how many and in which parts of the model."""
    parts = [f"{len(fitted.loaded)} loaded"]
    if fitted.layout:
        parts[0] += f" (named as by {fitted.layout})"
    for word in ("adapted", "new", "unused"):
        counts = {group.name.removeprefix("backbone."): getattr(group, word) for group in fitted.groups}
        named = [name for name, count in counts.items() if count]
        if named:
            how = f"{'/'.join(sorted(set(fitted.adapted.values())))}: " if word == "adapted" else ""
            parts.append(f"{sum(counts.values())} {word} ({how}{', '.join(named)})")
    return "; ".join(parts)


def _show_fit(fitted: FittedWeights) -> None:
    """Print what became of the weights of each part of the model."""
    words = ("loaded", "adapted", "new", "unused")
    table = console.plain_table("weights of", *words, right=words)
    for group in fitted.groups:
        table.add_row(group.name, *(str(getattr(group, word) or "") for word in words))
    console.print_line()
    console.print_table(table)


def _describe_class_weights(started: RunStarted) -> str:
    weights = [w for w, count in zip(started.class_weights, started.train_counts, strict=False) if count]
    return f"class weights from {min(weights):.2g} to {max(weights):.2g} (each in the log)"
