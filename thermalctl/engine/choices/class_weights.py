"""The weight of each class in a configuration's loss: by name until a dataset is there to be counted."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from thermalctl.dataset.class_balance import (
    DEFAULT_BETA,
    DEFAULT_CAP,
    effective_weights,
    inverse_weights,
    order_weights,
    read_class_weights,
)
from thermalctl.dataset.samples import ThermalDataset, count_classes
from thermalctl.engine.choices.loss_config import expect_head, find_loss, name_loss
from thermalctl.engine.known_keys import list_known_keys
from thermalctl.errors import ConfigError, RequestError

#: What `class_weights` may be by name; else it is the weights themselves, by class name.
WEIGHTINGS = ("none", "inverse", "effective")


def set_class_weights(cfg: Config, wanted: str) -> None:
    """Write what `--class-weights` wants into the configuration.

    Args:
        cfg: the configuration.
        wanted: one of `WEIGHTINGS`, or a file of weights by class name, whose content is written.

    Raises:
        ConfigError: if the configuration has no head.
        RequestError: if there is no such file.
        DatasetError: if the file cannot be read.
    """
    head = expect_head(cfg, "--class-weights")
    if wanted in WEIGHTINGS:
        cfg.class_weights = wanted
    elif not Path(wanted).is_file():
        near = difflib.get_close_matches(wanted, WEIGHTINGS, n=1)
        raise RequestError(
            f"--class-weights {wanted}: is neither none, inverse nor effective, and there is no such file",
            hint=f"is {near[0]} meant?" if near else 'a JSON file {"class name": weight, ...}, or CSV of such rows',
        )
    else:
        cfg.class_weights = read_class_weights(Path(wanted))
    if wanted == "effective":
        cfg.effective_weights = _read_effective(cfg)
    if wanted == "none" and (head.get("loss_cls") or {}).get("class_weight") is not None:
        head.loss_cls.class_weight = None  # of a finished run, or the user's own


def fill_imbalance(cfg: Config, dataset: ThermalDataset | None) -> None:
    """Write the class weights and counts that a dataset decides into the configuration's loss.

    Args:
        cfg: one of our configurations, or a user's own.
        dataset: whose train split is counted; None where the configuration reads its own files.

    Raises:
        ConfigError: if `class_weights` is impossible, does not fit the dataset or the loss, or nothing can be counted.
    """
    weighting = cfg.get("class_weights") or "none"
    loss = find_loss(cfg)
    is_ours = name_loss(loss) is not None
    if weighting not in WEIGHTINGS and not isinstance(weighting, Mapping):
        raise ConfigError(
            f"class_weights is {weighting!r}, expected {', '.join(WEIGHTINGS)} or weights by class name",
            hint="to read weights of your own from a file: --class-weights FILE",
        )
    if weighting == "none" and not is_ours:
        return
    if dataset is None:
        if weighting != "none":
            raise ConfigError(
                f"class_weights ({name_weights(cfg)}): classes are counted in a dataset folder, and none is given",
                hint="name it with --data, or --class-weights none",
            )
        return  # a loss that cannot do without counts says so itself
    target = (cfg.get("clip") or {}).get("target", "frame")
    counts = count_classes(dataset.samples("train", target), dataset.num_classes)
    if is_ours:
        loss["class_counts"] = counts.tolist()
    if weighting == "none":
        return
    if not is_ours and "class_weight" not in (list_known_keys(loss, ("model", "cls_head", "loss_cls")) or ()):
        raise ConfigError(
            f"class_weights ({name_weights(cfg)}): the loss {loss.get('type')} takes none",
            hint="--loss cross-entropy, or --class-weights none",
        )
    if isinstance(weighting, Mapping):
        weights = order_weights(weighting, dataset.classes, counts)
    elif weighting == "inverse":
        weights = inverse_weights(counts)
    else:
        weights = effective_weights(counts, **_read_effective(cfg))
    loss["class_weight"] = weights.tolist()


def name_weights(cfg: Config) -> str:
    """Return which class weights are in force, in a word."""
    weighting = cfg.get("class_weights") or "none"
    if not isinstance(weighting, str):
        return "your own"
    own = weighting == "none" and find_loss(cfg).get("class_weight") is not None
    return "your own" if own else weighting


def _read_effective(cfg: Config) -> dict[str, float]:
    """Return what `effective_weights` takes, from the configuration's key of that name.

    Raises:
        ConfigError: if it has another key.
    """
    usual = {"beta": DEFAULT_BETA, "cap": DEFAULT_CAP}
    given = dict(cfg.get("effective_weights") or {})
    unknown = sorted(given.keys() - usual.keys())
    if unknown:
        raise ConfigError(f"effective_weights has no {unknown[0]!r}", hint=f"it has {', '.join(usual)}")
    return usual | given
