"""Which loss a configuration has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mmengine.config import Config

from thermalctl.errors import ConfigError

LossName = Literal["cross-entropy", "focal", "balanced-softmax", "logit-adjusted"]

LOSSES: dict[LossName, str] = {
    "cross-entropy": "thermalctl.models.losses.CrossEntropy",
    "focal": "thermalctl.models.losses.FocalLoss",
    "balanced-softmax": "thermalctl.models.losses.BalancedSoftmax",
    "logit-adjusted": "thermalctl.models.losses.LogitAdjusted",
}


def name_loss(loss: Mapping[str, Any]) -> LossName | None:
    """Return which of our losses it is; None for any other."""
    return next((name for name, path in LOSSES.items() if loss.get("type") == path), None)


def find_loss(cfg: Config) -> Any:
    """Return the configuration's loss; an empty mapping where it has none."""
    return ((cfg.get("model") or {}).get("cls_head") or {}).get("loss_cls") or {}


def expect_head(cfg: Config, flag: str) -> Any:
    """Return the configuration's head.

    Raises:
        ConfigError: naming the flag, if it has none.
    """
    head = (cfg.get("model") or {}).get("cls_head")
    if head is None:
        raise ConfigError(f"{flag}: this configuration has no model.cls_head, whose loss it could change")
    return head
