"""Rate schedules, re-planned when the length of training or of its warm-up changes."""

from __future__ import annotations

from typing import Any

#: MMEngine's schedulers that raise the rate from `start_factor`.
WARMUP_TYPES = frozenset({"LinearLR"})
#: The rate at the very start of an added warm-up, as a share of the full rate; the finetuning guide's.
WARMUP_START = 0.01


def stretch_schedule(schedulers: list[dict[str, Any]], factor: float) -> list[dict[str, Any]]:
    """Return the schedulers with everything they count in epochs multiplied by `factor` and rounded.

    A phase that becomes shorter than half an epoch disappears.
    """
    stretched = []
    for scheduler in schedulers:
        if not scheduler.get("by_epoch", True):
            stretched.append(dict(scheduler))
            continue
        changed = dict(scheduler)
        for key in ("begin", "end", "T_max", "total_iters", "step_size"):
            if isinstance(changed.get(key), int):
                changed[key] = round(changed[key] * factor)
        if "milestones" in changed:
            changed["milestones"] = [round(epoch * factor) for epoch in changed["milestones"]]
        if "end" not in changed or changed["end"] > changed.get("begin", 0):
            stretched.append(_fit_length(changed))
    return stretched


def set_warmup(schedulers: list[dict[str, Any]], warmup_epochs: int) -> list[dict[str, Any]]:
    """Return the schedulers with a linear warm-up of that many epochs; what followed it follows it again."""
    is_warmup = [scheduler["type"] in WARMUP_TYPES and scheduler.get("begin", 0) == 0 for scheduler in schedulers]
    before = next((s.get("end", 0) for s, found in zip(schedulers, is_warmup, strict=True) if found), 0)
    template = next((s for s, found in zip(schedulers, is_warmup, strict=True) if found), None) or {
        "type": "LinearLR",
        "start_factor": WARMUP_START,
        "by_epoch": True,
        "convert_to_iter_based": True,
    }
    planned = [dict(template) | {"begin": 0, "end": warmup_epochs}] if warmup_epochs else []
    for scheduler, found in zip(schedulers, is_warmup, strict=True):
        if found:
            continue
        follows = scheduler.get("begin", 0) == before
        planned.append(_fit_length(dict(scheduler) | ({"begin": warmup_epochs} if follows else {})))
    return planned


def _fit_length(scheduler: dict[str, Any]) -> dict[str, Any]:
    """Return a cosine that reaches its lowest rate just where it ends."""
    if "T_max" in scheduler and "end" in scheduler:
        scheduler["T_max"] = max(1, scheduler["end"] - scheduler.get("begin", 0))
    return scheduler
