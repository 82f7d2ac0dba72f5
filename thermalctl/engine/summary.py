"""What a built run is, in values to be shown and logged."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config

from thermalctl.dataset.samples import ThermalDataset, count_classes
from thermalctl.engine.choices.custom_hooks import find_hooks
from thermalctl.engine.choices.transfer import FREEZE
from thermalctl.engine.events import RunStarted
from thermalctl.engine.runner import ThermalRunner
from thermalctl.engine.schedule import is_warmup, list_schedulers
from thermalctl.pipeline.clip_dataset import ClipDataset, find_innermost


def summarise_run(runner: ThermalRunner, dataset: ThermalDataset | None, *, work_dir: Path) -> RunStarted:
    """Return what a runner is about to do, and write the rates and class weights to its log.

    Args:
        runner: with its loops, optimizer and schedule built.
        dataset: what it trains on, where that is a dataset folder.
        work_dir: where the run is (or would be) written.
    """
    cfg = runner.cfg
    trained = runner.train_dataloader.dataset
    innermost = find_innermost(trained)
    clips = innermost if isinstance(innermost, ClipDataset) else None
    target = clips.spec.target if clips else "frame"
    classes = dataset.classes if dataset else tuple(trained.metainfo.get("classes", ()))
    counts = count_classes(dataset.samples("train", target), len(classes)).tolist() if dataset else []
    loss = getattr(getattr(runner.recognizer, "cls_head", None), "loss_cls", None)
    weights = getattr(loss, "class_weight", None)
    started = RunStarted(
        work_dir=work_dir,
        model=describe_model(cfg.model),
        num_parameters=sum(p.numel() for p in runner.recognizer.parameters() if p.requires_grad),
        device=describe_device(torch.device(cfg.device)),
        precision=str(getattr(runner.optim_wrapper, "cast_dtype", torch.float32)).removeprefix("torch."),
        num_train=len(trained),
        num_val=len(runner.val_dataloader.dataset) if cfg.get("val_dataloader") else 0,
        classes=classes,
        train_counts=tuple(counts),
        class_weights=tuple(weights.tolist()) if weights is not None else (),
        incomplete_share=clips.num_frames_incomplete / clips.num_frames_seen if clips else None,
        weights=cfg.get("load_from"),
        fitted=runner.fitted,
        rates=list_rates(runner),
        max_epochs=runner.max_epochs,
        warmup_epochs=find_warmup(runner),
        batch_size=cfg.train_dataloader.get("batch_size") or 1,
        first_epoch=runner.epoch + 1,
        first_step=getattr(runner.train_loop, "num_done", 0) + 1,
        num_processes=runner.world_size,
        accumulate=getattr(runner.optim_wrapper, "_accumulative_counts", 1),
        extension=runner.extension,
        freezing=describe_freezing(cfg),
    )
    _log(runner, started)
    return started


def list_rates(runner: ThermalRunner) -> dict[str, float]:
    """Return the full learning rate of each part of the model; a part whose parameters differ is listed once a rate.

    MMEngine logs the rate of its first parameter group, and before `auto_scale_lr`.
    """
    part_of = {id(p): name.split(".")[0] for name, p in runner.recognizer.named_parameters()}
    rates: dict[str, set[float]] = {}
    for group in runner.optim_wrapper.optimizer.param_groups:
        for parameter in group["params"]:
            rates.setdefault(part_of[id(parameter)], set()).add(group.get("initial_lr", group["lr"]))
    return {
        name if len(found) == 1 else f"{name} ({index})": rate
        for name, found in rates.items()
        for index, rate in enumerate(sorted(found), start=1)
    }


def find_warmup(runner: ThermalRunner) -> int:
    """Return how many epochs the rate rises for."""
    planned = list_schedulers(runner.cfg)
    return next((s.get("end", 0) for s in planned if is_warmup(s) and s.get("by_epoch", True)), 0)


def describe_freezing(cfg: Config) -> str | None:
    """Return what of a model is held still, and until when; None where nothing is."""
    frozen = next(iter(find_hooks(cfg, FREEZE)), None)
    if frozen is None:
        return None
    stages, every = frozen.get("stages"), frozen.get("unfreeze_every")
    part = f"the backbone up to stage {stages}" if stages else "the backbone"
    slowly = f", then a stage every {every}" if every else ""
    return f"{part} is frozen for {frozen['epochs']} epochs{slowly}"


def describe_model(model_cfg: dict[str, object]) -> str:
    """Return an architecture in words, as "ResNet3dSlowFast, depth 50"."""
    backbone = model_cfg.get("backbone")
    if not isinstance(backbone, dict):
        return str(model_cfg.get("type"))
    depth = backbone.get("depth") or (backbone.get("slow_pathway") or {}).get("depth")
    return f"{backbone.get('type')}, depth {depth}" if depth else str(backbone.get("type"))


def describe_device(device: torch.device) -> str:
    """Return a device in words: the GPU's name, or how many threads the CPU gives."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    num_threads = torch.get_num_threads()
    return f"CPU, {num_threads} thread{'' if num_threads == 1 else 's'}"


def _log(runner: ThermalRunner, started: RunStarted) -> None:
    for part, rate in started.rates.items():
        runner.logger.info(f"learning rate of {part}: {rate:g}")
    for index, (name, count) in enumerate(zip(started.classes, started.train_counts, strict=False)):
        weight = started.class_weights[index] if started.class_weights else 1.0
        runner.logger.info(f"class {index} {name}: {count} training clips, loss weight {weight:.4g}")
    if runner.fitted is not None:
        fitted = runner.fitted
        runner.logger.info(f"weights of {started.weights}, named as by {fitted.layout or 'MMAction2'}:")
        for group in fitted.groups:
            others = f"{group.adapted} adapted, {group.new} new, {group.unused} unused"
            runner.logger.info(f"  {group.name}: {group.loaded} loaded, {others}")
        for word, names in (
            ("adapted", [f"{name} ({how})" for name, how in fitted.adapted.items()]),
            ("new", fitted.remade + fitted.missing),
            ("unused", fitted.unused),
        ):
            runner.logger.info(f"weights {word}: {', '.join(names) or 'none'}")
    elif started.weights is None and not started.is_resumed:
        runner.logger.info("weights: none, the model starts from random ones")
