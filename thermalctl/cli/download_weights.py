"""`thermalctl download-weights`: pretrained weights onto this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from thermalctl.cli import console
from thermalctl.cli.options import ForceOption, JsonOption
from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from thermalctl.weights.catalog import PretrainedWeights
    from thermalctl.weights.download import FetchedWeights
    from thermalctl.weights.listing import ListedWeights
    from thermalctl.weights.transfer import OnProgress

_STATUS_STYLES = {"verified": "green", "damaged": "bold red", "absent": "dim"}


def download_weights(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Names, as --list shows them. Default: the one that `train` uses."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Fetch every model of the list.")] = False,
    only_list: Annotated[bool, typer.Option("--list", help="Show the models, and which are here.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            "--checkpoint-dir",
            metavar="DIR",
            help="Where they go. Default: checkpoints/ if the current folder has one, else your cache folder.",
            show_default=False,
        ),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from-file",
            metavar="FILE",
            help="Take a file that was fetched elsewhere; no network.",
            show_default=False,
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror",
            metavar="URL",
            help="Fetch from another server. Default: $THERMALCTL_MIRROR.",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch pretrained weights for `train`, resuming what was cut off and verifying what arrived.

    Proxies and certificates are read from HTTPS_PROXY and SSL_CERT_FILE.
    """
    from thermalctl.weights.download import fetch_weights, import_weights
    from thermalctl.weights.listing import list_weights
    from thermalctl.weights.store import choose_folder

    if only_list:
        if models or every or folder or from_file or mirror or force:
            raise RequestError("--list was given with other options", hint="give --list alone, or with --json")
        listed = list_weights()
        console.print_json(listed) if as_json else _show_list(listed, choose_folder())
        return
    if from_file and (every or mirror or len(models or []) > 1):
        raise RequestError("--from-file takes one file, and no server", hint="give at most one model's name with it")
    entries = _choose_entries(models or [], every=every, is_import=from_file is not None)
    target = folder or choose_folder()
    if from_file is not None:
        arrived = [import_weights(from_file, target, entry=entries[0] if entries else None, force=force)]
    else:
        with _progress_bars() as show:
            arrived = [
                fetch_weights(entry, target, mirror=mirror, force=force, on_progress=show(entry.name))
                for entry in entries
            ]
    console.print_json(arrived) if as_json else _show_arrived(arrived)


def _choose_entries(models: list[str], *, every: bool, is_import: bool) -> list[PretrainedWeights]:
    """Return the entries that are meant; none for a file that says by its content which it is."""
    from thermalctl.weights.catalog import CATALOG, DEFAULT_WEIGHTS, get_entry

    if every:
        if models:
            raise RequestError("--all and a model's name were both given", hint="give one of them")
        return list(CATALOG)
    if not models and is_import:
        return []
    return [get_entry(name) for name in dict.fromkeys(models or [DEFAULT_WEIGHTS])]


@contextmanager
def _progress_bars() -> Iterator[Callable[[str], OnProgress]]:
    """Yield a function that adds a bar of that name and returns what moves it; drawn on a terminal only."""
    screen = console.stderr()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:

        def add(name: str) -> OnProgress:
            task = progress.add_task(name, total=None)
            return lambda num_here, num_total: progress.update(task, completed=num_here, total=num_total)

        yield add


def _show_list(listed: list[ListedWeights], folder: Path) -> None:
    table = console.plain_table("model", "frames", "top-1", "MB", "here", right=("top-1", "MB"))
    for item in listed:
        entry = item.entry
        table.add_row(
            entry.name,
            entry.clip.partition(" frames")[0],
            f"{entry.kinetics400_top1:.2f}",
            f"{entry.approximate_size / 1e6:.0f}",
            Text(item.status, style=_STATUS_STYLES[item.status]),
        )
    console.print_table(table)
    console.print_note("\ntop-1: percent on Kinetics-400's validation videos, as MMAction2 publishes it.")
    for item in listed:
        if item.path is not None:
            console.print_unwrapped(f"{item.entry.name}: {_shorten(item.path)}")
    console.print_note(f"New ones go to {_shorten(folder)}")
    console.print_note("next: thermalctl download-weights MODEL")


def _show_arrived(arrived: list[FetchedWeights]) -> None:
    for weights in arrived:
        how = "already here" if weights.status == "present" else weights.status
        console.print_line(f"{weights.name}: {how}, {weights.num_bytes:,} bytes, verified")
        console.print_unwrapped(f"  {_shorten(weights.path)}")
    console.print_note(f"next: thermalctl train --load-from {_get_load_from(arrived[0])}")


def _get_load_from(weights: FetchedWeights) -> str:
    """Return what `train` finds the weights by: their name, or their path where that is no place it looks in."""
    from thermalctl.weights.store import find_weights

    found = find_weights(weights.name)
    is_found = found is not None and found.resolve() == weights.path.resolve()
    return weights.name if is_found else str(_shorten(weights.path))


def _shorten(path: Path) -> Path:
    """Return the path from the current folder where it lies below that."""
    whole = path.resolve()
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else path
