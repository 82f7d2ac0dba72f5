"""Flags of how pretrained weights are carried over."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Pretrained weights"

FreezeBackboneOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="For few clips: only the head learns for N epochs. The guide: 10; 0: off.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
FreezeStagesOption = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        help="Freeze just the stem and the K lowest stages, 1 to 4. Default: all.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
UnfreezeEveryOption = Annotated[
    int | None,
    typer.Option(
        metavar="M",
        help="Then unfreeze a stage every M epochs, if the loss jumps when all do.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
FreezeBnOption = Annotated[
    bool,
    typer.Option(
        "--freeze-bn",
        help="For batches of a few clips: keep the backbone's batch statistics.",
        rich_help_panel=PANEL,
    ),
]
LayerDecayOption = Annotated[
    float | None,
    typer.Option(
        metavar="D",
        help="Each stage learns at D times the rate of the one above it, as 0.7.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
EmaOption = Annotated[
    float | None,
    typer.Option(
        "--ema",
        metavar="DECAY",
        help="Validate and save averaged weights, as 0.999, if scores jump about.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
