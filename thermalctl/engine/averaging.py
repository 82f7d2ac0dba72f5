"""The exponential moving average of a model's weights over training: what is validated, saved, tested and exported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import EMAHook
from mmengine.model import BaseAveragedModel
from torch import Tensor, nn

#: Where a checkpoint has the weights that training goes on from, and the number of steps averaged; MMEngine's name.
AVERAGE_KEY = "ema_state_dict"


def ramp_decay(decay: float, step: int) -> float:
    """Return the share of the old average that a step keeps: 0 at first, rising to `decay`.

    min(decay, (1 + step) / (10 + step)), as TensorFlow's `ExponentialMovingAverage` with `num_updates`. With a constant
    decay of 0.999 the average would, after the 300 steps of a short run, still be three quarters of where it began.

    Args:
        decay: the highest share, 0 to 1.
        step: how many steps are averaged already.
    """
    return min(decay, (1 + step) / (10 + step)) if step else 0.0


class RampedAverage(BaseAveragedModel):
    """The average of a model's weights, with a decay that rises from 0; see `ramp_decay`.

    The running statistics of batch normalisation are averaged with the parameters, for those of the latest weights do
    not describe the features of averaged ones; counters are copied.

    Args:
        model: whose weights; it is copied.
        decay: the highest share of the old average that a step keeps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model, update_buffers=True)
        self.decay = decay

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: Tensor) -> None:
        """Move an average towards a value, in place."""
        averaged_param.lerp_(source_param, 1 - ramp_decay(self.decay, int(steps)))

    def update_parameters(self, model: nn.Module) -> None:
        """Take the model's weights, as they are after a step, into the average."""
        super().update_parameters(model)
        for name, value in model.state_dict().items():
            if not value.is_floating_point():
                self.avg_parameters[name].copy_(value)


class AveragingHook(EMAHook):
    """MMEngine's EMAHook with a decay that suits short runs, and a resumed run that goes on exactly.

    A checkpoint's `state_dict` is the average; what training goes on from is beside it.

    Args:
        decay: the highest share of the old average that a step keeps, more than 0 and less than 1.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self._resumed: Mapping[str, Tensor] | None = None

    def before_run(self, runner: Any) -> None:
        """Make the average."""
        self.src_model = runner.recognizer
        self.ema_model = RampedAverage(self.src_model, self.decay)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Put the weights that a resumed run goes on from into their place, and remember its average."""
        if runner._resume:  # else the first step makes the average
            self._swap_ema_state_dict(checkpoint)
            self._resumed = checkpoint[AVERAGE_KEY]

    def before_train(self, runner: Any) -> None:
        """Go on with the average of a resumed run."""
        if self._resumed is not None:
            self.ema_model.load_state_dict(self._resumed)
            self._resumed = None
