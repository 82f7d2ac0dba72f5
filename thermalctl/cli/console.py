"""The only printer. Standard output is the result; progress, notes and errors go to standard error."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from thermalctl.errors import ThermalctlError

#: Exit code of a command stopped with Ctrl-C, as shells report it.
EXIT_INTERRUPTED = 130
#: Width where there is no terminal to ask, as in a pipe or a log.
PLAIN_WIDTH = 80

_STATUS_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "error": "bold red", "skipped": "dim"}


def replace_closed_streams() -> None:
    """Give Python streams that lead nowhere where it has none: a service may be started with them closed."""
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w")
    sys.stderr = sys.stderr or nowhere.open("w")


def stdout() -> Console:
    """Return the console for results."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=False, width=_width(sys.stdout.isatty()))


def stderr() -> Console:
    """Return the console for progress, notes and errors."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=False, width=_width(sys.stderr.isatty()))


def print_line(text: str = "", *, style: str | None = None) -> None:
    """Print one paragraph of the result, wrapped at the terminal's width."""
    stdout().print(Text(text, style=style or ""))


def print_unwrapped(text: str) -> None:
    """Print a line of the result that must survive being copied, as one with a path or a command in it."""
    stdout().print(Text(text), soft_wrap=True)


def print_table(table: Table) -> None:
    """Print a table of the result."""
    stdout().print(table)


def print_note(text: str) -> None:
    """Print a remark to standard error; wrapped at words, but for a command, which must survive being copied."""
    console = stderr()
    console.print(Text(text, style="dim"), soft_wrap=_stays_whole(text, console))


def print_remark(sentence: str) -> None:
    """Print a sentence to standard error, wrapped at its width."""
    stderr().print(Text(sentence, style="dim"))


def print_json(value: Any) -> None:
    """Print a result dataclass (or plain values) as JSON, the whole of standard output."""
    print(json.dumps(to_plain(value), indent=2, ensure_ascii=False, allow_nan=False))  # noqa: T201


def print_error(error: ThermalctlError) -> None:
    """Print an expected error: what is wrong, then what to do next."""
    console = stderr()
    console.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=not console.is_terminal)
    if error.hint:
        console.print(f"[bold]hint:[/]  {escape(error.hint)}", soft_wrap=_stays_whole(error.hint, console))


def plain_table(*headers: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty borderless table with these column headers; those named in `right` are right-aligned."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(headers))
    for header in headers:
        if header in right:
            table.add_column(header, justify="right", no_wrap=True)
        else:
            table.add_column(header, overflow="fold")
    return table


def style_status(status: str) -> Text:
    """Return a finding's status ("ok", "warning", "failed", "error", "skipped") in its colour."""
    return Text(status, style=_STATUS_STYLES.get(status, ""))


def to_plain(value: Any) -> Any:
    """Return dataclasses, paths, numpy scalars and arrays as plain JSON values; a number that is none becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy, without importing it
        return to_plain(value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def find_exit_code(interruption: KeyboardInterrupt) -> int:
    """Return the exit code of an interrupted command: 130, or what the signal says that a training was ended by."""
    return int(getattr(interruption, "exit_code", EXIT_INTERRUPTED))


def count(number: int, what: str) -> str:
    """Return a number of things in words: "1 epoch", "2 epochs"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _stays_whole(text: str, console: Console) -> bool:
    """Return whether a text is not to be wrapped: it holds a command, or nobody watches."""
    return "thermalctl " in text or not console.is_terminal


def _width(is_terminal: bool) -> int | None:
    """Return the width to print at: None lets rich ask the terminal (it honours COLUMNS)."""
    return None if is_terminal or os.environ.get("COLUMNS") else PLAIN_WIDTH
