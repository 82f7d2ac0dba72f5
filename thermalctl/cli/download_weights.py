"""`thermalctl download-weights`: pretrained weights onto this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thermalctl.cli import console
from thermalctl.cli.download_display import progress_bars, show_arrived, show_list, show_next
from thermalctl.cli.options import ForceOption, JsonOption
from thermalctl.errors import RequestError, WeightsError

if TYPE_CHECKING:
    from thermalctl.weights.arrival import FetchedWeights
    from thermalctl.weights.catalog import PretrainedWeights


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
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="Fetch one file from this address: MODEL's, or one whose name ends in its hash.",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch pretrained weights for `train`, resuming what was cut off and verifying what arrived.

    Proxies and certificates are read from HTTPS_PROXY and SSL_CERT_FILE.
    """
    from thermalctl.weights.listing import list_weights
    from thermalctl.weights.store import choose_folder

    if only_list:
        if models or every or folder or from_file or mirror or url or force:
            raise RequestError("--list was given with other options", hint="give --list alone, or with --json")
        listed = list_weights()
        console.print_json(listed) if as_json else show_list(listed, choose_folder())
        return
    if from_file and (every or mirror or url):
        raise RequestError("--from-file takes one file, and no server", hint="give at most one model's name with it")
    if url and (every or mirror):
        other = "--all" if every else "--mirror"
        raise RequestError(f"--url and {other} were both given", hint="--url fetches one file from one address")
    for option, address in (("--url", url), ("--mirror", mirror)):
        if address and not address.startswith(("http://", "https://")):
            raise RequestError(f"{option} {address}: is no address", hint=f"as in {option} https://example.org/weights")
    entries = _choose_entries(models or [], every=every)
    if (from_file or url) and len(entries) > 1:
        raise RequestError(
            f"{'--from-file' if from_file else '--url'} takes one file, not {len(entries)}", hint="name one model"
        )
    if from_file is not None:
        arrived = [_import(from_file, folder, entries, force=force)]
    else:
        try:
            arrived = _fetch(entries, folder, url=url, mirror=mirror, force=force, as_json=as_json)
        except KeyboardInterrupt:
            console.print_note("interrupted; what arrived is kept, the same command goes on from there")
            raise typer.Exit(console.EXIT_INTERRUPTED) from None
    if as_json:
        console.print_json(arrived)
    else:
        show_arrived(arrived)
        show_next(arrived)


def _choose_entries(models: list[str], *, every: bool) -> list[PretrainedWeights]:
    """Return the entries that are named, each once."""
    from thermalctl.weights.catalog import CATALOG, get_entry

    if every and models:
        raise RequestError("--all and a model's name were both given", hint="give one of them")
    return list(CATALOG) if every else list(dict.fromkeys(map(get_entry, models)))


def _import(source: Path, folder: Path | None, entries: list[PretrainedWeights], *, force: bool) -> FetchedWeights:
    from thermalctl.weights.from_file import import_weights
    from thermalctl.weights.store import choose_folder

    return import_weights(source, folder or choose_folder(), entry=entries[0] if entries else None, force=force)


def _fetch(
    entries: list[PretrainedWeights],
    folder: Path | None,
    *,
    url: str | None,
    mirror: str | None,
    force: bool,
    as_json: bool,
) -> list[FetchedWeights]:
    """Return the weights of all entries; if one cannot be had, those before it are shown first."""
    from thermalctl.weights.catalog import DEFAULT_WEIGHTS, get_entry
    from thermalctl.weights.download import fetch_named, fetch_weights, get_file_name
    from thermalctl.weights.store import choose_folder, find_folder

    arrived = []
    try:
        with progress_bars() as add:
            if url and not entries:
                return [fetch_named(url, folder or choose_folder(), force=force, on_progress=add(get_file_name(url)))]
            for entry in entries or [get_entry(DEFAULT_WEIGHTS)]:
                arrived.append(
                    fetch_weights(
                        entry,
                        folder or find_folder(entry),
                        url=url,
                        mirror=mirror,
                        force=force,
                        on_progress=add(entry.name),
                    )
                )
    except (WeightsError, KeyboardInterrupt):
        if not as_json:
            show_arrived(arrived)
        raise
    return arrived
