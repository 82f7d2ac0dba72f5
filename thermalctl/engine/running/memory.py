"""How many clips a step may have: found by trying on a GPU, worked out on a CPU, where trying may end the process."""

from __future__ import annotations

import gc
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config

from thermalctl.engine.autocast import choose_dtype
from thermalctl.engine.cost import count_moments, find_input_shape, measure_cost
from thermalctl.engine.restore import build_model
from thermalctl.environment.quantities import format_bytes
from thermalctl.environment.resources import measure_resources
from thermalctl.errors import NotHeldError

#: Of a machine's free memory, what is left for everything else.
RESERVED_BYTES = 2**30
#: How far the peak of a step on a CPU was measured to be above what is kept of it, at most.
PEAK_FACTOR = 1.35
#: How far above that it was measured to be where the process keeps what it has freed, at most; see `allocator`.
KEEPING_FACTOR = 1.4
#: The share of free memory that such a process may take.
KEEPING_SHARE = 0.5
#: What torch says of a CPU that has no memory left; of a GPU it raises an error of its own.
_NO_MEMORY = re.compile(r"not enough memory|can't allocate memory|cannot allocate memory", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class BatchFit:
    """A batch that fits, and what makes of it the one that was asked for.

    Attributes:
        batch_size: clips in a step.
        accumulate: steps that make one update.
        how: whether it was tried, and on what.
    """

    batch_size: int
    accumulate: int
    how: str

    @property
    def flags(self) -> str:
        """What to type for it."""
        return f"--batch-size {self.batch_size} --accumulate {self.accumulate}"


def fit_batch(cfg: Config, wanted: int) -> BatchFit:
    """Return the largest batch that fits into memory and divides an update of so many clips most evenly.

    Args:
        cfg: from `complete_config`.
        wanted: clips in an update.

    Raises:
        NotHeldError: if not even one clip fits.
    """
    device = torch.device(cfg.get("device", "cpu"))
    if device.type == "cpu":
        free = measure_resources().available_bytes or math.inf
        cost = measure_cost(cfg)
        largest = find_largest(lambda n: PEAK_FACTOR * cost.estimate_step_bytes(n) <= free - RESERVED_BYTES, wanted)
        how = f"worked out: {format_bytes(int(PEAK_FACTOR * cost.estimate_step_bytes(max(largest, 1))))} of the "
        how += f"{format_bytes(int(free))} that are free" if free < math.inf else "memory"
    else:
        largest = find_largest(lambda n: step_fits(cfg, n), wanted)
        how = f"tried on {torch.cuda.get_device_name(device)}"
    if largest == 0:
        raise NotHeldError(
            f"not even one clip fits into memory ({how})",
            hint="--input-size, --frames or another --config make it less",
        )
    accumulate = math.ceil(wanted / largest)
    return BatchFit(batch_size=math.ceil(wanted / accumulate), accumulate=accumulate, how=how)


def has_room_to_keep(cfg: Config) -> bool:
    """Return whether memory is plentiful enough for a training on a CPU to keep what it frees.

    Args:
        cfg: from `complete_config`.
    """
    available = measure_resources().available_bytes
    if available is None or "clip_spec" not in (cfg.model.get("data_preprocessor") or {}):
        return False
    try:
        cost = measure_cost(cfg)
    except (RuntimeError, NotImplementedError):  # a model that looks at values, of which there are none
        return False
    step_bytes = cost.estimate_step_bytes(cfg.train_dataloader.batch_size)
    return PEAK_FACTOR * KEEPING_FACTOR * step_bytes < KEEPING_SHARE * available


def find_largest(fits: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to `most` that fits, 0 for none; whatever is below one that fits does too."""
    if fits(most):
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def step_fits(cfg: Config, num_clips: int) -> bool:
    """Return whether a training step of so many random clips fits into the device's memory, with its optimizer's."""
    device = torch.device(cfg.get("device", "cpu"))
    try:
        _run_step(cfg, num_clips, device)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        give_back()
    return True


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is no memory left."""
    is_of_cpu = isinstance(error, (RuntimeError, MemoryError)) and _NO_MEMORY.search(str(error))
    return isinstance(error, torch.OutOfMemoryError) or bool(is_of_cpu)


def give_back() -> None:
    """Free what is no longer used; a runner and its hooks refer to each other, so only the collector finds them."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def telling_full_memory(cfg: Config) -> Iterator[None]:
    """Turn running out of memory into an error that says which batch would fit.

    Args:
        cfg: from `complete_config`.

    Raises:
        NotHeldError: if memory ran out.
    """
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        asked = str(error).splitlines()[0]
    else:
        return
    give_back()  # not before the error, and all that it refers to, is gone
    batch_size = cfg.train_dataloader.batch_size
    problem = f"a step of {batch_size} clips does not fit into memory: {asked}"
    if batch_size == 1 or "clip_spec" not in (cfg.model.get("data_preprocessor") or {}):
        raise NotHeldError(problem, hint="--input-size, --frames, --amp or another --config make it less")
    updates = batch_size * cfg.optim_wrapper.get("accumulative_counts", 1)
    fit = fit_batch(cfg, max(1, batch_size - 1))
    fitting = BatchFit(batch_size=fit.batch_size, accumulate=math.ceil(updates / fit.batch_size), how=fit.how)
    raise NotHeldError(problem, hint=f"{fitting.flags} fits ({fit.how}); --batch-size auto finds it by itself")


def _run_step(cfg: Config, num_clips: int, device: torch.device) -> None:
    from mmaction.structures import ActionDataSample

    model: Any = build_model(cfg).train().to(device)
    samples = [ActionDataSample().set_gt_label(0) for _ in range(num_clips)]
    samples = model.data_preprocessor.cast_data(samples)
    inputs = torch.randn((num_clips, *find_input_shape(cfg.model)), device=device)
    is_amp = "dtype" in cfg.optim_wrapper or "Autocast" in str(cfg.optim_wrapper.get("type"))
    with torch.autocast(device.type, dtype=choose_dtype(device.type), enabled=is_amp):
        loss, _ = model.parse_losses(model(inputs, samples, mode="loss"))
    loss.backward()
    moments = [torch.zeros_like(p) for p in model.parameters() for _ in range(count_moments(cfg))]
    del moments
