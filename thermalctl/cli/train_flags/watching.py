"""Flags of where a training is written and how it is watched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PANEL = "Watching"

LogToOption = Annotated[
    list[str] | None,
    typer.Option(
        "--log-to",
        metavar="tensorboard|wandb|mlflow|none",
        help="Board to write for, in place of the configuration's; may be given again.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
PictureEveryOption = Annotated[
    int | None,
    typer.Option(
        "--picture-every",
        metavar="N",
        help="Draw the confusion matrix and clips there every N validations; 0 never. Default: 5.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
FollowOption = Annotated[
    Path | None,
    typer.Option(
        "--follow",
        metavar="WORK_DIR",
        help="Show how a run goes, or went, that was started elsewhere; train nothing.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
