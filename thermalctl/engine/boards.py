"""MMEngine's backend for Weights & Biases, without what it sends unasked."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from mmengine.visualization import WandbVisBackend


class WandbBackend(WandbVisBackend):
    """Writes scalars, pictures and the configuration for Weights & Biases.

    MMEngine 0.10.7's sends every Python file below the current folder with the configuration, whoever wrote it.
    """

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Write the configuration."""
        self.experiment.config.update(config.to_dict())
