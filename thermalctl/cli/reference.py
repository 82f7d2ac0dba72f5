"""The command-line reference, made from the commands themselves: `python -m thermalctl.cli.reference docs/cli.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from thermalctl.cli.app import app

_HEAD = """# Command line

Made from the commands' own help by `make docs`; do not edit.

Standard output is the result, as text or with `--json` as JSON; progress, notes and errors go to standard error.
Exit codes: 0 done; 1 what was asked for did not hold; 2 the request or its input is wrong; 130 interrupted.
`thermalctl --debug COMMAND` shows the traceback of an expected error.
"""


def write_reference() -> str:
    """Return the reference of every command as Markdown."""
    group: Any = typer.main.get_command(app)
    return "\n".join([_HEAD, *(_describe(name, command) for name, command in list_commands(group))])


def list_commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (name, command), those of a group of commands by both names."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from list_commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _describe(name: str, command: Any) -> str:
    arguments = [param for param in command.params if param.param_type_name == "argument" and not param.hidden]
    usage = " ".join(["thermalctl", name, *(f"[{_find_metavar(param)}]" for param in arguments), "[OPTIONS]"])
    rows = [f"| `{_escape(_find_metavar(param))}` | {_escape(param.help)} |" for param in arguments]
    rows += [
        f"| `{_escape(_spell(param))}` | {_escape(param.help)}{_say_default(param)} |"
        for param in command.params
        if param.param_type_name == "option" and not param.hidden and param.name != "help"
    ]
    table = ["| option | meaning |", "| --- | --- |", *rows] if rows else []
    return "\n".join([f"## `{usage}`", "", inspect.cleandoc(command.help or ""), "", *table, ""])


def _spell(option: Any) -> str:
    names = ", ".join(option.opts)
    if option.is_flag:
        return " / ".join([names, *option.secondary_opts])
    return f"{names} {_find_metavar(option)}"


def _find_metavar(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _say_default(option: Any) -> str:
    is_said = option.is_flag or option.default is None or "Default:" in (option.help or "")
    return "" if is_said else f" Default: {getattr(option.default, 'value', option.default)}."


def _escape(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(write_reference(), encoding="utf-8")
