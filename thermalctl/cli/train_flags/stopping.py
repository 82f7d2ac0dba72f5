"""Flags of when training ends and which epoch is kept."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Stopping"

EarlyStoppingOption = Annotated[
    int | None,
    typer.Option(
        metavar="PATIENCE",
        help="End after so many validations without an improvement; 0: never.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
MonitorOption = Annotated[
    str | None,
    typer.Option(
        metavar="METRIC",
        help="What has to improve. Default: what selects, or acc/top1.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
MinDeltaOption = Annotated[
    float | None,
    typer.Option(
        metavar="X", help="The least that is an improvement. [0.001]", rich_help_panel=PANEL, show_default=False
    ),
]
SelectOnOption = Annotated[
    str | None,
    typer.Option(
        metavar="METRIC|none",
        help="Keep the best epoch on val by acc/top1 or, for unequal classes, acc/mean1.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
