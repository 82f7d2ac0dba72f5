"""When training ends and which epoch is kept."""

from __future__ import annotations

from dataclasses import dataclass

from mmengine.config import Config


@dataclass(frozen=True, kw_only=True)
class StoppingChoices:
    """When training ends and which epoch is kept; None leaves it as the configuration has it."""


def check_stopping(choices: StoppingChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """


def apply_stopping(cfg: Config, choices: StoppingChoices) -> None:
    """Change a configuration as the choices say.

    Raises:
        ConfigError: if it has nothing that a choice could change.
    """
