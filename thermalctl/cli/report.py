"""`thermalctl report`: what a tested model is worth, beside what needs no model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from thermalctl.cli import console
from thermalctl.cli.options import JsonOption

if TYPE_CHECKING:
    from thermalctl.evaluation.metrics import ClassMetrics
    from thermalctl.reports.classification import Report, ReportFiles


def report(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="WORK_DIR|PREDICTIONS",
            help="A run's work dir, or the predictions that `test` wrote. Default: the newest run below work_dirs/.",
            show_default=False,
        ),
    ] = None,
    confusion: Annotated[
        bool, typer.Option("--confusion", help="Draw the confusion matrix too: confusion.png, 300 dots an inch.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Folder for the report's files. Default: beside the predictions, report_<split>/.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a tested model: metrics beside baselines, class by class, from its predictions; needs no GPU."""
    from thermalctl.evaluation.predictions import read_predictions
    from thermalctl.evaluation.runs import find_predictions
    from thermalctl.reports.classification import build_report, report_folder, write_report

    found = find_predictions(path)
    console.print_note(f"{found.path}  ({found.how})")
    result = build_report(read_predictions(found.path))
    files = write_report(result, output or report_folder(found.path), confusion_picture=confusion)
    if as_json:
        console.print_json(result)
    else:
        _show(result, files)


def _show(report: Report, files: ReportFiles) -> None:
    from thermalctl.reports.text import format_top_k, list_scores

    metrics = report.metrics
    console.print_line(" ".join(report.protocol_text))
    console.print_line()
    numbers = ("top-1", "mean class", "macro F1")
    scores = console.plain_table("percent", *numbers, right=numbers)
    for row in list_scores(metrics, report.baselines):
        scores.add_row(*row)
    console.print_table(scores)
    for sentence in filter(None, (format_top_k(metrics), *report.remarks)):
        console.print_line(sentence, style="bold" if sentence == report.verdict else None)
    console.print_line()
    console.print_table(_table_classes(metrics.classes))
    absent = [entry.name for entry in metrics.classes if not entry.num_samples]
    if absent:
        console.print_line(f"no clip: {', '.join(absent)}")
    console.print_line()
    _print_path("report", files.text)
    if files.confusion_picture is not None:
        _print_path("confusion matrix", files.confusion_picture)


def _print_path(name: str, path: Path) -> None:
    # Not broken at the terminal's width: a path is there to be copied.
    console.stdout().print(Text(f"{name}: {path}"), soft_wrap=True)


def _table_classes(classes: tuple[ClassMetrics, ...]) -> Table:
    from thermalctl.reports.text import format_percent

    numbers = ("clips", "recall", "precision")
    table = console.plain_table("class", *numbers, "most often taken for", right=numbers)
    for entry in sorted(classes, key=lambda entry: -entry.num_samples):
        if entry.num_samples:
            table.add_row(
                entry.name,
                str(entry.num_samples),
                format_percent(entry.recall, digits=0),
                format_percent(entry.precision, digits=0),
                "not evaluable (1 clip)" if entry.num_samples == 1 else entry.most_confused_with or "-",
            )
    return table
