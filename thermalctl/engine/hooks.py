"""Hooks that tell how a run goes, and write into its checkpoints where it came from."""

from __future__ import annotations

import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.hooks import Hook

from thermalctl.engine.events import OnEvent, StepDone, ValidationDone
from thermalctl.engine.meter import StepMeter, is_within_epoch, recall_epoch

#: No screen needs to be told more often.
SECONDS_BETWEEN_STEPS = 0.25
#: Steps over which the speed is measured.
SPEED_WINDOW = 20

GIB = 1024**3
#: Our entry in a checkpoint's `meta`.
META_KEY = "thermalctl"


class EventHook(Hook):
    """Turns a run into events.

    Args:
        on_event: told of every validation, of the steps that MMEngine logs and of the last of each epoch, and of others
            as often as is worth it.
    """

    priority = "LOWEST"

    def __init__(self, on_event: OnEvent) -> None:
        self.on_event = on_event
        self._meter = StepMeter()
        self._finished: deque[float] = deque(maxlen=SPEED_WINDOW)
        self._told = 0.0

    def before_train(self, runner: Any) -> None:
        """Take up the epoch that a resumed run has still to validate."""
        self._meter = recall_epoch(runner)

    def before_train_epoch(self, runner: Any) -> None:
        """Begin a new mean loss, and a new clock: validation is no part of the speed."""
        self._meter = recall_epoch(runner) if is_within_epoch(runner) else StepMeter()
        self._finished.clear()
        self._finished.append(time.monotonic())

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Any] | None = None
    ) -> None:
        """Tell of the step, unless the last one was just now."""
        now = time.monotonic()
        self._finished.append(now)
        self._meter.add(outputs or {}, num_clips=len(data_batch["data_samples"]))
        num_steps = len(runner.train_dataloader)
        is_logged = (batch_idx + 1) % find_log_interval(runner) == 0 or batch_idx + 1 == num_steps
        if now - self._told < SECONDS_BETWEEN_STEPS and not is_logged:
            return
        self._told = now
        seconds_per_step = (self._finished[-1] - self._finished[0]) / (len(self._finished) - 1)
        on_gpu = next(runner.model.parameters()).is_cuda
        self.on_event(
            StepDone(
                epoch=runner.epoch + 1,
                max_epochs=runner.max_epochs,
                step=batch_idx + 1,
                num_steps=num_steps,
                loss=self._meter.losses[-1],
                lr=runner.optim_wrapper.get_lr()["lr"][-1],
                clips_per_s=len(data_batch["data_samples"]) / max(seconds_per_step, 1e-9),
                memory_gib=measure_memory_gib(on_gpu=on_gpu),
                seconds_left=(runner.max_iters - runner.iter - 1) * seconds_per_step,
                data_share=measure_data_share(runner),
            )
        )

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Tell of the validation."""
        best = str(runner.message_hub.get_info("best_ckpt", ""))  # CheckpointHook has just been here
        self.on_event(
            ValidationDone(
                epoch=runner.epoch,
                metrics=dict(metrics or {}),
                train_loss=self._meter.mean_loss,
                is_best=best.endswith(f"_epoch_{runner.epoch}.pth"),
                train_accuracy=self._meter.accuracy,
            )
        )


def find_log_interval(runner: Any) -> int:
    """Return how many steps lie between two that MMEngine logs; 1 where the configuration does not say."""
    logger = (runner.cfg.get("default_hooks") or {}).get("logger") or {}
    return int(logger.get("interval") or 1)


def read_step_times(runner: Any) -> tuple[float, float] | None:
    """Return the seconds that the last step waited for its clips and took in all; None without `IterTimerHook`."""
    scalars = runner.message_hub.log_scalars
    if "train/data_time" not in scalars or "train/time" not in scalars:
        return None
    return scalars["train/data_time"].current(), scalars["train/time"].current()


def measure_data_share(runner: Any) -> float | None:
    """Return the share of the last steps' time that was spent waiting for clips; None without `IterTimerHook`."""
    scalars = runner.message_hub.log_scalars
    if "train/data_time" not in scalars or "train/time" not in scalars:
        return None
    waited_s, step_s = (float(scalars[f"train/{name}"].mean(SPEED_WINDOW)) for name in ("data_time", "time"))
    return waited_s / step_s if step_s else None


def measure_memory_gib(*, on_gpu: bool) -> float:
    """Return the most memory held so far, GiB: of the GPU by torch, or of the machine by this process."""
    if on_gpu:
        return torch.cuda.max_memory_allocated() / GIB
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2) counts in KiB on Linux, in bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB


class StartHook(Hook):
    """Calls once when all is built and weights are loaded, right before the first step.

    Args:
        on_start: what to call.
    """

    def __init__(self, on_start: Callable[[], None]) -> None:
        self.on_start = on_start

    def before_train(self, runner: Any) -> None:
        """Call."""
        self.on_start()


class ProvenanceHook(Hook):
    """Writes into each checkpoint what the model expects of a clip and what it was trained on.

    Args:
        record: plain JSON values.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = dict(record)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add the record to the checkpoint's `meta`."""
        checkpoint["meta"][META_KEY] = self.record
