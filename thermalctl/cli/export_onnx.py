"""`thermalctl export-onnx`: a trained model as one ONNX file, checked against PyTorch on real clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from thermalctl.cli import console
from thermalctl.cli.options import ConfigOption, ForceOption, JsonOption, RunDataOption, parse_frame_size
from thermalctl.cli.progress import show_stages
from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from thermalctl.deploy.metadata import OutputName

#: Parameters that say how to make a file; with --verify none is made.
_MAKING = frozenset(
    {
        "output",
        "input_kind",
        "outputs",
        "temperature",
        "precision",
        "calibration_clips",
        "opset",
        "frame_size",
        "force",
    }
)
_OUTPUTS: tuple[OutputName, ...] = ("probabilities", "logits", "features")


def export_onnx(
    context: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="WORK_DIR|CHECKPOINT", help="Default: the newest run below work_dirs/.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Default: the checkpoint's name with .onnx, in the work dir. Its card lies beside it, as .md.",
            show_default=False,
        ),
    ] = None,
    input_kind: Annotated[
        Literal["raw", "rgb"],
        typer.Option(
            "--input",
            metavar="raw|rgb",
            help="What goes in: raw degrees Celsius (N, T, H, W); rgb, the normalised input (N, C, T, h, w).",
        ),
    ] = "raw",
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            "--outputs",
            metavar="logits,features",
            help="What comes out besides the probabilities: logits (N, K), features (N, D).",
            show_default=False,
        ),
    ] = None,
    temperature: Annotated[
        str,
        typer.Option(
            metavar="none|fit|X",
            help="Divides the logits, so that 80 % sure is right 8 times in 10; fit: fitted on the val clips.",
        ),
    ] = "none",
    precision: Annotated[
        Literal["fp32", "fp16", "int8"],
        typer.Option(
            metavar="fp32|fp16|int8", help="Of the network; what goes in and comes out is float32 all the same."
        ),
    ] = "fp32",
    calibration_clips: Annotated[
        int, typer.Option(metavar="N", help="Training clips on which the scales of int8 are measured.", min=1)
    ] = 64,
    opset: Annotated[
        int, typer.Option(help="ONNX operator set, 11 to 23; below 18 by torch's older exporter.", metavar="N")
    ] = 20,
    verify: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write nothing; check this file against its checkpoint. Default of that: where the file lies.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="Largest difference in probability of fp32 from PyTorch; above it the exit code is 1.",
            min=0,
        ),
    ] = 1e-4,
    num_clips: Annotated[
        int | None,
        typer.Option(
            "--clips",
            metavar="N",
            help="How many clips to check on at most. Default: all of val.",
            min=1,
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="The last checkpoint, although there is one chosen as the best.")
    ] = False,
    config: ConfigOption = None,
    data: RunDataOption = None,
    frame_size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="The sensor's frames, as 40x60. Default: the dataset's. With it a dataset may be missing; "
            "the file then stays unchecked and the exit code is 1.",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a trained model as one ONNX file and check it against PyTorch on real clips.

    Exit code 0 if the file was checked and holds, else 1.
    """
    from thermalctl.cli.export_display import show_export
    from thermalctl.deploy.exporting import run_export
    from thermalctl.deploy.making import ExportOptions
    from thermalctl.deploy.verifying import run_verification

    with show_stages("checking") as (on_progress, on_stage):
        if verify is not None:
            _refuse_making(context)
            result = run_verification(
                verify,
                path,
                tolerance=tolerance,
                num_clips=num_clips,
                last=last,
                config=config,
                data=data,
                on_note=console.print_note,
                on_progress=on_progress,
            )
        else:
            given = parse_temperature(temperature)
            options = ExportOptions(
                input_kind=input_kind,
                frame_size=parse_frame_size(frame_size) if frame_size else None,
                opset=opset,
                outputs=parse_outputs(outputs or ()),
                temperature=1.0 if given is None else given,
                fits_temperature=given is None,
                precision=precision,
                num_calibration_clips=calibration_clips,
            )
            result = run_export(
                path,
                options,
                output=output,
                tolerance=tolerance,
                num_clips=num_clips,
                last=last,
                config=config,
                data=data,
                force=force,
                on_note=console.print_note,
                on_stage=on_stage,
                on_progress=on_progress,
            )
    console.print_json(result) if as_json else show_export(result)
    if not result.holds:
        raise typer.Exit(1)


def parse_outputs(texts: Sequence[str]) -> tuple[OutputName, ...]:
    """Return the outputs named in texts as "logits,features"; probabilities are among them always.

    Raises:
        RequestError: if one is unknown.
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    unknown = sorted(set(names) - set(_OUTPUTS))
    if unknown:
        raise RequestError(
            f"--outputs {','.join(names)}: no such output: {', '.join(unknown)}",
            hint=f"there are {', '.join(_OUTPUTS)}",
        )
    return tuple(name for name in _OUTPUTS if name == "probabilities" or name in names)


def parse_temperature(text: str) -> float | None:
    """Return the temperature named in a text: 1 for "none"; None for "fit".

    Raises:
        RequestError: if it is none.
    """
    if text in ("none", "fit"):
        return 1.0 if text == "none" else None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise RequestError(f"--temperature {text}: expected none, fit or a number above 0", hint="as --temperature 1.5")
    return value


def _refuse_making(context: typer.Context) -> None:
    """Refuse options of an export beside --verify, which writes nothing."""
    flags = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    given = [
        flags[name]
        for name in context.params
        if name in _MAKING and getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    if given:
        raise RequestError(
            f"--verify checks a file as it is and writes nothing: it takes no {', '.join(given)}",
            hint="leave that out, or leave --verify out to make a file",
        )
