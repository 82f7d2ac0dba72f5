"""What each flag of `train` changes in a configuration."""

from __future__ import annotations

from mmengine.config import Config

from thermalctl.engine.choices.augmentation import apply_augmentation
from thermalctl.engine.choices.clips import apply_clips
from thermalctl.engine.choices.imbalance import apply_imbalance
from thermalctl.engine.choices.running import apply_running
from thermalctl.engine.choices.stopping import apply_stopping
from thermalctl.engine.choices.transfer import apply_transfer
from thermalctl.engine.choices.watching import apply_watching
from thermalctl.engine.options import LOADERS, TrainOptions
from thermalctl.engine.schedule import list_schedulers, relate_lowest_rate, set_warmup, stretch_schedule
from thermalctl.errors import ConfigError

#: What `--load-from` says for random weights.
NO_WEIGHTS = "none"
AUTOCAST = "thermalctl.engine.autocast.AutocastOptimWrapper"


def apply_options(cfg: Config, options: TrainOptions, *, planned_epochs: int | None) -> None:
    """Change a configuration as the flags say; its `overrides` are in it already.

    Args:
        cfg: the configuration.
        options: the flags.
        planned_epochs: the length that its schedule was written for; None where it does not count in epochs.

    Raises:
        ConfigError: if the configuration has nothing that a flag could change.
    """
    has_own_schedule = any(key.split(".")[0] == "param_scheduler" for key in options.overrides)
    if options.epochs is not None:
        _set_epochs(cfg, options.epochs)
    apply_running(cfg, options)
    if options.batch_size is not None and options.batch_size != "auto":
        cfg.train_dataloader.batch_size = options.batch_size
    if options.num_workers is not None:
        for loader in LOADERS:
            if cfg.get(loader):
                cfg[loader].num_workers = options.num_workers
                cfg[loader].persistent_workers = options.num_workers > 0
    if options.lr is not None:
        _set_rate(cfg, options.lr, move_lowest=not has_own_schedule)
    if options.backbone_lr_mult is not None:
        _relate_lowest_rate(cfg)
        cfg.merge_from_dict({"optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult": options.backbone_lr_mult})
    if options.amp:
        _set_amp(cfg)
    if options.dropout is not None:
        if "dropout_ratio" not in (cfg.model.get("cls_head") or {}):
            raise ConfigError(
                "--dropout: this configuration's head has no dropout_ratio",
                hint="name the key of its own dropout with --cfg-options",
            )
        cfg.model.cls_head.dropout_ratio = options.dropout
    if options.auto_scale_lr:
        if not (cfg.get("auto_scale_lr") or {}).get("base_batch_size"):
            raise ConfigError(
                "--auto-scale-lr: the configuration does not say for which batch size its rate is meant",
                hint="--cfg-options auto_scale_lr.base_batch_size=16",
            )
        cfg.auto_scale_lr.enable = True
        _relate_lowest_rate(cfg)
    if options.load_from is not None:
        cfg.load_from = None if options.load_from == NO_WEIGHTS else options.load_from
    elif options.resume:
        cfg.load_from = None  # from the run's own last checkpoint, not from where it once began
    cfg.resume = options.resume or cfg.get("resume", False)
    has_own_size = options.input_size is not None or "clip.input_size" in options.overrides
    apply_clips(cfg, options, has_own_size=has_own_size)
    apply_imbalance(cfg, options)
    apply_augmentation(cfg, options)
    apply_transfer(cfg, options)
    apply_stopping(cfg, options)
    apply_watching(cfg, options)
    _set_randomness(cfg, options)
    _replan(cfg, options.warmup_epochs, planned_epochs=None if has_own_schedule else planned_epochs)


def _set_epochs(cfg: Config, epochs: int) -> None:
    loop = cfg.get("train_cfg") or {}
    if "max_epochs" not in loop and ("max_iters" in loop or "type" not in loop):
        raise ConfigError(
            "--epochs: this configuration does not count in epochs",
            hint="--cfg-options train_cfg.max_iters=..." if "max_iters" in loop else None,
        )
    cfg.train_cfg.max_epochs = epochs


def _set_rate(cfg: Config, lr: float, *, move_lowest: bool) -> None:
    """Set the rate, and move the schedule's lowest rate in proportion, lest a small rate rises to it."""
    optimizer = (cfg.get("optim_wrapper") or {}).get("optimizer")
    if optimizer is None:
        raise ConfigError(
            "--lr: this configuration has no optim_wrapper.optimizer",
            hint="name the key of its rate with --cfg-options",
        )
    if move_lowest and optimizer.get("lr"):
        for scheduler in list_schedulers(cfg):
            if scheduler.get("eta_min"):
                scheduler.eta_min = scheduler.eta_min * lr / optimizer.lr
    optimizer.lr = lr


def _relate_lowest_rate(cfg: Config) -> None:
    rate = ((cfg.get("optim_wrapper") or {}).get("optimizer") or {}).get("lr")
    if rate:
        relate_lowest_rate(list_schedulers(cfg), rate)


def _set_amp(cfg: Config) -> None:
    wrapper = cfg.optim_wrapper
    for key in ("loss_scale", "use_fsdp"):  # AmpOptimWrapper's own
        wrapper.pop(key, None)
    if wrapper.get("dtype", "") is None:
        wrapper.pop("dtype")
    wrapper.type = AUTOCAST


def _set_randomness(cfg: Config, options: TrainOptions) -> None:
    if options.seed is not None or options.deterministic:
        randomness = dict(cfg.get("randomness") or {})
        if options.seed is not None:
            randomness["seed"] = options.seed
        if options.deterministic:
            randomness["deterministic"] = True
        cfg.randomness = randomness
    if options.cudnn_benchmark is not None or options.deterministic:
        cfg.merge_from_dict({"env_cfg.cudnn_benchmark": bool(options.cudnn_benchmark)})


def _replan(cfg: Config, warmup_epochs: int | None, *, planned_epochs: int | None) -> None:
    """Stretch the schedule to the length of training, and give it the warm-up that was asked for."""
    max_epochs = (cfg.get("train_cfg") or {}).get("max_epochs")
    factor = max_epochs / planned_epochs if max_epochs and planned_epochs else 1.0
    if factor == 1 and warmup_epochs is None:
        return
    planned = [dict(scheduler) for scheduler in list_schedulers(cfg)]
    if factor != 1:
        planned = stretch_schedule(planned, factor)
    if warmup_epochs is not None:
        if max_epochs is None:
            raise ConfigError("--warmup-epochs: this configuration does not count in epochs")
        if warmup_epochs >= max_epochs:
            raise ConfigError(
                f"--warmup-epochs is {warmup_epochs} of {max_epochs} epochs: the full rate is never reached",
                hint="warm up for fewer epochs",
            )
        planned = set_warmup(planned, warmup_epochs)
    if planned:
        cfg.param_scheduler = planned
