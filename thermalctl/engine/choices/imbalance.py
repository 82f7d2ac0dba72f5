"""How unequal classes are evened out."""

from __future__ import annotations

from dataclasses import dataclass

from mmengine.config import Config


@dataclass(frozen=True, kw_only=True)
class ImbalanceChoices:
    """How unequal classes are evened out; None leaves it as the configuration has it."""


def check_imbalance(choices: ImbalanceChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """


def apply_imbalance(cfg: Config, choices: ImbalanceChoices) -> None:
    """Change a configuration as the choices say.

    Raises:
        ConfigError: if it has nothing that a choice could change.
    """
