"""Gradients of the mean over all clips that an update learns from, in whatever portions they come.

A loss is a weighted mean: a sum over the clips of a batch, divided by the weight of their labels. The mean of such
means, which DistributedDataParallel and MMEngine's accumulation form, is not the mean of the whole: a process, or a
step, with few clips of heavy classes would count as much as any other. Here each portion contributes its sum, the
weights are added up over steps and processes, and the gradient is divided once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from thermalctl.errors import ConfigError


class WholeMean(OptimWrapper):
    """Divides the gradients of an update by the weight of all its labels; see the module.

    Alone and without accumulation it does what `OptimWrapper` does, to the bit. An epoch ends with an update, so that a
    checkpoint holds all that was learnt.

    Attributes:
        read_weight: returns the weight of the labels in the batch whose loss was computed last, a scalar; None for
            losses that do not tell, of which the mean of means is taken.
    """

    read_weight: Callable[[], Tensor] | None = None
    _steps_per_epoch: int | None = None
    _weight: Tensor | float = 0.0

    def observe(self, model: nn.Module, steps_per_epoch: int) -> None:
        """Learn where a model's loss tells the weight of its labels, and when an epoch ends."""
        loss: Any = getattr(getattr(model, "cls_head", None), "loss_cls", None)
        self.read_weight = (lambda: loss.last_weight) if hasattr(loss, "last_weight") else None
        self._steps_per_epoch = steps_per_epoch

    @property
    def adds_up(self) -> bool:
        """Whether an update learns from more than one loss."""
        return self._accumulative_counts > 1 or get_world_size() > 1

    def update_params(
        self, loss: Tensor, step_kwargs: dict[str, Any] | None = None, zero_kwargs: dict[str, Any] | None = None
    ) -> None:
        """Take a loss into the gradients and, when it is time, update the parameters."""
        if not self.adds_up:
            super().update_params(loss, step_kwargs, zero_kwargs)
            return
        weight = self.read_weight() if self.read_weight else torch.ones((), device=loss.device)
        self.backward(loss * weight)
        self._weight = self._weight + weight
        if self.should_update():
            self._divide_gradients()
            self.step(**(step_kwargs or {}))
            self.zero_grad(**(zero_kwargs or {}))

    def initialize_count_status(self, model: nn.Module, init_counts: int, max_counts: int) -> None:
        """Begin to count where a resumed run stands."""
        self._inner_count, self._max_counts = init_counts, max_counts
        # MMEngine's schedulers count steps, and would take the first updates to be missing.
        self._global_step = max(getattr(self, "_global_step", 0), 0)

    def should_update(self) -> bool:
        """Return whether the step just counted completes an update: it has its share, or the epoch ends."""
        return self._completes(self._inner_count)

    def should_sync(self) -> bool:
        """Return whether the step to come completes an update, so that the processes add up their gradients."""
        return self._completes(self._inner_count + 1)

    def _completes(self, count: int) -> bool:
        if self._steps_per_epoch is None:
            return count % self._accumulative_counts == 0 or count == self._max_counts
        place = (count - 1) % self._steps_per_epoch + 1
        return place % self._accumulative_counts == 0 or place == self._steps_per_epoch

    def _divide_gradients(self) -> None:
        total = torch.as_tensor(self._weight).detach().clone()
        all_reduce(total)
        # DistributedDataParallel has divided the sum of the processes' gradients by their number.
        factor = get_world_size() / total.clamp(min=torch.finfo(total.dtype).tiny)
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(factor)
        self._weight = 0.0


def check_accumulation(wrapper: object, steps: int) -> None:
    """Check that a configuration's own optimizer wrapper is one that can accumulate as asked.

    Raises:
        ConfigError: if it is not one of MMEngine's plain ones, or ours.
    """
    if wrapper not in (None, "OptimWrapper", "AmpOptimWrapper", *OURS):
        raise ConfigError(
            f"--accumulate {steps}: this configuration has an optimizer wrapper of its own, {wrapper}",
            hint="--cfg-options optim_wrapper.accumulative_counts=... if it knows how",
        )


#: The wrappers here, as a configuration names them.
PLAIN = "thermalctl.engine.running.accumulating.WholeMean"
OURS = (PLAIN, "thermalctl.engine.autocast.AutocastOptimWrapper")
