"""What `export-onnx` shows: the file, how far it is from PyTorch, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from thermalctl.cli import console

if TYPE_CHECKING:
    from thermalctl.deploy.export import ExportedModel
    from thermalctl.deploy.exporting import ExportResult
    from thermalctl.deploy.metadata import FittedTemperature
    from thermalctl.deploy.verification import Difference, Verification

_REMARKS = {
    "regions": "x, y, width, height in pixels: where to look",
    "output": "class probabilities",
    "logits": "before temperature and softmax",
    "features": "what the last layer sees",
}


def show_export(result: ExportResult) -> None:
    """Print what was exported, or was there already, and whether it holds."""
    exported, verification = result.exported, result.verification
    console.print_unwrapped(str(exported.path))
    if result.card is not None:
        console.print_unwrapped(str(result.card))
    console.print_line(_describe_file(exported), style="dim")
    if exported.fit is not None:
        _show_fit(exported.fit)
    console.print_line()
    console.print_table(_tabulate_tensors(exported))
    console.print_line()
    if verification is None:
        console.print_line("Not checked: there is no dataset to compare it with PyTorch on.", style="bold")
        console.print_unwrapped(f"next: thermalctl export-onnx {result.checkpoint} --data DIR --force")
        return
    console.print_table(_tabulate_differences(verification))
    if any(one.against == "thermalctl test" and one.status == "note" for one in verification.differences):
        console.print_line("note: its own pipeline resizes in 8 bits or averages views; the file does not", style="dim")
    console.print_line()
    console.print_table(_tabulate_contenders(verification))
    console.print_line(_describe_clips(verification), style="dim")
    console.print_line()
    _show_verdict(verification)


def _describe_file(exported: ExportedModel) -> str:
    parts = [
        f"{exported.num_bytes / 1e6:.1f} MB",
        f"opset {exported.opset}",
        exported.precision,
        f"{exported.num_classes} classes",
    ]
    if exported.fit is not None:
        fit = exported.fit
        parts.append(f"temperature {fit.temperature:.3f}, fitted on {fit.num_clips} {fit.split} clips")
    elif exported.temperature != 1:
        parts.append(f"temperature {exported.temperature:g}")
    return ", ".join(parts)


def _show_fit(fit: FittedTemperature) -> None:
    left_out = "sessions" if fit.by_session else "every 5th clip"
    console.print_line(
        f"log loss {fit.log_loss:.3f} before and {fit.log_loss_scaled:.3f} after, calibration error "
        f"{100 * fit.ece:.1f} % and {100 * fit.ece_scaled:.1f} %, on {left_out} left out of the fit",
        style="dim",
    )
    if fit.log_loss_scaled >= fit.log_loss:
        console.print_line("The temperature does not help on clips that it was not fitted on: --temperature none")


def _tabulate_tensors(exported: ExportedModel) -> Table:
    if exported.input_kind == "raw":
        remark = "deg C as recorded"
    else:
        remark = "normalised" + ("; one channel, the stem is folded" if exported.inputs["input"][0] == 1 else "")
    table = console.plain_table("tensor", "shape", "")
    for name, shape in (exported.inputs | exported.outputs).items():
        table.add_row(Text(name), f"(N, {', '.join(map(str, shape))})", _REMARKS.get(name, remark))
    return table


def _tabulate_differences(found: Verification) -> Table:
    numbers = ("largest difference", "same class")
    table = console.plain_table("", "against", *numbers, right=numbers)
    for one in found.differences:
        agreeing = "" if one.num_agreeing is None else f"{one.num_agreeing} of {found.num_clips}"
        table.add_row(console.style_status(one.status), _name_pair(one, found), f"{one.largest:.1e}", agreeing)
    return table


def _name_pair(one: Difference, found: Verification) -> str:
    """Return what is compared; of the float32 file that a reduced one was made from, with its name."""
    pair = one.against if one.precision == found.precision == "fp32" else f"{one.precision} against {one.against}"
    return pair if one.output == "probabilities" else f"{pair}, {one.output}"


def _tabulate_contenders(found: Verification) -> Table:
    numbers = ("ms a clip", "MB", "top-1", "mean class")
    table = console.plain_table("", *numbers, right=numbers)
    for one in found.contenders:
        table.add_row(
            one.name,
            f"{one.ms:.1f}",
            f"{one.num_bytes / 1e6:.1f}",
            f"{100 * one.top1:.1f}",
            f"{100 * one.mean_class:.1f}",
        )
    return table


def _describe_clips(found: Verification) -> str:
    sizes = ", ".join(map(str, found.batch_sizes))
    threads = f"{found.num_threads} thread{'' if found.num_threads == 1 else 's'}"
    clips = f"{found.num_clips} {found.split} clips, {found.num_incomplete_clips} with incomplete frames"
    return f"{clips}; batches of {sizes}; {threads}"


def _show_verdict(found: Verification) -> None:
    if found.precision == "fp32":
        if found.holds:
            console.print_line(f"The file is the same model, to within {found.tolerance:g}.", style="bold")
            return
        console.print_line(
            f"The file differs by more than {found.tolerance:g}: it is not the same model.", style="bold red"
        )
        console.print_line("next: try another --opset; --tolerance accepts a larger difference")
        return
    if found.holds:
        console.print_line(f"In {found.precision} it answers as in fp32, as often as is asked for.", style="bold")
    else:
        console.print_line(f"In {found.precision} it does not answer as it should.", style="bold red")
        console.print_line("next: keep fp32, or calibrate on more clips: --calibration-clips")
    if found.is_measured_against_fp32:
        _show_speed(found)


def _show_speed(found: Verification) -> None:
    ratio, name = found.time_ratio, found.precision
    if ratio > 1:
        console.print_line(f"{name} takes {ratio:.1f} times as long as fp32 here; keep fp32 on machines like this.")
    else:
        console.print_line(f"{name} takes {ratio:.2f} of fp32's time here.")
