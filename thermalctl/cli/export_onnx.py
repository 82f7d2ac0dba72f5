"""`thermalctl export-onnx`: a trained model as one ONNX file, checked against PyTorch on real clips."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from thermalctl.cli import console
from thermalctl.cli.options import ConfigOption, ForceOption, JsonOption, RunDataOption, parse_frame_size
from thermalctl.cli.progress import show_progress

if TYPE_CHECKING:
    from thermalctl.deploy.export import ExportedModel
    from thermalctl.deploy.exporting import ExportResult
    from thermalctl.deploy.verify import Verification


class Input(str, Enum):
    """What goes into the exported model."""

    RAW = "raw"
    RGB = "rgb"


def export_onnx(
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
            help="Default: the checkpoint's name with .onnx, in the work dir.",
            show_default=False,
        ),
    ] = None,
    input_kind: Annotated[
        Input,
        typer.Option(
            "--input",
            metavar="raw|rgb",
            help="What goes in: raw degrees Celsius (N, T, H, W); rgb, the normalised input (N, C, T, h, w).",
        ),
    ] = Input.RAW,
    opset: Annotated[
        int, typer.Option(help="ONNX operator set, 11 to 23; below 18 by torch's older exporter.", metavar="N")
    ] = 20,
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="X", help="Largest difference in probability from PyTorch; above it the exit code is 1.", min=0
        ),
    ] = 1e-4,
    num_clips: Annotated[
        int, typer.Option("--clips", metavar="N", help="How many clips to check on at most.", min=1)
    ] = 16,
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
    from thermalctl.deploy.exporting import run_export

    with show_progress("exporting and checking") as on_progress:
        result = run_export(
            path,
            output=output,
            input_kind="rgb" if input_kind is Input.RGB else "raw",
            opset=opset,
            tolerance=tolerance,
            num_clips=num_clips,
            last=last,
            config=config,
            data=data,
            frame_size=parse_frame_size(frame_size) if frame_size else None,
            force=force,
            on_note=console.print_note,
            on_progress=on_progress,
        )
    console.print_json(result) if as_json else _show(result)
    if not result.holds:
        raise typer.Exit(1)


def _show(result: ExportResult) -> None:
    exported, verification = result.exported, result.verification
    console.print_unwrapped(str(exported.path))
    console.print_line(
        f"{exported.num_bytes / 1e6:.1f} MB, opset {exported.opset}, {exported.num_classes} classes", style="dim"
    )
    console.print_line()
    console.print_table(_tabulate_tensors(exported))
    console.print_line()
    if verification is None:
        console.print_line("Not checked: there is no dataset to compare it with PyTorch on.", style="bold")
        console.print_unwrapped(f"next: thermalctl export-onnx {result.checkpoint} --data DIR --force")
        return
    console.print_table(_tabulate_differences(verification))
    if not verification.test_counts:
        console.print_line("note: its own pipeline resizes in 8 bits or averages views; the file does not", style="dim")
    console.print_line(_describe_clips(verification), style="dim")
    console.print_line(_describe_speed(verification), style="dim")
    console.print_line()
    if verification.holds:
        console.print_line(f"The file is the same model, to within {verification.tolerance:g}.", style="bold")
    else:
        console.print_line(
            f"The file differs by more than {verification.tolerance:g}: it is not the same model.", style="bold red"
        )
        console.print_line("next: try another --opset; --tolerance accepts a larger difference")


def _tabulate_tensors(exported: ExportedModel) -> Table:
    if exported.input_kind == "raw":
        remark = "deg C as recorded"
    else:
        remark = "normalised" + ("; one channel, the stem is folded" if exported.inputs["input"][0] == 1 else "")
    remarks = {"input": remark, "regions": "x, y, width, height in pixels: where to look"}
    table = console.plain_table("tensor", "shape", "")
    for name, shape in exported.inputs.items():
        table.add_row(Text(name), _format_shape(shape), remarks[name])
    table.add_row("output", _format_shape((exported.num_classes,)), "class probabilities")
    return table


def _format_shape(shape: tuple[int, ...]) -> str:
    return f"(N, {', '.join(map(str, shape))})"


def _tabulate_differences(found: Verification) -> Table:
    numbers = ("largest difference", "same class")
    table = console.plain_table("", "against", *numbers, right=numbers)
    rows = (
        ("PyTorch", found.max_difference, found.num_agreeing, True),
        ("thermalctl test", found.test_max_difference, found.num_agreeing_with_test, found.test_counts),
    )
    for name, difference, num_agreeing, counts in rows:
        status = ("ok" if difference <= found.tolerance else "failed") if counts else "note"
        table.add_row(console.style_status(status), name, f"{difference:.1e}", f"{num_agreeing} of {found.num_clips}")
    return table


def _describe_clips(found: Verification) -> str:
    sizes = ", ".join(map(str, found.batch_sizes))
    clips = f"{found.num_clips} {found.split} clips, {found.num_incomplete_clips} of them with incomplete frames"
    return f"{clips}; in batches of {sizes}"


def _describe_speed(found: Verification) -> str:
    threads = f"{found.num_threads} thread{'' if found.num_threads == 1 else 's'}"
    return f"{found.onnx_ms:.0f} ms a clip on {threads}, {found.time_ratio:.2f} of PyTorch's {found.torch_ms:.0f} ms"
