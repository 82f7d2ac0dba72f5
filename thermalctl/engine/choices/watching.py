"""Where a run is written besides its log."""

from __future__ import annotations

from dataclasses import dataclass

from mmengine.config import Config


@dataclass(frozen=True, kw_only=True)
class WatchingChoices:
    """Where a run is written besides its log; None leaves it as the configuration has it."""


def check_watching(choices: WatchingChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """


def apply_watching(cfg: Config, choices: WatchingChoices) -> None:
    """Change a configuration as the choices say.

    Raises:
        ConfigError: if it has nothing that a choice could change.
    """
