"""How pretrained weights are carried over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from thermalctl.engine.choices.custom_hooks import drop_hooks, find_hooks, set_hook
from thermalctl.engine.schedule import list_schedulers, relate_lowest_rate
from thermalctl.errors import ConfigError, RequestError

FREEZE = "thermalctl.engine.freezing.FreezeHook"
FREEZE_NORM = "thermalctl.engine.freezing.FreezeNormHook"
AVERAGING = "thermalctl.engine.averaging.AveragingHook"
LAYER_DECAY = "thermalctl.engine.layer_decay.LayerDecayConstructor"
#: MMEngine's own, which ours extends.
_USUAL_CONSTRUCTOR = "DefaultOptimWrapperConstructor"
USUAL_AVERAGING = "EMAHook"
#: Stages above the stem in the networks here.
MOST_STAGES = 4
#: What each number may be, in words and as a test.
_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "freeze_backbone": ("a number of epochs, 0 to freeze nothing", lambda value: value >= 0),
    "freeze_stages": (f"1 to {MOST_STAGES}; the stem is always with them", lambda value: 1 <= value <= MOST_STAGES),
    "unfreeze_every": ("a number of epochs from 1", lambda value: value >= 1),
    "layer_decay": ("more than 0, at most 1", lambda value: 0 < value <= 1),
    "ema": ("more than 0 and less than 1, as 0.999", lambda value: 0 < value < 1),
}


@dataclass(frozen=True, kw_only=True)
class TransferChoices:
    """How pretrained weights are carried over; None (or False) leaves it as the configuration has it.

    Attributes:
        freeze_backbone: for how many epochs only the head learns; 0 to freeze nothing.
        freeze_stages: how many stages above the stem are frozen with it, the lowest ones, 1 to 4; all by default.
        unfreeze_every: epochs after which one stage more learns, the uppermost first; all at once by default.
        freeze_bn: keep the running statistics of the backbone's batch normalisation.
        layer_decay: each stage's rate as a share of that of the stage above it.
        ema: decay of the moving average of the weights, which is what is validated and saved.
    """

    freeze_backbone: int | None = None
    freeze_stages: int | None = None
    unfreeze_every: int | None = None
    freeze_bn: bool = False
    layer_decay: float | None = None
    ema: float | None = None


def check_transfer(choices: TransferChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """
    for name, (expected, is_possible) in _RANGES.items():
        value = getattr(choices, name)
        if value is not None and not is_possible(value):
            raise RequestError(
                f"{_name_flag(name)} is {value}, expected {expected}", hint="leave it out for what is usual"
            )
    for name in ("freeze_stages", "unfreeze_every"):
        if choices.freeze_backbone == 0 and getattr(choices, name) is not None:
            raise RequestError(
                f"{_name_flag(name)} {getattr(choices, name)} and --freeze-backbone 0 contradict each other: "
                "nothing is frozen",
                hint=f"--freeze-backbone 10 freezes for ten epochs; without it leave {_name_flag(name)} out too",
            )


def apply_transfer(cfg: Config, choices: TransferChoices) -> None:
    """Change how a configuration carries pretrained weights over.

    Its `load_from`, `resume` and length have to be those of the run already.

    Raises:
        ConfigError: if it has nothing that a choice could change, or what is frozen would never learn or be random.
    """
    _set_freezing(cfg, choices)
    if choices.freeze_bn:
        set_hook(cfg, FREEZE_NORM)
    if choices.layer_decay is not None:
        _set_layer_decay(cfg, choices.layer_decay)
    if choices.ema is not None:
        if find_hooks(cfg, USUAL_AVERAGING):
            raise ConfigError(
                f"--ema {choices.ema:g}: this configuration averages its weights already, with MMEngine's EMAHook",
                hint="leave --ema out, or take the EMAHook out of custom_hooks",
            )
        set_hook(cfg, AVERAGING, decay=choices.ema)
    for hook in find_hooks(cfg, FREEZE):
        _check_freezing(cfg, hook)
    _check_weights(cfg)


def _set_freezing(cfg: Config, choices: TransferChoices) -> None:
    given = {"stages": choices.freeze_stages, "unfreeze_every": choices.unfreeze_every}
    given = {key: value for key, value in given.items() if value is not None}
    if choices.freeze_backbone == 0:
        drop_hooks(cfg, FREEZE)
        return
    if choices.freeze_backbone is not None:
        given["epochs"] = choices.freeze_backbone
    elif given and not find_hooks(cfg, FREEZE):
        name = "freeze_stages" if choices.freeze_stages is not None else "unfreeze_every"
        raise ConfigError(
            f"{_name_flag(name)} {getattr(choices, name)}: nothing is frozen",
            hint="add --freeze-backbone 10, for ten epochs of the head alone",
        )
    if not given:
        return
    set_hook(cfg, FREEZE, **given)
    # DistributedDataParallel waits for the gradient of every parameter unless it looks for those without.
    cfg.find_unused_parameters = True
    if cfg.get("model_wrapper_cfg"):
        cfg.model_wrapper_cfg.find_unused_parameters = True


def _check_freezing(cfg: Config, hook: Mapping[str, Any]) -> None:
    """Check that what is frozen begins to learn before the training ends."""
    length = (cfg.get("train_cfg") or {}).get("max_epochs")
    if length is None:
        raise ConfigError("--freeze-backbone: this configuration does not count in epochs")
    epochs, every = hook["epochs"], hook.get("unfreeze_every")
    if epochs >= length:
        raise ConfigError(
            f"--freeze-backbone is {epochs} of {length} epochs: the backbone never learns",
            hint="freeze it for fewer epochs, or train for more: --epochs",
        )
    last = epochs + (every or 0) * (hook.get("stages") or MOST_STAGES)
    if last >= length:
        raise ConfigError(
            f"--unfreeze-every {every} after --freeze-backbone {epochs}: the stem would begin to learn after epoch "
            f"{last} of {length}",
            hint="unfreeze faster, or train for more epochs",
        )


def _check_weights(cfg: Config) -> None:
    """Check that what is frozen comes from somewhere: random weights that stay so are of no use."""
    frozen = {FREEZE: "--freeze-backbone", FREEZE_NORM: "--freeze-bn"}
    flags = [flag for name, flag in frozen.items() if find_hooks(cfg, name)]
    if flags and not (cfg.get("load_from") or cfg.get("resume") or _names_weights(cfg.get("model"))):
        raise ConfigError(
            f"{flags[0]}: the model starts from random weights, and would keep them",
            hint="name the weights to start from with --load-from, or leave it out",
        )


def _names_weights(node: Any) -> bool:
    """Return whether a part of a user's model names weights of its own, as MMAction2's backbones may."""
    if not isinstance(node, Mapping):
        return False
    if node.get("pretrained") or node.get("type") == "Pretrained":  # the latter in an `init_cfg`
        return True
    return any(map(_names_weights, node.values()))


def _set_layer_decay(cfg: Config, decay: float) -> None:
    wrapper = cfg.get("optim_wrapper") or {}
    rate = (wrapper.get("optimizer") or {}).get("lr")
    if rate is None:
        raise ConfigError(f"--layer-decay {decay:g}: this configuration has no optim_wrapper.optimizer.lr")
    constructor = wrapper.get("constructor", _USUAL_CONSTRUCTOR)
    if constructor not in (_USUAL_CONSTRUCTOR, LAYER_DECAY):
        raise ConfigError(
            f"--layer-decay {decay:g}: this configuration gives out rates with {constructor} already",
            hint="--cfg-options optim_wrapper.constructor=DefaultOptimWrapperConstructor  takes MMEngine's usual one",
        )
    cfg.merge_from_dict({"optim_wrapper.constructor": LAYER_DECAY, "optim_wrapper.paramwise_cfg.layer_decay": decay})
    relate_lowest_rate(list_schedulers(cfg), rate)


def _name_flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"
