"""`thermalctl inspect-dataset`: what a dataset holds and what to mend before training."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thermalctl.cli import console
from thermalctl.cli.inspection_display import show_report
from thermalctl.cli.options import DataOption, ForceOption, JsonOption
from thermalctl.cli.progress import show_stages
from thermalctl.errors import DatasetError, RecordingError, RequestError

if TYPE_CHECKING:
    from thermalctl.dataset.layout import FoundDataset
    from thermalctl.reports.inspection import DatasetReport, Section


#: How many problems of a broken dataset are printed.
_MAX_PROBLEMS = 25


class SectionName(str, Enum):
    """A part of the inspection, as `reports.inspection.Section`; typer takes a list of these only as an enumeration."""

    STRUCTURE = "structure"
    LEAKAGE = "leakage"
    HEALTH = "health"
    STATISTICS = "statistics"
    LEARNABILITY = "learnability"
    LABELS = "labels"


def inspect_dataset(
    data: DataOption = None,
    frame_window: Annotated[int, typer.Option("--frame-window", min=1, help="Frames in a clip.", metavar="T")] = 64,
    only: Annotated[
        list[SectionName] | None, typer.Option("--only", help="Nothing but these parts.", show_default=False)
    ] = None,
    skip: Annotated[
        list[SectionName] | None,
        typer.Option(
            "--skip",
            help="All but these parts; learnability and labels grow trees, which takes longest.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write a page with plots and thermal pictures too.", show_default=False
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on an error or a leak.")] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a dataset holds and what to mend before training on it."""
    from thermalctl.dataset.layout import find_dataset

    if only and skip:
        raise RequestError("--only and --skip were both given", hint="give one of them")
    if html is not None and html.exists() and not force:
        raise RequestError(f"{html}: exists already", hint="name another file, or replace it with --force")
    found = find_dataset(data)
    try:
        report = _report(found, _choose_sections(only, skip), frame_window)
    except (DatasetError, RecordingError) as error:
        problems = (error.problems if isinstance(error, DatasetError) else ()) or (error.message,)
        if len(problems) == 1 and not as_json:
            raise
        _show_problems(problems, error.hint, found.layout.root, as_json=as_json)
        raise typer.Exit(error.exit_code) from error
    if html is not None:
        from thermalctl.recordings.guarded import run_guarded
        from thermalctl.reports.inspection_page import write_inspection_page

        run_guarded(write_inspection_page, report, html)
        console.print_note(f"written: {html}")
    if as_json:
        more = {"sections": report.sections, "learnability": report.learnability, "suspects": report.suspects}
        console.print_json(console.to_plain(report.inspection) | {"findings": report.findings} | more)
    else:
        show_report(report, how=found.how)
    if strict and not report.holds:
        raise typer.Exit(1)


def _choose_sections(only: list[SectionName] | None, skip: list[SectionName] | None) -> tuple[Section, ...]:
    from thermalctl.reports.inspection import SECTIONS

    return tuple(section for section in SECTIONS if (section in only if only else section not in (skip or ())))


def _report(found: FoundDataset, sections: tuple[Section, ...], frame_window: int) -> DatasetReport:
    """Return the inspection, made in another process: a damaged recording can end the one that reads it."""
    from thermalctl.recordings.guarded import run_guarded
    from thermalctl.reports.inspection import report_dataset

    with show_stages("reading recordings") as (on_progress, on_stage):
        return run_guarded(
            report_dataset,
            found.layout,
            window_frames=frame_window,
            sections=sections,
            num_cores=max(1, (os.cpu_count() or 1) - 1),  # a second process gains nothing where one core is busy
            told={"on_progress": on_progress, "on_stage": on_stage},
        )


def _show_problems(problems: tuple[str, ...], hint: str | None, root: Path, *, as_json: bool) -> None:
    """Print the problems of a dataset that cannot be read."""
    if as_json:
        console.print_json({"root": root, "problems": problems, "hint": hint})
        return
    console.print_line(f"{root}: {len(problems)} problems", style="bold")
    for problem in problems[:_MAX_PROBLEMS]:
        console.print_unwrapped(problem)
    if len(problems) > _MAX_PROBLEMS:
        console.print_line(f"and {len(problems) - _MAX_PROBLEMS} more; all of them with --json")
    console.print_note(f"hint: {hint}")
