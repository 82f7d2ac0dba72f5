"""Options that take several values in a row, as a shell's `--recordings frames/*.h5` makes of one."""

from __future__ import annotations

from typing import Any

import typer.core


def taking_many(*options: str) -> type[typer.core.TyperCommand]:
    """Return a command class whose `options` take every value up to the next option; click itself takes one each."""

    class ManyValuesCommand(typer.core.TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return super().parse_args(ctx, repeat_option(args, frozenset(options)))

    return ManyValuesCommand


def repeat_option(args: list[str], options: frozenset[str]) -> list[str]:
    """Return `--a 1 2 3` as `--a 1 --a 2 --a 3` for each of `options`."""
    repeated: list[str] = []
    option, num_values = None, 0
    for argument in args:
        if argument.startswith("-") and argument != "-":
            option, num_values = (argument if argument in options else None), 0
        elif option is not None:
            num_values += 1
            if num_values > 1:
                repeated.append(option)
        repeated.append(argument)
    return repeated
