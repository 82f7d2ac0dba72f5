"""What `thermalctl predict` is asked for: whether it is one thing, and whether each option has an effect on it."""

from __future__ import annotations

from typing import Any

import typer

from thermalctl.errors import RequestError

#: What options are of, where not of all that can be predicted.
_KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("output", "formats", "timeline", "animation", "workers", "launcher", "force"), ("recordings",)),
    **dict.fromkeys(("stride", "stride_s", "max_gap", "events"), ("recordings", "stream")),
    "batch_size": ("recordings",),
    "as_json": ("recordings", "sample", "at"),
    "picture": ("sample", "at"),
    "data": ("sample",),
    "start": ("recordings", "at"),
}


def check_request(context: typer.Context) -> None:
    """Check that what is to be predicted is named, once, and that no option is without effect.

    Raises:
        RequestError: if it is not so.
    """
    given = {param.name: param.opts[0] for param in context.command.params if _is_given(context, param.name)}
    num_recordings = len(context.params["recordings"] or ())
    named = [kind for kind in ("recordings", "sample", "at", "stream") if kind in given]
    if "at" in named and num_recordings:
        named.remove("recordings")
    if not named:
        raise RequestError(
            "nothing to predict was named",
            hint="as in: thermalctl predict recording.h5, or --sample ID, or --stream ndjson",
        )
    if len(named) > 1:
        names = " and ".join("RECORDINGS" if kind == "recordings" else f"--{kind}" for kind in named)
        raise RequestError(f"{names} name different things to predict", hint="give one of them")
    if named == ["at"] and num_recordings != 1:
        raise RequestError(
            "--at is a frame of one recording", hint=f"thermalctl predict recording.h5 --at {context.params['at']}"
        )
    for name, option in given.items():
        kinds = _KINDS.get(name or "", named)
        if named[0] not in kinds:
            wanted = " or ".join("recordings" if kind == "recordings" else f"--{kind}" for kind in kinds)
            raise RequestError(f"{option} is for {wanted}: here it would be without effect", hint="leave it out")
        if name in ("formats", "timeline", "animation", "force") and context.params["output"] is None:
            raise RequestError(f"{option}: where to?", hint="name a folder: --output DIR")


def _is_given(context: typer.Context, name: str | None) -> bool:
    source = context.get_parameter_source(name or "")
    return source is not None and source.name == "COMMANDLINE"


def choose_formats(wanted: list[str] | None) -> tuple[Any, ...]:
    """Return the formats to write, each once.

    Raises:
        RequestError: if one is unknown.
    """
    known = ("csv", "jsonl", "hdf5", "coco")
    chosen = tuple(dict.fromkeys(part for text in wanted or ["csv"] for part in text.split(",")))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise RequestError(f"--format {unknown[0]}: no such format", hint=f"one of {', '.join(known)}")
    return chosen
