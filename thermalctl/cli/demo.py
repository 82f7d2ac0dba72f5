"""`thermalctl demo`: the whole journey on simulated recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thermalctl.cli import console
from thermalctl.cli.options import ForceOption, JsonOption

if TYPE_CHECKING:
    from thermalctl.demo import DemoResult


def demo(
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where everything goes.")] = Path(
        "thermalctl_demo"
    ),
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate a dataset, train on it, judge the model and export it: all in a few minutes on a CPU."""
    from thermalctl.cli.training_display import TrainingDisplay
    from thermalctl.demo import run_demo

    with TrainingDisplay() as display:
        result = run_demo(
            output, force=force, on_step=display.announce, on_inspection=display.show_inspection, on_event=display
        )
    console.print_json(result) if as_json else _show(result)


def _show(result: DemoResult) -> None:
    metrics = result.report.metrics
    console.print_line(f"\nOn the held-out session, {metrics.num_samples} clips:")
    table = console.plain_table("", "top-1", "mean class", right=("top-1", "mean class"))
    rows = [("this model", metrics.top1, metrics.mean_class_accuracy)]
    rows.append(("copying the most similar training clip", result.nearest_top1, result.nearest_mean_class))
    rows += [(baseline.name, baseline.top1, baseline.mean_class) for baseline in result.report.baselines]
    for name, top1, mean_class in rows:
        table.add_row(name, f"{100 * top1:.1f}", f"{100 * mean_class:.1f}")
    console.print_table(table)
    console.print_line()
    for name, path in (
        ("dataset", result.dataset),
        ("run", result.work_dir),
        ("confusion matrix", result.files.confusion_picture),
        ("report", result.files.text),
        ("ONNX model", result.onnx),
    ):
        console.print_unwrapped(f"{name:<17} {path}")
    console.print_line(
        f"\nThe ONNX file takes degrees Celsius and agrees with PyTorch to {result.onnx_difference:.1e}. "
        f"Done in {result.seconds / 60:.1f} minutes."
    )
    console.print_line("\nNext:")
    for command, what in (
        (f"thermalctl inspect-dataset --data {result.dataset}", "what is in the recordings"),
        (f"thermalctl train --data {result.dataset} --epochs 40", "a longer training"),
        ("thermalctl doctor", "is this machine ready for your own data"),
    ):
        console.print_unwrapped(f"  {command}  # {what}")
