"""How unequal classes are evened out: by weights, by the loss, or by how often each clip is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from thermalctl.engine.choices.class_weights import name_weights, set_class_weights
from thermalctl.engine.choices.double_correction import Correction, refuse_double_correction
from thermalctl.engine.choices.loss_config import LOSSES, LossName, expect_head, find_loss, name_loss
from thermalctl.errors import ConfigError, RequestError
from thermalctl.pipeline.samplers import Strategy

SAMPLER = "thermalctl.pipeline.samplers.ClassSampler"
#: What stays when one loss takes the place of another; MMAction2's has the first two as well.
_SHARED_KEYS = ("class_weight", "loss_weight", "class_counts", "label_smoothing")
#: The flags of one loss alone: whose, its key there, and the finetuning guide's value (tau: the paper's).
_OF_ONE_LOSS: dict[str, tuple[LossName, str, float]] = {
    "focal_gamma": ("focal", "gamma", 2.0),
    "focal_alpha": ("focal", "alpha", 0.25),
    "tau": ("logit-adjusted", "tau", 1.0),
}
#: What each number may be, in words and as a test.
_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "focal_gamma": ("0 or more", lambda value: 0 <= value < float("inf")),
    "focal_alpha": ("more than 0, at most 1", lambda value: 0 < value <= 1),
    "tau": ("more than 0", lambda value: 0 < value < float("inf")),
    "label_smoothing": ("0 or more and less than 1", lambda value: 0 <= value < 1),
    "oversample": ("more than 0", lambda value: 0 < value < float("inf")),
}


@dataclass(frozen=True, kw_only=True)
class ImbalanceChoices:
    """How unequal classes are evened out; None leaves it as the configuration has it.

    Attributes:
        class_weights: how much each class counts in the loss: "none" for all the same, "inverse" for total / (classes *
            count), "effective" for the effective number of clips, or a JSON or CSV file of weights by class name.
        loss: what is minimised.
        focal_gamma: how fast the focal loss lets easy clips lose weight.
        focal_alpha: factor of the focal loss.
        tau: how much of the difference in frequency the logit-adjusted loss corrects for.
        label_smoothing: share of each label that is spread over the classes that occur.
        sampler: which clips are drawn how often, see `ClassSampler`.
        oversample: draws in an epoch, as a multiple of the number of clips.
    """

    class_weights: str | None = None
    loss: LossName | None = None
    focal_gamma: float | None = None
    focal_alpha: float | None = None
    tau: float | None = None
    label_smoothing: float | None = None
    sampler: Strategy | None = None
    oversample: float | None = None


def check_imbalance(choices: ImbalanceChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """
    for name, (expected, is_possible) in _RANGES.items():
        value = getattr(choices, name)
        if value is not None and not is_possible(value):
            raise RequestError(
                f"{_name_flag(name)} is {value}, expected {expected}",
                hint="leave it out for the configuration's own value",
            )
    for name, (owner, _, _) in _OF_ONE_LOSS.items():
        value = getattr(choices, name)
        if value is not None and choices.loss not in (None, owner):
            raise RequestError(
                f"{_name_flag(name)} {value:g} and --loss {choices.loss} contradict each other: only {owner} has it",
                hint=f"leave it out, or --loss {owner}",
            )
    refuse_double_correction(_list_corrections(choices.sampler, choices.class_weights, choices.loss, flags=choices))


def apply_imbalance(cfg: Config, choices: ImbalanceChoices) -> None:
    """Change how a configuration evens out its classes.

    Raises:
        ConfigError: if it has nothing that a choice could change.
        RequestError: if a choice and the configuration correct for the same thing.
        DatasetError: if the file of class weights cannot be read.
    """
    if choices.class_weights is not None:
        set_class_weights(cfg, choices.class_weights)
    if any(getattr(choices, name) is not None for name in ("loss", "label_smoothing", *_OF_ONE_LOSS)):
        _set_loss(cfg, choices)
    if choices.sampler is not None or choices.oversample is not None:
        _set_sampler(cfg, choices)
    _check_smoothing(cfg)
    sampler = (cfg.get("train_dataloader") or {}).get("sampler") or {}
    strategy = sampler.get("strategy") if sampler.get("type") == SAMPLER else None
    refuse_double_correction(_list_corrections(strategy, name_weights(cfg), name_loss(find_loss(cfg)), flags=choices))


def _set_loss(cfg: Config, choices: ImbalanceChoices) -> None:
    given = [name for name in ("loss", "label_smoothing", *_OF_ONE_LOSS) if getattr(choices, name) is not None]
    head = expect_head(cfg, _name_flag(given[0]))
    loss: dict[str, Any] = {"type": "CrossEntropyLoss"} | dict(head.get("loss_cls") or {})  # MMAction2's default
    if choices.loss is not None and loss["type"] != LOSSES[choices.loss]:
        loss = {"type": LOSSES[choices.loss]} | {key: loss[key] for key in _SHARED_KEYS if key in loss}
    found = str(loss["type"]).rpartition(".")[2]
    for name, (owner, key, usual) in _OF_ONE_LOSS.items():
        value = getattr(choices, name)
        if value is not None and loss["type"] != LOSSES[owner]:
            raise ConfigError(
                f"{_name_flag(name)}: this configuration's loss, {found}, has no {key}", hint=f"add --loss {owner}"
            )
        if value is not None or choices.loss == owner:
            loss[key] = loss.get(key, usual) if value is None else value
    if choices.label_smoothing is not None:
        if loss["type"] not in LOSSES.values():
            raise ConfigError(
                f"--label-smoothing: this configuration's loss, {found}, has none of its own",
                hint="add --loss cross-entropy",
            )
        loss["label_smoothing"] = choices.label_smoothing
    head.loss_cls = loss


def _set_sampler(cfg: Config, choices: ImbalanceChoices) -> None:
    loader = cfg.get("train_dataloader")
    if loader is None:
        raise ConfigError("--sampler, --oversample: this configuration has no train_dataloader")
    found = dict(loader.get("sampler") or {})
    if found.get("type") != SAMPLER:
        rounding = {"round_up": found["round_up"]} if "round_up" in found else {}
        found = {"type": SAMPLER, "strategy": "natural", "oversample": 1.0} | rounding
    wanted = {"strategy": choices.sampler, "oversample": choices.oversample}
    loader.sampler = found | {key: value for key, value in wanted.items() if value is not None}


def _check_smoothing(cfg: Config) -> None:
    """Check that MMAction2's head does not smooth the labels of our losses: it spreads them over absent classes too."""
    share = ((cfg.get("model") or {}).get("cls_head") or {}).get("label_smooth_eps")
    if share and name_loss(find_loss(cfg)) is not None:
        raise ConfigError(
            f"model.cls_head.label_smooth_eps is {share}: the head would spread it over classes that never occur",
            hint=f"--label-smoothing {share} --cfg-options model.cls_head.label_smooth_eps=0",
        )


def _list_corrections(
    sampler: str | None, weights: str | None, loss: str | None, *, flags: ImbalanceChoices
) -> list[Correction]:
    """Return what evens out classes, of the three ways to do it."""
    found = []
    if sampler not in (None, "natural"):
        found.append(Correction(kind="sampler", value=str(sampler), is_flag=flags.sampler is not None))
    if weights not in (None, "none"):
        found.append(Correction(kind="class_weights", value=str(weights), is_flag=flags.class_weights is not None))
    if loss in ("balanced-softmax", "logit-adjusted"):
        found.append(Correction(kind="loss", value=str(loss), is_flag=flags.loss is not None))
    return found


def _name_flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"
