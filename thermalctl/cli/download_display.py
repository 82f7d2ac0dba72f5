"""What `download-weights` shows: the list, bars on a terminal, and what has arrived."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column
from rich.text import Text

from thermalctl.cli import console

if TYPE_CHECKING:
    from thermalctl.weights.arrival import FetchedWeights
    from thermalctl.weights.listing import ListedWeights
    from thermalctl.weights.transfer import OnProgress

_PLACES = {"checkpoints": "checkpoints/", "cache": "cache", None: "-"}
_JUDGEMENTS = {"verified": ("yes", "green"), "damaged": ("no", "bold red"), "absent": ("-", "dim")}
#: As wide as the catalog's longest name; a longer file name is cut, or the bar would not fit 80 columns.
_NAME_WIDTH = 29


@contextmanager
def progress_bars() -> Iterator[Callable[[str], OnProgress]]:
    """Yield a function that adds a bar of that name and returns what moves it; drawn on a terminal only.

    What the download has to say meanwhile, as that it tries again, is printed above the bars.
    """
    screen = console.stderr()
    columns = (
        TextColumn("{task.description}", table_column=Column(max_width=_NAME_WIDTH, no_wrap=True)),
        BarColumn(bar_width=None),
        DownloadColumn(table_column=Column(no_wrap=True)),
        TransferSpeedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
    )
    with (
        Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress,
        _remarks_on(progress.console),
    ):

        def add(name: str) -> OnProgress:
            task = progress.add_task(name, total=None, visible=False)
            # A bar that has nothing to show yet would stand above the remark that another process is waited for.
            return lambda num_here, num_total: progress.update(task, completed=num_here, total=num_total, visible=True)

        yield add


@contextmanager
def _remarks_on(screen: Console) -> Iterator[None]:
    """Print what the weights room logs as remarks on `screen`."""

    class Remarks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            screen.print(Text(record.getMessage(), style="yellow"), soft_wrap=not screen.is_terminal)

    logger = logging.getLogger("thermalctl.weights")
    handler = Remarks(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def show_list(listed: list[ListedWeights], folder: Path) -> None:
    """Print the catalog, two lines an entry: all that is said of one would not fit 80 columns."""
    table = console.plain_table("name\n  model, input", "top-1", "size", "where", "verified", right=("top-1", "size"))
    for item in listed:
        entry = item.entry
        judgement, style = _JUDGEMENTS[item.status]
        table.add_row(
            f"{entry.name}\n  {entry.architecture}, {entry.input}",
            f"{entry.kinetics400_top1:.2f}",
            _describe_size(item),
            _PLACES[item.place],
            Text(judgement, style=style),
        )
    console.print_table(table)
    here = [item for item in listed if item.path is not None]
    if here:
        console.print_line()
    for item in here:
        assert item.path is not None
        console.print_unwrapped(f"{item.entry.name}: {shorten(item.path)}")
    console.print_remark(
        "\ninput: 32x2 is 32 frames, every second one of the video; the 4x16 or 8x8 in a SlowFast's name is what its "
        "slow pathway sees of them. top-1: percent on Kinetics-400's validation videos, as MMAction2 publishes it. "
        'Sizes after "about" are estimated from the number of parameters.'
    )
    console.print_note(f"New ones go to {shorten(folder)}{os.sep}")
    damaged = next((item.entry.name for item in here if item.status == "damaged"), None)
    absent = next((item.entry.name for item in listed if item.path is None), None)
    if damaged:
        console.print_note(f"next: thermalctl download-weights {damaged} --force")
    elif absent:
        console.print_note(f"next: thermalctl download-weights {absent}")


def show_arrived(arrived: list[FetchedWeights]) -> None:
    """Print what lies where."""
    for weights in arrived:
        how = "already here" if weights.status == "present" else weights.status
        console.print_line(f"{weights.name}: {how}, {weights.num_bytes:,} bytes, verified")
        console.print_unwrapped(f"  {shorten(weights.path)}")


def show_next(arrived: list[FetchedWeights]) -> None:
    """Print how to train from what arrived: the command, where a shipped configuration starts from it."""
    from thermalctl.weights.catalog import find_entry

    entries = {weights.name: find_entry(weights.name) for weights in arrived}
    for weights in arrived:
        entry = entries[weights.name]
        if entry is not None and entry.config is not None:
            load_from = _get_load_from(weights)
            # By its name, the configuration starts from it anyway.
            options = "" if load_from == entry.name else f" --load-from {shlex.quote(load_from)}"
            console.print_note(f"next: thermalctl train --config {entry.config}{options}")
            return
    entry = entries[arrived[0].name]
    model = f"of {entry.architecture}, as MMAction2's {entry.mmaction2_name}" if entry else "of its network"
    console.print_note(f"to start from it: load_from = {_get_load_from(arrived[0])!r} in a configuration {model}")


def shorten(path: Path) -> Path:
    """Return the path from the current folder where it lies below that."""
    whole = path.resolve()
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else path


def _describe_size(item: ListedWeights) -> str:
    if item.num_bytes is not None:
        return f"{item.num_bytes / 1e6:.0f} MB"
    return f"about {item.approximate_num_bytes / 1e6:.0f} MB"


def _get_load_from(weights: FetchedWeights) -> str:
    """Return what `train` finds the weights by: their name, or their path where that is no place it looks in."""
    from thermalctl.weights.store import find_weights

    found = find_weights(weights.name)
    is_found = found is not None and found.resolve() == weights.path.resolve()
    return weights.name if is_found else str(shorten(weights.path))
