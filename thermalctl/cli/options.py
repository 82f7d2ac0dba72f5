"""Options that more than one command has, each spelled once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from thermalctl.recordings.import_options import ImportOptions

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

# What a recording may not say about itself.
UnitOption = Annotated[
    Literal["celsius", "decicelsius", "kelvin", "decikelvin", "centikelvin"] | None,
    typer.Option("--unit", help="Of foreign recordings. Default: told from their values.", show_default=False),
]
FrameSizeOption = Annotated[
    str | None,
    typer.Option("--frame-size", metavar="HxW", help="Of recordings that do not say.", show_default=False),
]
FrameRateOption = Annotated[
    float | None,
    typer.Option("--frame-rate", metavar="HZ", help="Frames a second where no times are given.", show_default=False),
]
StartOption = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="TIME",
        help="When such a recording begins: 2026-03-01T12:00:00Z, or ms since 1970.",
        show_default=False,
    ),
]


def make_import_options(
    unit: str | None, frame_size: str | None, frame_rate_hz: float | None, start: str | None
) -> ImportOptions:
    """Return what these options tell of recordings.

    Raises:
        RequestError: if one of them is impossible.
    """
    from thermalctl.recordings.arrival_times import parse_iso_time
    from thermalctl.recordings.import_options import ImportOptions
    from thermalctl.recordings.units import Unit

    start_ms = None
    if start is not None:
        start_ms = int(start) if start.isdecimal() else parse_iso_time(start)
        if start_ms is None:
            raise RequestError(f"--start {start}: is no time", hint="as in --start 2026-03-01T12:00:00Z")
    return ImportOptions(
        unit=Unit(unit) if unit else None,
        frame_size=parse_frame_size(frame_size) if frame_size else None,
        frame_rate_hz=frame_rate_hz,
        start_ms=start_ms,
    )


def parse_frame_size(text: str) -> tuple[int, int]:
    """Return (height, width) in pixels from a text as 40x60.

    Raises:
        RequestError: if it is none.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None:
        raise RequestError(f"--frame-size {text}: expected HEIGHTxWIDTH in pixels", hint="as in --frame-size 40x60")
    return int(match[1]), int(match[2])
