"""A bar for work whose length is known, drawn on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from thermalctl.cli import console


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function (done, in all) that moves a bar on standard error."""
    with show_stages(what) as (on_progress, _):
        yield on_progress


@contextmanager
def show_stages(first: str) -> Iterator[tuple[Callable[[int, int], None], Callable[[str], None]]]:
    """Yield a function (done, in all) that moves a bar on standard error, and one that names what comes next."""
    screen = console.stderr()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task = progress.add_task(first, total=None, visible=False)  # notes that come before would be drawn over
        yield (
            lambda done, total: progress.update(task, completed=done, total=total, visible=True),
            lambda stage: progress.reset(task, description=stage, total=None, visible=True),
        )
