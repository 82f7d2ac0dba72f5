"""Training the head first and the rest later: parts of the backbone that stay as they were for a while."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from thermalctl.errors import ConfigError
from thermalctl.models.stages import Stage, find_backbone, list_stages


class FreezeHook(Hook):
    """Keeps the lower part of the backbone as it was for the first epochs.

    A frozen parameter has no gradient, so that neither the rate, the weight decay, the momentum nor the clipping of
    gradients reaches it, and the backward pass ends above it; frozen modules are in evaluation mode, so that the
    statistics of their batch normalisation stay too. The optimizer holds all parameters from the beginning and passes
    over those without a gradient. What is frozen follows from the epoch's number, so that a resumed run goes on alike.

    In distributed training, DistributedDataParallel waits for the gradient of every parameter that had one when it was
    built; it has to be built with `find_unused_parameters=True`, which the configuration's key of that name does.

    Args:
        epochs: how many epochs all of it stays.
        stages: how many stages above the stem stay with the stem; None for the whole backbone.
        unfreeze_every: after that, one stage more learns every so many epochs, the uppermost first (gradual unfreezing,
            Howard & Ruder 2018, https://arxiv.org/abs/1801.06146, section 3.3); None to let all learn at once.
    """

    priority = "VERY_HIGH"

    def __init__(self, epochs: int, stages: int | None = None, unfreeze_every: int | None = None) -> None:
        self.epochs = epochs
        self.stages = stages
        self.unfreeze_every = unfreeze_every
        self._parts: tuple[Stage, ...] = ()
        self._trainable: frozenset[str] = frozenset()
        self._frozen_modules: list[nn.Module] = []
        self._num_frozen: int | None = None

    def before_train(self, runner: Any) -> None:
        """Find the parts, and what of them the configuration lets learn at all.

        Raises:
            ConfigError: if the backbone has no such stages, or distributed training would wait for what is frozen.
        """
        wrapped = runner.model
        if isinstance(wrapped, DistributedDataParallel) and not wrapped.find_unused_parameters:
            raise ConfigError(
                "parameters are frozen, and distributed training waits for the gradient of every one",
                hint="--cfg-options find_unused_parameters=True, or in model_wrapper_cfg where there is one",
            )
        model = runner.recognizer
        self._parts = list_frozen_parts(model, self.stages, by_stage=self.unfreeze_every is not None)
        self._check_length(runner.max_epochs)
        self._trainable = frozenset(name for name, p in model.named_parameters() if p.requires_grad)

    def _check_length(self, max_epochs: int) -> None:
        last = self.epochs + (self.unfreeze_every or 0) * (len(self._parts) - 1)
        if last >= max_epochs:
            raise ConfigError(
                f"--unfreeze-every {self.unfreeze_every} after --freeze-backbone {self.epochs}: the lowest of "
                f"{len(self._parts)} parts would begin to learn after epoch {last} of {max_epochs}",
                hint="unfreeze faster, or train for more epochs",
            )

    def before_train_epoch(self, runner: Any) -> None:
        """Freeze and unfreeze what the epoch asks for."""
        num_frozen = count_frozen_parts(
            runner.epoch, len(self._parts), epochs=self.epochs, unfreeze_every=self.unfreeze_every
        )
        if num_frozen == self._num_frozen:
            return
        self._num_frozen = num_frozen
        frozen = self._parts[:num_frozen]
        names = {name for part in frozen for name in part.parameters}
        for name, parameter in runner.recognizer.named_parameters():
            parameter.requires_grad = name in self._trainable and name not in names
        self._frozen_modules = [runner.recognizer.get_submodule(name) for part in frozen for name in part.modules]
        runner.logger.info(f"frozen from epoch {runner.epoch + 1}: {', '.join(p.name for p in frozen) or 'nothing'}")

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Put frozen modules into evaluation mode: the loop has put all into training mode since the epoch began."""
        for module in self._frozen_modules:
            module.eval()


class FreezeNormHook(Hook):
    """Keeps the running statistics of the backbone's batch normalisation as the pretrained weights have them.

    Batches of a few clips estimate mean and variance badly. The scale and the shift that follow go on learning, unless
    they are frozen otherwise.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._norms: list[nn.Module] = []

    def before_train(self, runner: Any) -> None:
        """Find the layers.

        Raises:
            ConfigError: if there are none.
        """
        backbone = getattr(runner.recognizer, "backbone", nn.Identity())
        self._norms = [module for module in backbone.modules() if isinstance(module, _BatchNorm)]
        if not self._norms:
            raise ConfigError(f"--freeze-bn: {type(backbone).__name__} has no batch normalisation", hint="leave it out")

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Put the layers into evaluation mode: the loop has put all into training mode since the epoch began."""
        for norm in self._norms:
            norm.eval()


def list_frozen_parts(model: nn.Module, stages: int | None, *, by_stage: bool) -> tuple[Stage, ...]:
    """Return the parts of a backbone that begin frozen, the lowest first.

    Args:
        model: a recognizer.
        stages: how many stages above the stem; None for all, and then as one part unless `by_stage`.
        by_stage: whether each is unfrozen by itself.

    Raises:
        ConfigError: if there are fewer stages, or they are asked for and not known.
    """
    if stages is None and not by_stage:
        return (find_backbone(model),)
    *below, _ = list_stages(model)
    if stages is None:
        return tuple(below)
    if stages >= len(below):
        raise ConfigError(
            f"--freeze-stages is {stages}, but {type(model.backbone).__name__} has {len(below) - 1}",
            hint="leave it out to freeze the whole backbone",
        )
    return tuple(below[: stages + 1])


def count_frozen_parts(epoch: int, num_parts: int, *, epochs: int, unfreeze_every: int | None) -> int:
    """Return how many parts are frozen in an epoch, counted from 0; they are the lowest ones."""
    if epoch < epochs:
        return num_parts
    if unfreeze_every is None:
        return 0
    return max(0, num_parts - 1 - (epoch - epochs) // unfreeze_every)
