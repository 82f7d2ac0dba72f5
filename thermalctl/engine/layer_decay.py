"""Lower rates for lower stages: what a pretrained network learned first changes least."""

from __future__ import annotations

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from thermalctl.errors import ConfigError
from thermalctl.models.stages import list_stages

#: The key of `paramwise_cfg`.
LAYER_DECAY = "layer_decay"


class LayerDecayConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's optimizer constructor with rates that fall from the head to the stem.

    A stage's rate is what MMEngine gives it, `custom_keys` and all, times `paramwise_cfg["layer_decay"]` to the power
    of its distance from the head: 0 for the head, 1 for the last stage (discriminative fine-tuning, Howard & Ruder
    2018, https://arxiv.org/abs/1801.06146, section 3.2, by stage instead of by layer). So a backbone with `lr_mult` 0.1
    begins from a tenth and decays from there. Both pathways of a SlowFast decay alike.

    Args:
        optim_wrapper_cfg: see MMEngine.
        paramwise_cfg: see MMEngine; and `layer_decay`, more than 0 and at most 1.

    Raises:
        ConfigError: if there is no rate to lower, or no decay.
    """

    def __init__(self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        decay, rate = self.paramwise_cfg.get(LAYER_DECAY), self.base_lr
        if not isinstance(decay, (int, float)) or not 0 < decay <= 1:
            raise ConfigError(
                f"optim_wrapper.paramwise_cfg.{LAYER_DECAY} is {decay!r}, expected more than 0, at most 1"
            )
        if rate is None:
            raise ConfigError("optim_wrapper.optimizer has no lr, which the rate of each stage is a share of")
        self.layer_decay = decay
        self.full_rate: float = rate

    def add_params(
        self, params: list[dict[str, Any]], module: nn.Module, prefix: str = "", is_dcn_module: Any = None
    ) -> None:
        """Add the parameters of a module to the groups, a group each, at MMEngine's rates times the stage's share."""
        super().add_params(params, module, prefix=prefix, is_dcn_module=is_dcn_module)
        if prefix:  # MMEngine calls this again for each module inside
            return
        shares = find_shares(module, self.layer_decay)
        share_of = {id(parameter): shares[name] for name, parameter in module.named_parameters()}
        for group in params:
            (parameter,) = group["params"]
            group["lr"] = group.get("lr", self.full_rate) * share_of[id(parameter)]


def find_shares(model: nn.Module, layer_decay: float) -> dict[str, float]:
    """Return each parameter's share of the full rate: 1 in the head, the decay's powers below it.

    Raises:
        ConfigError: if the stages of its backbone are not known.
    """
    stages = reversed(list_stages(model))
    return {name: layer_decay**distance for distance, stage in enumerate(stages) for name in stage.parameters}
