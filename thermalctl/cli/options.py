"""Options that more than one command has, each spelled once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from thermalctl.errors import RequestError

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Dataset folder. Default: $THERMALCTL_DATA, else the only dataset below the current folder.",
        metavar="DIR",
        show_default=False,
    ),
]
RunDataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Dataset folder. Default: what the run was trained on, else $THERMALCTL_DATA, else the only one below.",
        metavar="DIR",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite what is already there.")]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="NAME|FILE",
        help="A shipped configuration (docs/models.md lists them) or an MMAction2 configuration file.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="cpu|cuda[:N]", help="Default: a GPU where there is one.", show_default=False),
]
NumWorkersOption = Annotated[
    int | None,
    typer.Option("--num-workers", metavar="N", help="Processes that read clips.", show_default=False),
]


def parse_frame_size(text: str) -> tuple[int, int]:
    """Return (height, width) in pixels from a text as 40x60.

    Raises:
        RequestError: if it is none.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None:
        raise RequestError(f"--frame-size {text}: expected HEIGHTxWIDTH in pixels", hint="as in --frame-size 40x60")
    return int(match[1]), int(match[2])
