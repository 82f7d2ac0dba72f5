"""`thermalctl doctor`: is this machine ready?"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.status import Status
from rich.text import Text

from thermalctl.cli import console
from thermalctl.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from thermalctl.environment.diagnosis import Check, Diagnosis

#: Columns of the status and of the name; remarks are indented under what was found.
_STATUS_WIDTH, _NAME_WIDTH = 8, 17


def doctor(
    data: DataOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Let a warning count as a failure.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write all that was found to a text file, to attach to a bug.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check whether this machine is ready to train: packages, GPU, weights, dataset, disk; with a fix for each fault.

    Exit code 0 if this machine has all that `train` needs but a dataset, else 1.
    """
    from thermalctl.environment.checks import run_checks
    from thermalctl.environment.diagnosis import describe_host
    from thermalctl.environment.support import write_report

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what is found must be told on any terminal
    if not as_json:
        console.print_line(describe_host())
        console.print_line()
    with _Waiting() as waiting:

        def tell(check: Check) -> None:
            waiting.end()
            if not as_json:
                _show_check(check)

        diagnosis = run_checks(data=data, on_check=tell, on_wait=waiting.begin)
    if as_json:
        console.print_json(diagnosis)
    else:
        console.print_line()
        for sentence in _conclude(diagnosis):
            console.print_line(sentence)
    if report:
        path = write_report(diagnosis)
        console.print_note(f"written: {path}; read it through before you attach it")
    if not diagnosis.ready or (strict and diagnosis.num_warnings):
        raise typer.Exit(1)


class _Waiting:
    """Says on a terminal what is waited for, below what has been told; a context manager."""

    def __init__(self) -> None:
        self._screen = console.stderr()
        self._status: Status | None = None

    def begin(self, what: str) -> None:
        """Show that `what` is waited for."""
        self.end()
        if self._screen.is_terminal:
            self._status = self._screen.status(f"waiting for {what} ...")
            self._status.start()

    def end(self) -> None:
        """Clear the line: rich, while it draws there, would send what is printed the same way, file or not."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __enter__(self) -> _Waiting:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()


def _show_check(check: Check) -> None:
    first = Text.assemble(_pad(console.style_status(check.status), _STATUS_WIDTH), _pad(Text(check.name), _NAME_WIDTH))
    _print_hanging(first, Text(check.found))
    indent = Text(" " * _STATUS_WIDTH)
    # A command is not wrapped, it must survive being copied: a fix is one, and so is where to read on about what is ok.
    if check.why and check.status == "ok":
        console.stdout().print(Text.assemble(indent, (check.why, "dim")), soft_wrap=True)
    elif check.why:
        _print_hanging(indent, Text(check.why, style="dim"))
    if check.fix:
        console.stdout().print(Text.assemble(indent, ("fix: ", "bold"), check.fix), soft_wrap=True)


def _pad(text: Text, width: int) -> Text:
    text.pad_right(max(1, width - len(text)))
    return text


def _print_hanging(first: Text, text: Text) -> None:
    """Print a text after its beginning, each further line below the text's first."""
    screen = console.stdout()
    lines = text.wrap(screen, max(20, screen.width - len(first)), overflow="fold")
    for number, line in enumerate(lines):
        line.rstrip()
        screen.print(Text.assemble(first if number == 0 else " " * len(first), line), soft_wrap=True)


def _conclude(diagnosis: Diagnosis) -> list[str]:
    """Return what the checks come to, in a sentence or two."""
    failed, warned = diagnosis.list_names("failed"), diagnosis.list_names("warning")
    counts = [f"{len(failed)} failed ({', '.join(failed)})"] if failed else []
    if warned:
        counts.append(f"{len(warned)} warning{'s' if len(warned) > 1 else ''} ({', '.join(warned)})")
    if failed:
        lines = "the failed line is" if len(failed) == 1 else "the failed lines are"
        verdict = f"Training can start once {lines} fixed."
    else:
        verdict = f"Training can start, on the {'GPU' if diagnosis.device == 'cuda' else 'CPU'}."
    sentences = [f"{', '.join(counts) or 'All is well'}. {verdict}"]
    if "dataset" in diagnosis.list_names("skipped"):
        sentences.append("It still needs a dataset: train --data DIR (`thermalctl demo` makes one).")
    return sentences
