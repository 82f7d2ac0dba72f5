"""`thermalctl doctor`: is this machine ready?"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from thermalctl.cli import console
from thermalctl.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from thermalctl.environment.diagnosis import Check, Diagnosis

#: Columns of the status and of the name; remarks are indented under what was found.
_STATUS_WIDTH, _NAME_WIDTH = 7, 16
_INDENT = _STATUS_WIDTH + 1


def doctor(
    data: DataOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Let a warning count as a failure.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check whether this machine is ready to train: packages, GPU, weights, dataset, disk; with a fix for each fault.

    Exit code 0 if all that `train` needs is there, else 1.
    """
    from thermalctl.environment.checks import run_checks

    screen = console.stderr()
    waiting = screen.status("importing torch and MMAction2 in the background ...") if screen.is_terminal else None
    with waiting or nullcontext():
        diagnosis = run_checks(data=data)
    console.print_json(diagnosis) if as_json else _show(diagnosis)
    if not diagnosis.ready or (strict and diagnosis.num_warnings):
        raise typer.Exit(1)


def _show(diagnosis: Diagnosis) -> None:
    console.print_line(f"thermalctl {diagnosis.version} · Python {diagnosis.python} · {diagnosis.system}")
    console.print_line()
    for check in diagnosis.checks:
        _show_check(check)
    console.print_line()
    console.print_line(_conclude(diagnosis))


def _show_check(check: Check) -> None:
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(width=_STATUS_WIDTH)
    line.add_column(width=_NAME_WIDTH)
    line.add_column(overflow="fold")
    line.add_row(console.style_status(check.status), check.name, check.found)
    screen = console.stdout()
    screen.print(line)
    if check.why:
        screen.print(Padding(Text(check.why, style="dim"), (0, 0, 0, _INDENT)))
    if check.fix:
        # Not wrapped: a command must survive being copied.
        screen.print(Text.assemble(" " * _INDENT, ("fix: ", "bold"), check.fix), soft_wrap=True)


def _conclude(diagnosis: Diagnosis) -> str:
    """Return what the checks come to, in a sentence or two."""
    device = "the GPU" if diagnosis.device == "cuda" else "the CPU"
    if diagnosis.num_failed:
        lines = "the failed line is" if diagnosis.num_failed == 1 else "the failed lines are"
        verdict = f"Training can start once {lines} fixed."
    else:
        verdict = f"Training can start, on {device}."
    counts = [f"{diagnosis.num_failed} failed"] if diagnosis.num_failed else []
    if diagnosis.num_warnings:
        counts.append(f"{diagnosis.num_warnings} warning{'s' if diagnosis.num_warnings > 1 else ''}")
    return f"{', '.join(counts) or 'All is well'}. {verdict}"
