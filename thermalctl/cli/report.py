"""`thermalctl report`: what a tested model is worth, beside what needs no model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from thermalctl.cli import console
from thermalctl.cli.options import DataOption, JsonOption
from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from thermalctl.evaluation.metrics import ClassMetrics
    from thermalctl.evaluation.predictions import Predictions
    from thermalctl.reports.classification import Report, ReportFiles


def report(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="WORK_DIR|PREDICTIONS ...",
            help="A run's work dir, predictions that `test` wrote, or several: folds or seeds of one experiment, as "
            "the folder of `train --folds` holds them. Default: the newest run below work_dirs/.",
            show_default=False,
        ),
    ] = None,
    confusion: Annotated[
        bool, typer.Option("--confusion", help="Draw the confusion matrix too: confusion.png, 300 dots an inch.")
    ] = False,
    html: Annotated[bool, typer.Option("--html", help="Write a page too: report.html, complete in itself.")] = False,
    cost: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="What mistakes cost, 1 where it does not say: lines of true,taken for,cost.",
            show_default=False,
        ),
    ] = None,
    recall: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=SHARE",
            help="Where to raise an alarm to find so many of a class; can be repeated.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Folder for the report's files. Default: beside the predictions, report_<split>/.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN|PREDICTIONS",
            help="Another model that judged the same clips: which is better, and whether that may be chance.",
            show_default=False,
        ),
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=NUMBER,...",
            help="Exit 1 unless these are reached, as top1=0.7,mean_class=0.4.",
            show_default=False,
        ),
    ] = None,
    events: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR|FILE",
            help="Instead: events that `predict` told of, against the annotations of a dataset; can be repeated.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|default",
            help="With --events: which true events count. Default: those of the rules that the alarms were raised by.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a tested model: metrics beside baselines, class by class, from its predictions; needs no GPU."""
    from thermalctl.evaluation.costs import parse_recall, read_costs
    from thermalctl.evaluation.gathering import gather_predictions
    from thermalctl.evaluation.thresholds import check_thresholds, parse_thresholds
    from thermalctl.reports.classification import build_report, report_folder, write_report

    makes_report = confusion or html or cost or recall or output or fail_under is not None
    if events:
        if paths or compare or makes_report:
            raise RequestError(
                "--events judges alarms, not clips: what makes a report of clips does not go with it",
                hint="give --events, --data, --rules and --json alone",
            )
        from thermalctl.cli.event_display import judge_events

        judge_events(events, data, rules, as_json=as_json)
        return
    if data is not None or rules is not None:
        raise RequestError("--data and --rules go with --events", hint="a report of clips needs no dataset")
    if compare is not None and makes_report:
        raise RequestError(
            "--compare shows how two models compare and writes no report: what makes a report does not go with it",
            hint="give them to a report of their own",
        )
    found = gather_predictions(paths or ())
    console.print_note(f"{found.path}  ({found.how})")
    predictions = found.predictions
    if compare is not None:
        _compare(predictions, compare, as_json=as_json)
        return
    costs = read_costs(cost, predictions.classes) if cost is not None else None
    result = build_report(
        predictions,
        costs=costs,
        recalls=[parse_recall(text) for text in recall or ()],
        runs=found.runs,
        spread=found.spread,
    )
    thresholds = parse_thresholds(fail_under, result.judgement.numbers) if fail_under is not None else ()
    files = write_report(result, output or report_folder(found.path), confusion_picture=confusion)
    if html:
        from thermalctl.reports.curves import CURVES_FILE
        from thermalctl.reports.evaluation_page import write_evaluation_page

        files = replace(files, page=files.json.with_name("report.html"))
        assert files.page is not None
        write_evaluation_page(result, predictions, files.page, curves=found.path.parent / CURVES_FILE)
    if as_json:
        console.print_json(result)
    else:
        _show(result, files)
    check_thresholds(result.judgement, thresholds)


def _compare(predictions: Predictions, other: Path, *, as_json: bool) -> None:
    from thermalctl.evaluation.predictions import read_predictions
    from thermalctl.evaluation.runs import find_predictions
    from thermalctl.reports.comparing import compare_models, format_difference
    from thermalctl.reports.judged import format_p

    result = compare_models(predictions, read_predictions(find_predictions(other).path))
    if as_json:
        console.print_json(result)
        return
    overall = result.overall
    console.print_unwrapped(f"first   {result.first}")
    console.print_unwrapped(f"second  {result.second}")
    console.print_line()
    console.print_line(result.sentence, style="bold")
    console.print_line()
    table = console.plain_table("percent", "first", "second", "difference", "p", right=("first", "second"))
    for name, ours, theirs, difference, p in (
        (
            "top-1",
            result.first_top1,
            result.second_top1,
            format_difference(overall.top1, overall.top1_interval),
            overall.mcnemar.p,
        ),
        (
            "mean class",
            result.first_mean_class,
            result.second_mean_class,
            format_difference(overall.mean_class, overall.mean_class_interval),
            overall.mean_class_p,
        ),
    ):
        table.add_row(name, f"{100 * ours:.1f}", f"{100 * theirs:.1f}", difference, format_p(p))
    console.print_table(table)
    console.print_line()
    numbers = ("clips", "first", "second", "only first", "only second")
    table = console.plain_table("recall", *numbers, "p", right=numbers)
    for one in result.classes:
        shares = (f"{100 * one.first:.0f}", f"{100 * one.second:.0f}")
        alone = (str(one.mcnemar.num_first), str(one.mcnemar.num_second))
        table.add_row(one.name, str(one.num_clips), *shares, *alone, format_p(one.mcnemar.p))
    console.print_table(table)
    by_session = [
        f"{name} {format_difference(value, interval)}"
        for name, value, interval in (
            ("top-1", overall.top1, overall.top1_by_session),
            ("mean class", overall.mean_class, overall.mean_class_by_session),
        )
        if interval is not None
    ]
    drawn = "In brackets: 95 % intervals, clips drawn anew"
    if by_session:
        drawn += f"; the {console.count(result.num_sessions, 'session')} drawn anew: {', '.join(by_session)}"
    console.print_remark(f"{drawn}. p: McNemar's exact test; of mean class, random swaps.")


def _show(report: Report, files: ReportFiles) -> None:
    from thermalctl.reports.judged import (
        describe_alarm,
        describe_calibration,
        describe_cost,
        describe_tests,
        list_other_numbers,
        list_rows,
    )
    from thermalctl.reports.text import format_runs

    metrics = report.metrics
    console.print_line(" ".join(report.protocol_text))
    console.print_line()
    if report.verdict:
        console.print_line(report.verdict, style="bold")
        console.print_line()
    scores = console.plain_table("percent", "top-1", "mean class", "F1", "than the model")
    for row in list_rows(metrics, report.judgement, report.baselines):
        scores.add_row(*row)
    console.print_table(scores)
    console.print_line()
    others = console.plain_table("", "")
    for name, value in list_other_numbers(report.judgement):
        others.add_row(name, value)
    console.print_table(others)
    console.print_line()
    for line in format_runs(report.runs):
        console.print_line(line)
    for sentence in report.remarks:
        console.print_line(sentence)
    if report.judgement.references:
        console.print_remark(describe_tests())
    for sentence in describe_calibration(report.calibration):
        console.print_line(sentence)
    for sentence in (*describe_cost(report.cost), *map(describe_alarm, report.operating_points)):
        console.print_line(sentence)
    console.print_line()
    console.print_table(_table_classes(metrics.classes))
    absent = [entry.name for entry in metrics.classes if not entry.num_samples]
    if absent:
        console.print_line(f"no clip: {', '.join(absent)}")
    console.print_line()
    _print_path("report", files.text)
    if files.confusion_picture is not None:
        _print_path("confusion matrix", files.confusion_picture)
    if files.page is not None:
        _print_path("page", files.page)


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
                _describe_mistakes(entry),
            )
    return table


def _describe_mistakes(entry: ClassMetrics) -> str:
    from thermalctl.evaluation.judgement import FEW_CLIPS

    if entry.num_samples == 1:
        return "not evaluable (1 clip)"
    mark = " (few clips)" if entry.num_samples < FEW_CLIPS else ""
    return f"{entry.most_confused_with or '-'}{mark}"
