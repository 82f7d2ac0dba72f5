"""Flags of several trainings at once: what one seed or one split cannot tell."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

PANEL = "Several runs"

SeedsOption = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="Train once with each seed: how far apart are runs that differ in luck only?",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
FoldsOption = Annotated[
    str | None,
    typer.Option(
        metavar="K|DIR",
        help="Train once for each part held out: K parts, or those that split-dataset --folds wrote.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
SplitByOption = Annotated[
    Literal["session", "recording", "random"] | None,
    typer.Option(
        help="What --folds K never divides; session, the default, is the one that does not leak.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
