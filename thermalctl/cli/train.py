"""`thermalctl train`: finetune or train a recognizer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from thermalctl.cli import console
from thermalctl.cli.options import ConfigOption, DataOption, DeviceOption, JsonOption, NumWorkersOption
from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from thermalctl.engine.plan import TrainingPlan

_LEARNING = "Learning"
_CLIPS = "Clips"
_RUNNING = "Running"
_CONFIG = "Configuration"


def train(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    work_dir: Annotated[
        Path | None,
        typer.Option(
            "--work-dir", metavar="DIR", help="Where the run goes. Default: work_dirs/CONFIG.", show_default=False
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Length of training; warm-up and decay are stretched with it.",
            rich_help_panel=_LEARNING,
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="Clips per step.", rich_help_panel=_LEARNING, show_default=False)
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option("--lr", metavar="RATE", help="Learning rate.", rich_help_panel=_LEARNING, show_default=False),
    ] = None,
    backbone_lr_mult: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="The backbone's rate, as a multiple of --lr.",
            rich_help_panel=_LEARNING,
            show_default=False,
        ),
    ] = None,
    warmup_epochs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Epochs of rising rate.", rich_help_panel=_LEARNING, show_default=False),
    ] = None,
    auto_scale_lr: Annotated[
        bool,
        typer.Option(
            "--auto-scale-lr",
            help="Multiply the rate by batch size / the configuration's base batch size.",
            rich_help_panel=_LEARNING,
        ),
    ] = False,
    dropout: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Dropout of the head, 0 to 1.", rich_help_panel=_LEARNING, show_default=False
        ),
    ] = None,
    target: Annotated[
        Literal["frame", "person"] | None,
        typer.Option(
            help="Judge keyframes as a whole, or each person in them.", rich_help_panel=_CLIPS, show_default=False
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(metavar="T", help="Frames in a clip.", rich_help_panel=_CLIPS, show_default=False),
    ] = None,
    time: Annotated[
        Literal["consecutive", "uniform"] | None,
        typer.Option(
            help="Frames as they came, or evenly over --seconds by arrival time.",
            rich_help_panel=_CLIPS,
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="S", help="How long a uniform clip lasts.", rich_help_panel=_CLIPS, show_default=False),
    ] = None,
    load_from: Annotated[
        str | None,
        typer.Option(
            "--load-from",
            metavar="NAME|FILE|URL|none",
            help='Weights to start from: one of `download-weights --list`, a file, a URL, or "none" for random ones.',
            rich_help_panel=_LEARNING,
            show_default=False,
        ),
    ] = None,
    amp: Annotated[
        bool, typer.Option("--amp", help="Mixed precision, on a GPU or a CPU.", rich_help_panel=_RUNNING)
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the newest run, or with --work-dir, from its last checkpoint or from --load-from.",
            rich_help_panel=_RUNNING,
        ),
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seed of every random draw.", rich_help_panel=_RUNNING, show_default=False),
    ] = None,
    device: DeviceOption = None,
    num_workers: NumWorkersOption = None,
    cudnn_benchmark: Annotated[
        bool | None,
        typer.Option(
            "--cudnn-benchmark/--no-cudnn-benchmark",
            help="Let cuDNN time its kernels and choose.",
            rich_help_panel=_RUNNING,
            show_default=False,
        ),
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Repeatable kernels only.", rich_help_panel=_RUNNING)
    ] = False,
    cfg_options: Annotated[
        list[str] | None,
        typer.Option(
            "--cfg-options",
            metavar="KEY=VALUE ...",
            help="Any other key of the configuration, by dotted name.",
            rich_help_panel=_CONFIG,
            show_default=False,
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print what would run and stop.", rich_help_panel=_CONFIG)
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Build everything, run one batch forward, say what would happen.", rich_help_panel=_CONFIG
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a recognizer on a dataset, from pretrained weights or from scratch.

    Bare, it takes the only dataset below the current folder and the configuration that suits this machine.
    """
    pairs = _collect_pairs(cfg_options, context.args)  # before the heavy imports: a slip is told at once
    from thermalctl.engine.options import TrainOptions
    from thermalctl.engine.overrides import parse_overrides
    from thermalctl.engine.plan import plan_training

    options = TrainOptions(
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        amp=amp,
        resume=resume,
        seed=seed,
        load_from=load_from,
        device=device,
        num_workers=num_workers,
        dropout=dropout,
        target=target,
        frames=frames,
        time=time,
        seconds=seconds,
        warmup_epochs=warmup_epochs,
        backbone_lr_mult=backbone_lr_mult,
        auto_scale_lr=auto_scale_lr,
        cudnn_benchmark=cudnn_benchmark,
        deterministic=deterministic,
        overrides=parse_overrides(pairs),
    )
    plan = plan_training(config=config, data=data, work_dir=work_dir, options=options)
    for note in plan.notes:
        console.print_note(note)
    if print_config:
        console.print_unwrapped(plan.cfg.pretty_text)
    elif dry_run:
        _try(plan, as_json=as_json)
    else:
        _run(plan, as_json=as_json)


def _run(plan: TrainingPlan, *, as_json: bool) -> None:
    from thermalctl.cli.training_display import TrainingDisplay, describe_interruption, show_result
    from thermalctl.engine.train import train as run_training

    try:
        with TrainingDisplay() as display:
            result = run_training(plan.cfg, on_event=display, command=sys.argv)
    except KeyboardInterrupt:
        console.print_note(describe_interruption(Path(plan.cfg.work_dir)))
        raise typer.Exit(console.EXIT_INTERRUPTED) from None
    console.print_json(result) if as_json else show_result(result)


def _try(plan: TrainingPlan, *, as_json: bool) -> None:
    from thermalctl.cli.training_display import show_dry_run
    from thermalctl.engine.dry_run import dry_run

    found = dry_run(plan.cfg)
    console.print_json(found) if as_json else show_dry_run(found)
    if found.problem:
        raise typer.Exit(1)


def _collect_pairs(first: list[str] | None, rest: list[str]) -> list[str]:
    """Return all KEY=VALUE pairs: of `--cfg-options a=1 b=2`, the parser takes the second for an argument."""
    if rest and not first:
        raise RequestError(f"train: what is {rest[0]!r}?", hint="options begin with --; see thermalctl train --help")
    return [*(first or []), *rest]
