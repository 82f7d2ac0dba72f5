"""Flags of what the model sees of a clip."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

PANEL = "Clips"

TargetOption = Annotated[
    Literal["frame", "person"] | None,
    typer.Option(
        help="Judge keyframes as a whole, or each person in them, in a square crop.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
FramesOption = Annotated[
    int | None, typer.Option(metavar="T", help="Frames in a clip.", rich_help_panel=PANEL, show_default=False)
]
TimeOption = Annotated[
    Literal["consecutive", "uniform"] | None,
    typer.Option(
        help="Frames as they came, or evenly over --seconds by arrival time.", rich_help_panel=PANEL, show_default=False
    ),
]
SecondsOption = Annotated[
    float | None,
    typer.Option(metavar="S", help="How long a uniform clip lasts.", rich_help_panel=PANEL, show_default=False),
]
TemperaturesOption = Annotated[
    Literal["absolute", "relative"] | None,
    typer.Option(
        help="As recorded, or above the room, the clip's median: for rooms of any temperature.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
PersonCropOption = Annotated[
    Literal["follow", "fixed"] | None,
    typer.Option(
        help="--target person: go with them through the clip, or stay where the keyframe has them.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
PersonMarginOption = Annotated[
    float | None,
    typer.Option(
        metavar="M",
        help="--target person: side of the crop, as a multiple of their box's longer side.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
PersonMinPxOption = Annotated[
    float | None,
    typer.Option(
        metavar="PX",
        help="--target person: the crop's least side in the sensor's pixels; 24 shows all in one scale.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
