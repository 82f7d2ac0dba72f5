"""Flags of how unequal classes are evened out."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

PANEL = "Unequal classes"

ClassWeightsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="none, inverse, effective (rare classes count more), or your own from JSON or CSV.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
LossOption = Annotated[
    Literal["cross-entropy", "focal", "balanced-softmax", "logit-adjusted"] | None,
    typer.Option(
        metavar="NAME",
        help="cross-entropy; focal, where most clips are easy; balanced-softmax or logit-adjusted, where classes are "
        "very unequal, instead of weights.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
FocalGammaOption = Annotated[
    float | None,
    typer.Option(
        metavar="G",
        help="With --loss focal: higher to learn less from easy clips. [2.0]",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
FocalAlphaOption = Annotated[
    float | None,
    typer.Option(metavar="A", help="With --loss focal: its factor. [0.25]", rich_help_panel=PANEL, show_default=False),
]
TauOption = Annotated[
    float | None,
    typer.Option(
        metavar="T",
        help="With --loss logit-adjusted: less than 1 favours rare classes less. [1.0]",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
LabelSmoothingOption = Annotated[
    float | None,
    typer.Option(
        metavar="E",
        help="Spread this share of each label over all classes that occur; for labels in doubt.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
SamplerOption = Annotated[
    Literal["natural", "balanced", "sqrt"] | None,
    typer.Option(
        metavar="NAME",
        help="natural; balanced, every class equally often, instead of weights; sqrt, half-way between.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
OversampleOption = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Draws per epoch, times the number of clips; 2.0 for a small dataset.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
