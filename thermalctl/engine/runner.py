"""MMEngine's Runner, with the run's files where the guide has them and weights loaded safely.

What differs from MMEngine 0.10.7: `*.log` lies in the work dir itself instead of `<timestamp>/`; nothing is printed;
the device can be chosen; weights are read with `thermalctl.engine.trust` and accounted for; scores are float32 in mixed
precision, and those of classes that never occur in train are masked where the loss leaves them out.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from thermalctl.compat import prepare_mmaction
from thermalctl.engine.config import names_class
from thermalctl.engine.running.accumulating import PLAIN, WholeMean
from thermalctl.engine.running.extending import PLANNED_KEY, replan_rates
from thermalctl.engine.running.loop import ResumableLoop
from thermalctl.engine.running.resuming import NUM_STEPS_KEY
from thermalctl.engine.starting import find_head_classes
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.errors import CheckpointError, RequestError
from thermalctl.files import replace_file
from thermalctl.models.absent_classes import find_masked_classes, mask_absent_classes
from thermalctl.models.pretrained import FittedWeights, fit_pretrained, strip_to_state_dict

if TYPE_CHECKING:
    from mmaction.models import BaseRecognizer

prepare_mmaction()

import mmaction.models  # noqa: E402, F401  registers the recognizers


class ThermalRunner(Runner):
    """Runs one training; see the module.

    Attributes:
        fitted: what became of the pretrained weights; None without any.
        extension: how the schedule goes on in a run that was made longer; None in any other.
    """

    fitted: FittedWeights | None = None
    extension: str | None = None
    # MMEngine's own, which it sets to a configuration first and to what is built from it later.
    _log_dir: str
    _train_loop: Any
    optim_wrapper: Any
    param_schedulers: Any

    @property
    def recognizer(self) -> BaseRecognizer:
        """The model itself, without what wraps it in distributed training."""
        return self.model.module if is_model_wrapper(self.model) else self.model

    def build_logger(self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any) -> MMLogger:
        """Return MMEngine's logger, writing to `<work_dir>/<timestamp>.log` and not to the screen."""
        with contextlib.suppress(FileNotFoundError):  # of several processes another was first
            Path(self._log_dir).rmdir()  # MMEngine has just made it, empty
        self._log_dir = self.work_dir
        logger = super().build_logger(log_level, log_file, **kwargs)
        for handler in list(logger.handlers):
            if not isinstance(handler, logging.FileHandler):
                logger.removeHandler(handler)
        return logger

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Return the model on the configured device."""
        prepare_head(model)
        device = torch.device(self.cfg.get("device", "cpu"))
        if device.type == "cuda" and not self.distributed:  # a launched process has its GPU already
            torch.cuda.set_device(device)
        if device.type == "cuda":
            wrapped: nn.Module = super().wrap_model(model_wrapper_cfg, model)
            return wrapped
        if self.distributed and model_wrapper_cfg is None:  # MMEngine's own wants a number of a GPU
            unused = bool(self.cfg.get("find_unused_parameters", False))
            return MMDistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=unused)
        return model.to(device)

    def build_train_loop(self, loop: Any) -> Any:
        """Return the loop of a configuration; of those over epochs, ours, which can begin and stop at any step."""
        if not isinstance(loop, dict) or not (loop.get("by_epoch") or names_class(loop, "EpochBasedTrainLoop")):
            return super().build_train_loop(loop)
        options = {name: value for name, value in loop.items() if name not in ("type", "by_epoch")}
        return ResumableLoop(runner=self, dataloader=self._train_dataloader, **options)

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """Return the optimizer wrapper; several processes' or steps' gradients are those of their whole mean."""
        if isinstance(optim_wrapper, dict) and optim_wrapper.get("type", "OptimWrapper") == "OptimWrapper":
            optim_wrapper = optim_wrapper | {"type": PLAIN}
        built = super().build_optim_wrapper(optim_wrapper)
        if isinstance(built, WholeMean):
            built.observe(self.recognizer, len(self.train_dataloader))
        return built

    def _init_model_weights(self) -> None:
        """Draw the first weights, and lay them out after: in another layout the same draws would give others."""
        super()._init_model_weights()
        if self.cfg.get("channels_last"):
            lay_channels_last(self.recognizer)

    def _maybe_compile(self, target: str) -> None:
        """Compile the backbone where the configuration says so: MMEngine's whole step breaks at each of its hooks.

        Raises:
            RequestError: if there is no compiler for the processor.
        """
        wanted = self.cfg.get("compile")
        if not wanted:
            return
        if self.cfg.get("device", "cpu") == "cpu" and not any(map(shutil.which, _find_compilers())):
            raise RequestError("--compile: no C++ compiler is here", hint="install g++, or leave --compile out")
        options = dict(wanted) if isinstance(wanted, dict) else {}
        self.recognizer.backbone.compile(**options)

    def register_default_hooks(self, hooks: dict[str, Any] | None = None) -> None:
        """Register the default hooks; the one that saves checkpoints in an order that loses nothing."""
        hooks = dict(hooks or {})
        saving = hooks.get("checkpoint", {"type": "CheckpointHook", "interval": 1})
        if isinstance(saving, dict) and names_class(saving, "CheckpointHook"):
            hooks["checkpoint"] = saving | {"type": "thermalctl.engine.running.saving.SafeCheckpointHook"}
        super().register_default_hooks(hooks)

    @master_only
    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Save the run, whole or not at all."""
        if "://" in out_dir:  # storage that MMEngine has a client for
            super().save_checkpoint(out_dir, filename, *args, **kwargs)
            return
        with replace_file(Path(out_dir, filename)) as temporary:
            super().save_checkpoint(str(temporary.parent), temporary.name, *args, **kwargs)

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: if it does not fit the model, or its epochs had another length.
        """
        super().resume(filename, *args, **kwargs)
        if isinstance(self.train_loop, ResumableLoop):
            self.train_loop.check_place(self.message_hub.get_info(NUM_STEPS_KEY))
        extended_from = self.cfg.get("extended_from")
        if extended_from and self.message_hub.get_info(PLANNED_KEY, extended_from) == extended_from:
            self.extension = replan_rates(self)
            self.logger.info(self.extension)

    def build_for_training(self) -> None:
        """Build all that `train` builds and load the weights, without running anything."""
        self._train_loop = self.build_train_loop(self._train_loop)
        self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
        self.scale_lr(self.optim_wrapper, self.auto_scale_lr)
        if self.param_schedulers is not None:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
        self._init_model_weights()
        self.load_or_resume()

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load weights and return the checkpoint they came in.

        Pretrained weights may lack the head and have another stem; a checkpoint to resume from must fit exactly.

        Raises:
            CheckpointError: if the file is untrusted or damaged, or its weights do not fit.
        """
        checkpoint = load_checkpoint_safely(Path(filename))
        # Before the weights are taken out: a hook that averages them puts those of a resumed run into their place.
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        weights = strip_to_state_dict(checkpoint, filename)
        if self._resume:
            load_exactly(self.recognizer, weights, filename)
        else:
            try:
                dataset_meta = getattr(self.train_dataloader.dataset, "metainfo", {})
                classes = find_head_classes(checkpoint, dataset_meta)
                self.fitted = fit_pretrained(self.recognizer, weights, classes=classes)
            except CheckpointError as error:
                raise CheckpointError(f"{filename}: {error.message}", hint=error.hint) from error
        self._has_loaded = True
        self.logger.info(f"Load checkpoint from {filename}")
        return checkpoint


def build_runner(cfg: Config) -> ThermalRunner:
    """Return a runner for a complete configuration, under a name of its own.

    MMEngine keeps one message hub per experiment name, by default the second it started in, so that two runners built
    within a second would share their history. On a CPU, torch gets `cpu_threads` threads where the configuration says.
    """
    register_guide_dataset()
    cfg = copy.deepcopy(cfg)
    if cfg.get("cpu_threads") and cfg.get("device", "cpu") == "cpu":
        torch.set_num_threads(cfg.cpu_threads)
    cfg.experiment_name = f"{Path(cfg.work_dir).name}-{uuid.uuid4().hex[:8]}"
    runner: ThermalRunner = ThermalRunner.from_cfg(cfg)
    return runner


def register_guide_dataset() -> None:
    """Give the finetuning guide's dataset class its name in MMAction2's registry.

    Not before the configuration is loaded: a user's own MMAction2 may register a class of that name, which then keeps
    it, and would be refused if it came second.
    """
    importlib.import_module("thermalctl.pipeline.thermal_hdf5")


def prepare_head(model: nn.Module) -> None:
    """Make the model's head return float32 scores, with classes that its loss leaves out masked.

    `BaseHead.loss_by_feat` turns the scores into numpy arrays, which know no bfloat16 (not reported upstream as of
    1.2.0), and a softmax in half precision would lose digits. Both are part of the head, and so of what is exported.
    """
    head = getattr(model, "cls_head", None)
    if head is not None:
        head.register_forward_hook(_finish_scores)


def _finish_scores(head: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    return mask_absent_classes(output.float(), find_masked_classes(head)) if isinstance(output, Tensor) else output


def lay_channels_last(model: Any) -> None:
    """Lay out a recognizer's convolutions, and what goes into its backbone, with the channels of a place together."""
    for parameter in model.parameters():
        parameter.data = _lay_channels_last(parameter.data)
    model.backbone.register_forward_pre_hook(lambda module, inputs: (_lay_channels_last(inputs[0]), *inputs[1:]))


def _lay_channels_last(values: Tensor) -> Tensor:
    layout = {4: torch.channels_last, 5: torch.channels_last_3d}.get(values.dim())
    return values if layout is None else values.contiguous(memory_format=layout)


def _find_compilers() -> tuple[str, ...]:
    return (os.environ.get("CXX") or "g++", "clang++")


def load_exactly(model: nn.Module, weights: dict[str, Tensor], origin: str) -> None:
    """Load weights that must fit the model key by key.

    Raises:
        CheckpointError: naming the first key that does not fit; another class count is called by its name.
    """
    wanted = model.state_dict()
    given = {name.removeprefix("module."): value for name, value in weights.items()}
    for name, value in wanted.items():
        if name in given and given[name].shape != value.shape:
            if name.startswith("cls_head.") and name.endswith("weight") and given[name].dim() == 2:
                raise CheckpointError(
                    f"{origin}: was trained for {len(given[name])} classes, the model has {len(value)}",
                    hint="use the dataset it was trained on; to start a new head from it: train --load-from",
                )
            raise CheckpointError(
                f"{origin}: {name} has shape {tuple(given[name].shape)}, the model's has {tuple(value.shape)}",
                hint="the checkpoint belongs to another configuration; name it with --config",
            )
    different = sorted(wanted.keys() ^ given.keys())
    if different:
        raise CheckpointError(
            f"{origin}: {len(different)} weights are not in both the file and the model, first {different[0]}",
            hint="the checkpoint belongs to another configuration; name it with --config",
        )
    model.load_state_dict(given)
