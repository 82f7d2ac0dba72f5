"""`thermalctl test`: score a trained model on a split, into one predictions file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from thermalctl.cli import console
from thermalctl.cli.options import ConfigOption, DeviceOption, JsonOption, NumWorkersOption, RunDataOption
from thermalctl.cli.progress import show_progress

if TYPE_CHECKING:
    from thermalctl.engine.testing import TestResult
    from thermalctl.evaluation.predictions import Predictions

_COLUMNS = ("top-1", "top-3", "top-5", "mean class")


def test(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="WORK_DIR|CHECKPOINT", help="Default: the newest run below work_dirs/.", show_default=False
        ),
    ] = None,
    data: RunDataOption = None,
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Which split to score: val, train, all, or another one.")
    ] = "val",
    best: Annotated[bool, typer.Option("--best", help="Only a checkpoint that validation chose. Tried first.")] = False,
    last: Annotated[
        bool, typer.Option("--last", help="The last checkpoint, although there is one chosen as the best.")
    ] = False,
    epoch: Annotated[
        int | None, typer.Option(metavar="N", help="The checkpoint of that epoch.", min=1, show_default=False)
    ] = None,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Show each clip mirrored, turned and shifted too, as in training; average."),
    ] = False,
    ensemble: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN ...", help="Further runs: their probabilities are averaged.", show_default=False),
    ] = None,
    soup: Annotated[bool, typer.Option("--soup", help="With --ensemble: average the weights instead.")] = False,
    allow_seen: Annotated[
        bool, typer.Option("--allow-seen", help="Score clips that the model was trained on; else they are exit 1.")
    ] = False,
    baselines: Annotated[
        bool, typer.Option(help="Answer also what needs no network, for the report; takes some seconds.")
    ] = True,
    target: Annotated[
        Literal["frame"] | None,
        typer.Option(
            "--target",
            help="Of a model of people: judge whole keyframes by what it says of everyone in them.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    device: DeviceOption = None,
    batch_size: Annotated[int, typer.Option(metavar="N", help="Clips per step.", min=1)] = 4,
    num_workers: NumWorkersOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="Default: predictions_SPLIT.npz in the work dir.", show_default=False
        ),
    ] = None,
    dump: Annotated[
        Path | None,
        typer.Option(metavar="FILE.pkl", help="Also as MMAction2's own tools read scores.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a trained model and write its predictions, which `report` reads without a GPU."""
    from thermalctl.engine.testing import TestOptions, run_test

    options = TestOptions(
        split=split,
        best=best,
        last=last,
        epoch=epoch,
        tta=tta,
        ensemble=tuple(ensemble or ()),
        soup=soup,
        allow_seen=allow_seen,
        baselines=baselines,
        judges_frames=target == "frame",
        config=config,
        batch_size=batch_size,
        num_workers=num_workers or 0,
    )
    with show_progress("scoring") as on_progress:
        result, predictions = run_test(
            path,
            options,
            data=data,
            device=device,
            output=output,
            dump=dump,
            on_note=console.print_note,
            on_progress=on_progress,
        )
    console.print_json(result) if as_json else _show(result, predictions)


def _show(result: TestResult, predictions: Predictions) -> None:
    from thermalctl.reports.sentences import describe_protocol

    metrics = result.metrics
    table = console.plain_table("", *_COLUMNS, right=_COLUMNS)
    scores = (metrics.top1, metrics.top3, metrics.top5, metrics.mean_class_accuracy)
    table.add_row(
        f"{result.split}, {metrics.num_samples} clips",
        *("" if score is None else f"{100 * score:.1f}" for score in scores),
    )
    console.print_table(table)
    for sentence in describe_protocol(predictions.protocol, predictions.sessions):
        console.print_remark(sentence)
    console.print_unwrapped(f"predictions: {result.predictions}")
    console.print_unwrapped(f"next: thermalctl report {shlex.quote(str(result.predictions))} --confusion")
