"""`thermalctl train`: finetune or train a recognizer."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thermalctl.cli import console
from thermalctl.cli.options import ConfigOption, DataOption, DeviceOption, JsonOption, NumWorkersOption
from thermalctl.cli.train_flags import (
    augmentation,
    clips,
    imbalance,
    learning,
    running,
    stopping,
    sweeps,
    transfer,
    watching,
)
from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from thermalctl.engine.plan import TrainingPlan

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
    epochs: learning.EpochsOption = None,
    batch_size: learning.BatchSizeOption = None,
    lr: learning.LrOption = None,
    backbone_lr_mult: learning.BackboneLrMultOption = None,
    warmup_epochs: learning.WarmupEpochsOption = None,
    auto_scale_lr: learning.AutoScaleLrOption = False,
    dropout: learning.DropoutOption = None,
    load_from: learning.LoadFromOption = None,
    target: clips.TargetOption = None,
    frames: clips.FramesOption = None,
    time: clips.TimeOption = None,
    seconds: clips.SecondsOption = None,
    person_crop: clips.PersonCropOption = None,
    person_margin: clips.PersonMarginOption = None,
    person_min_px: clips.PersonMinPxOption = None,
    temperatures: clips.TemperaturesOption = None,
    augment: augmentation.AugmentOption = None,
    crop_area: augmentation.CropAreaOption = None,
    flip: augmentation.FlipOption = None,
    flip_vertical: augmentation.FlipVerticalOption = None,
    quarter_turns: augmentation.QuarterTurnsOption = None,
    offset_c: augmentation.OffsetCOption = None,
    gain: augmentation.GainOption = None,
    noise_c: augmentation.NoiseCOption = None,
    row_dropout: augmentation.RowDropoutOption = None,
    erase: augmentation.EraseOption = None,
    erase_mode: augmentation.EraseModeOption = None,
    temporal_jitter: augmentation.TemporalJitterOption = None,
    temporal_crop: augmentation.TemporalCropOption = None,
    speed: augmentation.SpeedOption = None,
    frame_dropout: augmentation.FrameDropoutOption = None,
    mix: augmentation.MixOption = None,
    mixup_alpha: augmentation.MixupAlphaOption = None,
    cutmix_alpha: augmentation.CutmixAlphaOption = None,
    mix_probability: augmentation.MixProbabilityOption = None,
    input_size: augmentation.InputSizeOption = None,
    channels: augmentation.ChannelsOption = None,
    class_weights: imbalance.ClassWeightsOption = None,
    loss: imbalance.LossOption = None,
    focal_gamma: imbalance.FocalGammaOption = None,
    focal_alpha: imbalance.FocalAlphaOption = None,
    tau: imbalance.TauOption = None,
    label_smoothing: imbalance.LabelSmoothingOption = None,
    sampler: imbalance.SamplerOption = None,
    oversample: imbalance.OversampleOption = None,
    freeze_backbone: transfer.FreezeBackboneOption = None,
    freeze_stages: transfer.FreezeStagesOption = None,
    unfreeze_every: transfer.UnfreezeEveryOption = None,
    freeze_bn: transfer.FreezeBnOption = False,
    layer_decay: transfer.LayerDecayOption = None,
    ema: transfer.EmaOption = None,
    early_stopping: stopping.EarlyStoppingOption = None,
    monitor: stopping.MonitorOption = None,
    min_delta: stopping.MinDeltaOption = None,
    select_on: stopping.SelectOnOption = None,
    log_to: watching.LogToOption = None,
    picture_every: watching.PictureEveryOption = None,
    amp: running.AmpOption = False,
    compile: running.CompileOption = False,  # noqa: A002  the flag's name
    channels_last: running.ChannelsLastOption = False,
    gpus: running.GpusOption = None,
    nodes: running.NodesOption = None,
    rendezvous: running.RendezvousOption = None,
    launcher: running.LauncherOption = None,
    accumulate: running.AccumulateOption = None,
    resume: running.ResumeOption = False,
    extend_epochs: running.ExtendEpochsOption = None,
    save_every: running.SaveEveryOption = None,
    seed: running.SeedOption = None,
    device: DeviceOption = None,
    num_workers: NumWorkersOption = None,
    cudnn_benchmark: running.CudnnBenchmarkOption = None,
    deterministic: running.DeterministicOption = False,
    seeds: sweeps.SeedsOption = None,
    folds: sweeps.FoldsOption = None,
    split_by: sweeps.SplitByOption = None,
    follow: watching.FollowOption = None,
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
    if follow is not None:
        _refuse_others(context, "follow")
        from thermalctl.cli.follow import follow_run

        follow_run(follow, as_json=as_json)
        return
    pairs = _collect_pairs(cfg_options, context.args)  # before the heavy imports: a slip is told at once
    from thermalctl.cli.launching import start_processes
    from thermalctl.cli.sweep_display import train_sweep
    from thermalctl.engine.options import TrainOptions
    from thermalctl.engine.overrides import parse_overrides
    from thermalctl.engine.plan import plan_training
    from thermalctl.engine.running.distributed import find_place
    from thermalctl.evaluation.sweep_record import find_sweep

    flags = {field.name: context.params[field.name] for field in fields(TrainOptions) if field.name != "overrides"}
    options = TrainOptions(**flags, overrides=parse_overrides(pairs))
    if print_config and dry_run:
        raise RequestError("--print-config and --dry-run are two questions", hint="ask one after the other")
    place = find_place(launcher)
    is_launching = place is None and any(flag is not None for flag in (gpus, nodes, rendezvous))
    is_sweep = any(flag is not None for flag in (seeds, folds, split_by))
    if work_dir is not None and not is_sweep and not resume and find_sweep(work_dir) is not None:
        raise RequestError(
            f"{work_dir}: holds a sweep", hint="--resume goes on with it; another --work-dir begins a run of its own"
        )
    if is_sweep and (is_launching or place is not None):
        raise RequestError(
            "--seeds and --folds train their runs one after the other, each in one process",
            hint="leave --gpus, --nodes and --launcher out, or start each run by itself",
        )
    if is_sweep or (resume and find_sweep(work_dir) is not None):
        train_sweep(
            config=config,
            data=data,
            work_dir=work_dir,
            options=options,
            seeds=seeds,
            folds=folds,
            split_by=split_by,
            print_config=print_config,
            dry_run=dry_run,
            as_json=as_json,
        )
        return
    if work_dir is None and (place is not None or (nodes or 1) > 1):
        raise RequestError("several processes have to agree on where the run goes", hint="name it: --work-dir DIR")
    plan = plan_training(config=config, data=data, work_dir=work_dir, options=options)
    for note in plan.notes if place is None or place.rank == 0 else ():
        console.print_note(note)
    if print_config:
        console.print_json(plan.cfg.to_dict()) if as_json else console.print_unwrapped(plan.cfg.pretty_text)
    elif dry_run:
        _try(plan, as_json=as_json)
    elif is_launching:
        start_processes(plan, gpus=gpus, nodes=nodes, rendezvous=rendezvous)
    else:
        _run(plan, as_json=as_json, is_shown=place is None or place.rank == 0)


def _run(plan: TrainingPlan, *, as_json: bool, is_shown: bool) -> None:
    from thermalctl.cli.run_lines import describe_resumption
    from thermalctl.cli.training_display import TrainingDisplay, show_result
    from thermalctl.engine.train import train as run_training
    from thermalctl.evaluation.run_log import METRICS_FILE
    from thermalctl.reports.curves import save_curves

    try:
        with TrainingDisplay(is_shown=is_shown) as display:
            result = run_training(plan.cfg, on_event=display, command=sys.argv)
    except KeyboardInterrupt as interruption:
        if not is_shown:
            raise typer.Exit(console.find_exit_code(interruption)) from None
        # Said before the curves are drawn: a job scheduler may not wait for those.
        console.print_note(f"interrupted; {describe_resumption(plan.work_dir)}")
        if (plan.work_dir / METRICS_FILE).is_file():
            save_curves(plan.work_dir)
        raise typer.Exit(console.find_exit_code(interruption)) from None
    if not is_shown:
        return
    save_curves(result.work_dir)
    console.print_json(result) if as_json else show_result(result)


def _try(plan: TrainingPlan, *, as_json: bool) -> None:
    from thermalctl.cli.training_display import show_dry_run
    from thermalctl.engine.dry_run import dry_run

    found = dry_run(plan.cfg)
    console.print_json(found) if as_json else show_dry_run(found)
    if found.problem:
        raise typer.Exit(1)


def _refuse_others(context: typer.Context, name: str) -> None:
    """Refuse flags beside one that trains nothing."""
    sources = {other: context.get_parameter_source(other) for other in context.params if other not in (name, "as_json")}
    given = [other for other, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given or context.args:
        others = ", ".join(f"--{other.replace('_', '-')}" for other in given) or context.args[0]
        raise RequestError(
            f"--{name} shows a run and trains nothing: it takes no {others}",
            hint=f"leave out what is not --{name} or --json",
        )


def _collect_pairs(first: list[str] | None, rest: list[str]) -> list[str]:
    """Return all KEY=VALUE pairs: of `--cfg-options a=1 b=2`, the parser takes the second for an argument."""
    if rest and not first:
        raise RequestError(f"train: what is {rest[0]!r}?", hint="options begin with --; see thermalctl train --help")
    return [*(first or []), *rest]
