"""Flags of how long and how fast a model learns, and from which weights."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Learning"

EpochsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Length of training; warm-up and decay are stretched with it.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]


def _parse_batch_size(text: str) -> int | str:
    if text == "auto" or text.isdigit():
        return text if text == "auto" else int(text)
    raise typer.BadParameter(f"{text!r} is neither a number nor auto")


BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        parser=_parse_batch_size,
        metavar="N|auto",
        help="Clips per step; auto: what fits of the configuration's own, the rest by --accumulate.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
LrOption = Annotated[
    float | None,
    typer.Option("--lr", metavar="RATE", help="Learning rate.", rich_help_panel=PANEL, show_default=False),
]
BackboneLrMultOption = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="The backbone's rate, as a multiple of --lr.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
WarmupEpochsOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Epochs of rising rate.", rich_help_panel=PANEL, show_default=False),
]
AutoScaleLrOption = Annotated[
    bool,
    typer.Option(
        "--auto-scale-lr",
        help="Multiply the rate by batch size / the configuration's base batch size.",
        rich_help_panel=PANEL,
    ),
]
DropoutOption = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Dropout of the head, 0 to 1.", rich_help_panel=PANEL, show_default=False),
]
LoadFromOption = Annotated[
    str | None,
    typer.Option(
        "--load-from",
        metavar="NAME|FILE|URL|none",
        help='Weights to start from: one of `download-weights --list`, a file, a URL, or "none" for random ones.',
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
