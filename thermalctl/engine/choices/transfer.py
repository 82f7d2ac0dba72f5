"""How pretrained weights are carried over."""

from __future__ import annotations

from dataclasses import dataclass

from mmengine.config import Config


@dataclass(frozen=True, kw_only=True)
class TransferChoices:
    """How pretrained weights are carried over; None leaves it as the configuration has it."""


def check_transfer(choices: TransferChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """


def apply_transfer(cfg: Config, choices: TransferChoices) -> None:
    """Change a configuration as the choices say.

    Raises:
        ConfigError: if it has nothing that a choice could change.
    """
