"""A report's tables as plain text, for a file: names in full, no limit on the width."""

from __future__ import annotations

from collections.abc import Sequence

from thermalctl.evaluation.gathering import RunScore
from thermalctl.evaluation.metrics import ClassMetrics, Metrics


def format_percent(rate: float | None, *, digits: int = 1) -> str:
    """Return a rate of 0..1 in percent without the sign, "-" where it is undefined."""
    return "-" if rate is None else f"{100 * rate:.{digits}f}"


def format_rows(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of the table that holds the model and the baselines, in percent."""
    table = [("percent", "top-1", "mean class", "macro F1", "than this model"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def format_runs(runs: Sequence[RunScore]) -> list[str]:
    """Return the lines of a table of several runs, in percent; none for a single run."""
    if not runs:
        return []
    width = max(len("run"), *(len(run.name) for run in runs))
    lines = [f"{'run':<{width}}  clips  top-1  mean class"]
    for run in runs:
        numbers = f"{run.num_clips:>5}  {format_percent(run.top1):>5}  {format_percent(run.mean_class):>10}"
        lines.append(f"{run.name:<{width}}  {numbers}")
    return lines


def format_classes(metrics: Metrics) -> list[str]:
    """Return the lines of the classes' table, in the layout of scikit-learn's classification report.

    The averages are over the classes with a clip, and a precision of nothing counts as 0 in them.
    """
    width = max(len("weighted average"), *(len(entry.name) for entry in metrics.classes))
    lines = [f"{'':<{width}}  precision    recall  f1-score   support"]
    for entry in metrics.classes:
        numbers = _columns(entry.precision, entry.recall, entry.f1)
        lines.append(f"{entry.name:>{width}}  {numbers}  {entry.num_samples:>8}{_remark(entry)}")
    total = f"{metrics.num_samples:>8}"
    lines += ["", f"{'accuracy':>{width}}  {'':>9} {'':>9} {metrics.top1:>9.2f}  {total}"]
    present = [entry for entry in metrics.classes if entry.num_samples]
    for name, weights in (
        ("macro average", [1 / len(present)] * len(present)),
        ("weighted average", [entry.num_samples / metrics.num_samples for entry in present]),
    ):
        averages = _columns(
            sum(weight * (entry.precision or 0.0) for weight, entry in zip(weights, present, strict=True)),
            sum(weight * (entry.recall or 0.0) for weight, entry in zip(weights, present, strict=True)),
            sum(weight * (entry.f1 or 0.0) for weight, entry in zip(weights, present, strict=True)),
        )
        lines.append(f"{name:>{width}}  {averages}  {total}")
    return [*lines, "", "averages: over the classes with a clip here; a precision of nothing counts as 0"]


def _columns(*numbers: float | None) -> str:
    return " ".join(f"{'-' if number is None else f'{number:.2f}':>9}" for number in numbers)


def _remark(entry: ClassMetrics) -> str:
    remarks = []
    if entry.num_samples == 0:
        remarks.append("no clip")
    elif entry.num_samples == 1:
        remarks.append("not evaluable (1 clip)")
    if entry.num_train == 0:
        remarks.append("never trained")
    return f"  {', '.join(remarks)}" if remarks else ""
