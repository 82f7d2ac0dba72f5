"""A training step on each device: did it work, and how long did it take?"""

from __future__ import annotations

from collections.abc import Mapping

from thermalctl.environment.breaks import explain_break
from thermalctl.environment.diagnosis import REPORT, Check
from thermalctl.environment.probe import ProbeResult

FLOAT32, BFLOAT16 = "float32", "bfloat16"


def check_step(device: str, results: Mapping[str, ProbeResult], *, needed: bool) -> Check:
    """Return whether a step of slowfast-tiny ran on a device: forward, backward and update, with finite numbers.

    Args:
        device: "CPU" or "GPU 0".
        results: the answer of the probe for each precision, float32 first.
        needed: whether `train` would choose this device.
    """
    name = f"step on {device}"
    facts = {precision: result.facts for precision, result in results.items()}
    first = results[FLOAT32]
    if first.error is not None:
        why, fix = explain_break(first.error)
        return Check(
            name=name,
            status="failed" if needed else "warning",
            found=first.error,
            why=why or "all imports, but a training step of slowfast-tiny does not run",
            fix=fix or (REPORT if device == "CPU" else f"thermalctl train --device cpu   meanwhile; {REPORT}"),
            facts=facts,
        )
    steps = " and ".join(
        f"{result.facts['step_ms']:.0f} ms in {precision}"
        for precision, result in results.items()
        if result.error is None
    )
    found = f"{steps}, loss {first.facts['loss']:.2f}"
    failed = [precision for precision, result in results.items() if result.error is not None]
    if failed:
        return Check(
            name=name,
            status="warning",
            found=f"{found}; {failed[0]}: {results[failed[0]].error}",
            why="mixed precision does not work on it",
            fix="train without --amp",
            facts=facts,
        )
    return Check(name=name, status="ok", found=found, facts=facts)


def skip_step(device: str, why: str) -> Check:
    """Return that a step was not tried, and why."""
    return Check(name=f"step on {device}", status="skipped", found=f"not tried: {why}")
