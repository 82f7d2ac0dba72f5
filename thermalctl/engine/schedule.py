"""Rate schedules, re-planned when the length of training or of its warm-up changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

#: MMEngine's schedulers that raise the rate from `start_factor`.
WARMUP_TYPES = frozenset({"LinearLR"})
#: The rate at the very start of an added warm-up, as a share of the full rate; the finetuning guide's.
WARMUP_START = 0.01


def list_schedulers(cfg: Config) -> list[Any]:
    """Return the configuration's schedulers; none where several optimizers each have their own."""
    schedulers = cfg.get("param_scheduler") or []
    if isinstance(schedulers, dict):
        return [schedulers] if "type" in schedulers else []
    return list(schedulers)


def stretch_schedule(schedulers: list[dict[str, Any]], factor: float) -> list[dict[str, Any]]:
    """Return the schedulers with everything they count in epochs multiplied by `factor` and rounded.

    A phase that becomes shorter than half an epoch disappears.
    """
    stretched = []
    for scheduler in schedulers:
        changed = dict(scheduler)
        if not _counts_epochs(scheduler):
            stretched.append(changed)
            continue
        for key in ("begin", "end", "T_max", "total_steps"):
            if isinstance(changed.get(key), int):
                changed[key] = round(changed[key] * factor)
        if "step_size" in changed:
            changed["step_size"] = max(1, round(changed["step_size"] * factor))
        for key in ("milestones", "periods"):
            if key in changed:
                changed[key] = [max(1, round(epochs * factor)) for epochs in changed[key]]
        if "end" not in changed or changed["end"] > changed.get("begin", 0):
            stretched.append(_fit_length(changed))
    return stretched


def set_warmup(schedulers: list[dict[str, Any]], warmup_epochs: int) -> list[dict[str, Any]]:
    """Return the schedulers with a linear warm-up of that many epochs; what followed it follows it again."""
    warmups = [s for s in schedulers if is_warmup(s)]
    others = [s for s in schedulers if s not in warmups]
    before = next((s.get("end", 0) for s in warmups if _counts_epochs(s)), 0)
    template = warmups[0] if warmups else {"type": "LinearLR", "start_factor": WARMUP_START}
    counted = {"begin": 0, "end": warmup_epochs, "by_epoch": True}
    planned = [_fit_length(dict(template) | counted)] if warmup_epochs else []
    for scheduler in others:
        changed = dict(scheduler)
        if _counts_epochs(scheduler) and scheduler.get("begin", 0) == before:
            changed["begin"] = warmup_epochs
            if "T_max" in changed and "end" not in changed:
                changed["T_max"] = max(1, changed["T_max"] + before - warmup_epochs)
            if "milestones" in changed:  # MMEngine counts them from `begin`; they stay at their epochs
                changed["milestones"] = [max(1, epoch + before - warmup_epochs) for epoch in changed["milestones"]]
        planned.append(_fit_length(changed))
    return planned


def relate_lowest_rate(schedulers: list[Any], rate: float) -> None:
    """Make the lowest rate of each scheduler a share of the full one, in place.

    As one rate for all parts of a model it may be higher than what some of them begin with, which would then rise.

    Args:
        schedulers: of a configuration.
        rate: the full rate that theirs was written for.
    """
    for scheduler in schedulers:
        if scheduler.get("eta_min"):
            scheduler["eta_min_ratio"] = scheduler.pop("eta_min") / rate


def is_warmup(scheduler: Mapping[str, Any]) -> bool:
    """Return whether a scheduler is a warm-up: the rate rises from the first epoch on."""
    rises = scheduler.get("start_factor", 1 / 3) < scheduler.get("end_factor", 1.0)  # MMEngine's defaults
    return scheduler.get("type") in WARMUP_TYPES and scheduler.get("begin", 0) == 0 and rises


def _counts_epochs(scheduler: dict[str, Any]) -> bool:
    return bool(scheduler.get("by_epoch", True))


def _fit_length(scheduler: dict[str, Any]) -> dict[str, Any]:
    """Return a cosine that reaches its lowest rate just where it ends, and a warm-up that reaches the full one."""
    if "T_max" in scheduler and "end" in scheduler:
        scheduler["T_max"] = max(1, scheduler["end"] - scheduler.get("begin", 0))
    if is_warmup(scheduler) and _counts_epochs(scheduler):
        # One epoch in steps of an epoch is its first step only, and what follows goes on from the rate it finds.
        scheduler["convert_to_iter_based"] = True
    return scheduler
