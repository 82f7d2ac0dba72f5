"""Training steps as the runner does them, and what each of their parts takes."""

from __future__ import annotations

import resource
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.profiler import ProfilerActivity, profile

from thermalctl.benchmarking.contenders import Contender, complete_contender
from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.runner import register_guide_dataset
from thermalctl.engine.train import train

_HOOK = f"{__name__}.StepTimer"


class TrainSteps:
    """One training that ends after a few steps.

    Args:
        contender: whose.
        dataset: what is trained on.
        device: "cpu" or "cuda[:i]".
        threads: torch's on a CPU, which are set already.
        batch_size: clips in a step.
        num_workers: processes that read.
        num_steps: that are timed, after `num_warmup` that are not.
        num_warmup: steps before.
    """

    def __init__(
        self, contender: Contender, dataset: ThermalDataset, *, device: str, threads: int, batch_size: int,
        num_workers: int, num_steps: int, num_warmup: int,
    ) -> None:  # fmt: skip
        self._contender, self._dataset = contender, dataset
        self._device, self._threads = device, threads
        self._loader = {"batch_size": batch_size, "num_workers": num_workers}
        self._hook = {"type": _HOOK, "num_steps": num_steps, "num_warmup": num_warmup}

    def measure(self) -> dict[str, float]:
        """Return seconds and bytes; see `StepTimer`."""
        with tempfile.TemporaryDirectory() as folder:
            cfg = complete_contender(
                self._contender, self._dataset, work_dir=Path(folder), device=self._device, **self._loader
            )
            cfg.cpu_threads = self._threads
            cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), self._hook]
            try:
                if self._contender.is_stock:
                    prepare_mmaction()
                    register_guide_dataset()
                    cfg.experiment_name = uuid.uuid4().hex
                    Runner.from_cfg(cfg).train()
                else:
                    train(cfg, on_event=lambda event: None)
            except MeasuredError as measured:
                return measured.found
        raise AssertionError("the training ended by itself")


class MeasuredError(Exception):
    """Ends a training that is measured; no error but for those who expect a trained model.

    Attributes:
        found: what was measured.
    """

    def __init__(self, found: dict[str, float]) -> None:
        super().__init__("measured")
        self.found = found


class StepTimer(Hook):
    """Times a runner's steps, then their parts apart, and ends the training by `MeasuredError`.

    Its `found` has seconds, medians of the steps, on a CPU with one thread and no loader's workers those that the
    processor worked:

        wait_s      from one step's end to the next one's begin, when its batch is there
        step_s      the step: preprocessor, network, update and what hooks do
        prepare_s   the preprocessor alone, on a batch that is there
        forward_s   the network and the loss, of a batch made ready on the device before
        backward_s  its gradients and the update
        convolution_share   of what such a step computes, the part in convolutions
        peak_bytes  the most memory: on a GPU torch's, on a CPU the process's beyond what it had before its model ran

    Args:
        num_steps: to time.
        num_warmup: steps before, which are not timed.
    """

    priority = "LOWEST"

    def __init__(self, num_steps: int, num_warmup: int) -> None:
        self._num_steps, self._num_warmup = num_steps, num_warmup
        self._waits: list[float] = []
        self._steps: list[float] = []
        self._bytes_before = _read_peak_bytes()

    def before_train(self, runner: Any) -> None:
        """Choose the clock, and start it."""
        self._device = next(runner.model.parameters()).device
        is_alone = self._device.type == "cpu" and not runner.train_dataloader.num_workers
        self._clock = time.process_time if is_alone and torch.get_num_threads() == 1 else time.perf_counter
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        self._bytes_before = _read_peak_bytes()
        self._last = self._read_clock()

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Note how long the batch was waited for."""
        now = self._clock()  # not after the device's work, which a batch may be read beside
        self._waits.append(now - self._last)
        self._last = now

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Note how long the step took; after the last, take a step apart and end."""
        now = self._read_clock()
        self._steps.append(now - self._last)
        if len(self._steps) == self._num_warmup + self._num_steps:
            raise MeasuredError(self._conclude(runner, data_batch))
        self._last = self._read_clock()

    def _conclude(self, runner: Any, data_batch: Any) -> dict[str, float]:
        found = {
            "wait_s": median(self._waits[self._num_warmup :]),
            "step_s": median(self._steps[self._num_warmup :]),
            "peak_bytes": float(self._find_peak_bytes()),
        }
        model = runner.model.train()
        times: list[list[float]] = []
        for _ in range(self._num_steps):
            began = self._read_clock()
            ready = model.data_preprocessor(data_batch, True)
            times.append([self._read_clock() - began, *_step(model, runner.optim_wrapper, ready, self._read_clock)])
        prepare_s, forward_s, backward_s = (median(part) for part in zip(*times, strict=True))
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._device.type == "cuda" else [])]
        with profile(activities=activities, acc_events=True) as profiler:
            _step(model, runner.optim_wrapper, ready, self._read_clock)
        share = _find_convolution_share(profiler, self._device.type)
        parts = {"prepare_s": prepare_s, "forward_s": forward_s, "backward_s": backward_s}
        return found | parts | {"convolution_share": share}

    def _read_clock(self) -> float:
        """Return the time when all that was asked of the device is done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return self._clock()

    def _find_peak_bytes(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        return _read_peak_bytes() - self._bytes_before


def _step(model: Any, optimizer: Any, ready: Any, clock: Callable[[], float]) -> tuple[float, float]:
    """Train a step on a batch that is made ready; return the seconds forward, and back with the update."""
    began = clock()
    with optimizer.optim_context(model):
        losses = model(**ready, mode="loss")
        loss, _ = model.parse_losses(losses)
    between = clock()
    optimizer.update_params(loss)
    return between - began, clock() - between


def _find_convolution_share(profiler: profile, device_type: str) -> float:
    """Return which share of the time that operators worked was in convolutions."""
    name = "self_device_time_total" if device_type == "cuda" else "self_cpu_time_total"
    times = [(event.key, float(getattr(event, name, 0.0))) for event in profiler.key_averages()]
    operators = [(key, worked) for key, worked in times if key.startswith("aten::")]
    total = sum(worked for _, worked in operators)
    return sum(worked for key, worked in operators if "conv" in key) / total if total else 0.0


def _read_peak_bytes() -> int:
    """Return the most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
