"""From a configuration, a dataset and options to the configuration that runs: a pure function.

Number of classes, class names and class weights come from the dataset; every flag is an edit of a key. A configuration
with a `clip` is one of ours and gets its datasets and preprocessor filled in; any other is the user's own MMAction2
configuration and is left as it is, but for where its files lie.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ThermalDataset, class_weights, count_classes
from thermalctl.engine.options import CONFIGS_DIR, TrainOptions
from thermalctl.engine.overrides import check_overrides
from thermalctl.engine.schedule import set_warmup, stretch_schedule
from thermalctl.errors import ConfigError

#: The dataset class of the guide's own configurations.
GUIDE_DATASET = "ThermalHDF5Dataset"
#: What `train` takes when no configuration is named, by kind of device.
DEFAULT_CONFIGS = {"cuda": "slowfast-r50", "cpu": "slowfast-tiny"}
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
NO_WEIGHTS = "none"

#: What goes wrong when a configuration file, which is Python, is run.
_CONFIG_FAULTS = (SyntaxError, NameError, ImportError, AttributeError, KeyError, TypeError, ValueError, OSError)


def list_shipped_configs() -> list[str]:
    """Return the names of the shipped configurations, as `--config` takes them."""
    return sorted(path.stem.replace("_", "-") for path in CONFIGS_DIR.glob("*.py") if path.stem != "__init__")


def load_config(name_or_file: str) -> Config:
    """Return a shipped configuration by name, or any MMEngine configuration file.

    Raises:
        ConfigError: if there is neither, or the file cannot be read.
    """
    shipped = CONFIGS_DIR / f"{name_or_file.replace('-', '_')}.py"
    path = shipped if name_or_file in list_shipped_configs() else Path(name_or_file)
    if not path.is_file():
        near = difflib.get_close_matches(name_or_file, list_shipped_configs(), n=1, cutoff=0.5)
        known = ", ".join(list_shipped_configs())
        raise ConfigError(
            f"--config {name_or_file}: no such configuration or file",
            hint=f"is {near[0]} meant? There are {known}" if near else f"there are {known}, or name a file",
        )
    try:
        return Config.fromfile(str(path))
    except _CONFIG_FAULTS as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__}: {error})", hint="mend the file") from error


def complete_config(
    cfg: Config, options: TrainOptions, dataset: ThermalDataset | None, *, work_dir: Path, device: str
) -> Config:
    """Return the configuration that runs.

    Args:
        cfg: from `load_config`; it is not changed.
        options: the edits.
        dataset: what to train on; None leaves a user's own configuration with its own files.
        work_dir: where the run is written.
        device: "cpu" or "cuda[:i]".

    Raises:
        ConfigError: if an option or the dataset does not fit the configuration.
    """
    check_overrides(cfg, options.overrides)
    cfg = copy.deepcopy(cfg)
    cfg.setdefault("default_scope", "mmaction")
    before = _read_schedule(cfg)
    cfg.merge_from_dict(dict(options.overrides), allow_list_keys=True)
    _apply_options(cfg, options)
    _replan(cfg, options, before)
    if dataset is not None:
        (fill_from_dataset if "clip" in cfg else point_at_dataset)(cfg, dataset)
    cfg.work_dir = str(work_dir)
    cfg.device = device
    _collect_in_work_dir(cfg, work_dir)
    for key in ("val_evaluator", "test_evaluator"):
        cfg[key] = _extend_accuracy(cfg.get(key))
    return cfg


def fill_from_dataset(cfg: Config, dataset: ThermalDataset) -> None:
    """Write into one of our configurations what the dataset decides."""
    spec = read_clip_spec(cfg, dataset.classes)
    values = spec.to_dict()
    cfg.model.data_preprocessor.clip_spec = values
    cfg.model.cls_head.num_classes = spec.num_classes
    weighting = cfg.get("class_weights", "none")
    if weighting not in ("none", "inverse"):
        raise ConfigError(f"class_weights is {weighting!r}, expected 'inverse' or 'none'")
    if weighting == "inverse":
        counts = count_classes(dataset.samples("train", spec.target), spec.num_classes)
        cfg.model.cls_head.loss_cls.class_weight = class_weights(counts).tolist()
    _set_input_channels(cfg.model.backbone, spec.num_channels)
    for _, leaf in iterate_datasets(cfg):
        leaf.data_root = str(dataset.layout.root)
        leaf.clip_spec = values


def point_at_dataset(cfg: Config, dataset: ThermalDataset) -> None:
    """Make a user's own configuration read this dataset.

    Raises:
        ConfigError: if its head has another number of classes.
    """
    found = cfg.model.get("cls_head", {}).get("num_classes")
    if found is not None and found != dataset.num_classes:
        raise ConfigError(
            f"model.cls_head.num_classes is {found}, but {dataset.layout.root} has {dataset.num_classes} classes",
            hint=f"--cfg-options model.cls_head.num_classes={dataset.num_classes}",
        )
    for split, leaf in iterate_datasets(cfg):
        if leaf.get("type") == GUIDE_DATASET:
            leaf.ann_file = str(dataset.layout.annotation_file(split))
            leaf.data_prefix = {"hdf5": str(dataset.layout.frames_dir)}
            leaf.pop("data_root", None)


def read_clip_spec(cfg: Config, classes: tuple[str, ...]) -> ClipSpec:
    """Return the `clip` of one of our configurations as a record.

    Raises:
        ConfigError: if a field is unknown or a value impossible.
    """
    try:
        return ClipSpec.from_dict({"classes": list(classes), **cfg.clip.to_dict()})
    except TypeError as error:
        raise ConfigError(f"clip: {error}") from error


def iterate_datasets(cfg: Config) -> Iterator[tuple[str, Any]]:
    """Yield (split, dataset configuration) of each loader, inside whatever wraps it."""
    for loader in LOADERS:
        leaf = (cfg.get(loader) or {}).get("dataset")
        while leaf is not None and "dataset" in leaf:
            leaf = leaf.dataset
        if leaf is not None:
            yield ("train" if loader == "train_dataloader" else "val"), leaf


def _apply_options(cfg: Config, options: TrainOptions) -> None:
    if options.epochs is not None:
        cfg.train_cfg.max_epochs = options.epochs
    if options.batch_size is not None:
        cfg.train_dataloader.batch_size = options.batch_size
    if options.num_workers is not None:
        for loader in LOADERS:
            if cfg.get(loader):
                cfg[loader].num_workers = options.num_workers
                cfg[loader].persistent_workers = options.num_workers > 0
    if options.lr is not None:
        _set_rate(cfg, options.lr)
    if options.backbone_lr_mult is not None:
        cfg.merge_from_dict({"optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult": options.backbone_lr_mult})
    if options.amp:
        cfg.optim_wrapper.type = "thermalctl.engine.autocast.AutocastOptimWrapper"
    if options.dropout is not None:
        if "cls_head" not in cfg.model or "dropout_ratio" not in cfg.model.cls_head:
            raise ConfigError("--dropout: this configuration's head has no dropout_ratio")
        cfg.model.cls_head.dropout_ratio = options.dropout
    if options.auto_scale_lr:
        if "auto_scale_lr" not in cfg:
            raise ConfigError(
                "--auto-scale-lr: the configuration does not say for which batch size its rate is meant",
                hint="--cfg-options auto_scale_lr.base_batch_size=16",
            )
        cfg.auto_scale_lr.enable = True
    if options.seed is not None or options.deterministic:
        randomness = dict(cfg.get("randomness", {}))
        cfg.randomness = randomness | ({} if options.seed is None else {"seed": options.seed})
        cfg.randomness.deterministic = options.deterministic or randomness.get("deterministic", False)
    if options.cudnn_benchmark is not None or options.deterministic:
        cfg.merge_from_dict({"env_cfg.cudnn_benchmark": bool(options.cudnn_benchmark)})
    if options.load_from is not None:
        cfg.load_from = None if options.load_from == NO_WEIGHTS else options.load_from
    elif options.resume:
        cfg.load_from = None  # from the run's own last checkpoint, not from where it once began
    cfg.resume = options.resume or cfg.get("resume", False)


def _set_rate(cfg: Config, lr: float) -> None:
    """Set the rate, and move the schedule's lowest rate in proportion, lest a small rate rises to it."""
    optimizer = cfg.optim_wrapper.optimizer
    for scheduler in cfg.get("param_scheduler") or []:
        if scheduler.get("eta_min"):
            scheduler.eta_min = scheduler.eta_min * lr / optimizer.lr
    optimizer.lr = lr


def _read_schedule(cfg: Config) -> tuple[int | None, Any]:
    return (cfg.get("train_cfg") or {}).get("max_epochs"), copy.deepcopy(cfg.get("param_scheduler"))


def _replan(cfg: Config, options: TrainOptions, before: tuple[int | None, Any]) -> None:
    """Stretch the schedule to the new length, unless the schedule itself was edited."""
    max_epochs, schedulers = before
    if not isinstance(schedulers, list) or max_epochs is None:
        return
    touched = any(key.startswith("param_scheduler") for key in options.overrides)
    planned = [dict(scheduler) for scheduler in cfg.param_scheduler]
    if cfg.train_cfg.max_epochs != max_epochs and not touched:
        planned = stretch_schedule(planned, cfg.train_cfg.max_epochs / max_epochs)
    if options.warmup_epochs is not None:
        if options.warmup_epochs >= cfg.train_cfg.max_epochs:
            raise ConfigError(
                f"--warmup-epochs is {options.warmup_epochs} of {cfg.train_cfg.max_epochs} epochs: "
                "the full rate is never reached",
                hint="warm up for fewer epochs",
            )
        planned = set_warmup(planned, options.warmup_epochs)
    cfg.param_scheduler = planned


def _set_input_channels(backbone: Any, num_channels: int) -> None:
    pathways = [backbone[name] for name in ("slow_pathway", "fast_pathway") if name in backbone]
    for part in pathways or [backbone]:
        part.in_channels = num_channels


def _collect_in_work_dir(cfg: Config, work_dir: Path) -> None:
    for backend in (cfg.get("visualizer") or {}).get("vis_backends") or []:
        if backend.get("type") == "TensorboardVisBackend":
            backend.setdefault("save_dir", str(work_dir / "tf_logs"))


def _extend_accuracy(evaluator: Any) -> Any:
    """Return the evaluator with MMAction2's accuracy replaced by ours, which adds two metrics and drops none."""
    if isinstance(evaluator, (list, tuple)):
        return [_extend_accuracy(one) for one in evaluator]
    if isinstance(evaluator, dict) and evaluator.get("type") == "AccMetric":
        return type(evaluator)(evaluator, type="thermalctl.engine.accuracy.ClassAccuracy")
    return evaluator
