"""What training varies in its clips."""

from __future__ import annotations

from dataclasses import dataclass

from mmengine.config import Config


@dataclass(frozen=True, kw_only=True)
class AugmentationChoices:
    """What training varies in its clips; None leaves it as the configuration has it."""


def check_augmentation(choices: AugmentationChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """


def apply_augmentation(cfg: Config, choices: AugmentationChoices) -> None:
    """Change a configuration as the choices say.

    Raises:
        ConfigError: if it has nothing that a choice could change.
    """
