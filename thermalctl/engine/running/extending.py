"""A finished run made longer: its schedule planned anew, and gone through up to where the run stands."""

from __future__ import annotations

from typing import Any

#: In a checkpoint's message hub: for how many epochs its run was planned.
PLANNED_KEY = "planned_epochs"


def replan_rates(runner: Any) -> str:
    """Give a resumed runner the rates that its longer schedule has at this place; return in words what became of them.

    The state of the schedulers that a checkpoint holds is that of the shorter run, so they are built anew, and step as
    often as they would have.

    Args:
        runner: resumed; its configuration has the longer schedule.
    """
    groups = runner.optim_wrapper.optimizer.param_groups
    before = groups[-1]["lr"]
    for group in groups:
        group["lr"] = group["initial_lr"]
    runner.param_schedulers = runner.build_param_scheduler(runner.cfg.get("param_scheduler") or [])
    for scheduler in runner.param_schedulers:
        scheduler.optimizer._global_step = runner.iter  # else MMEngine takes it that the optimizer has not stepped yet
    num_steps = len(runner.train_dataloader)
    for step in range(1, runner.iter + 1):
        for scheduler in runner.param_schedulers:
            if not scheduler.by_epoch or step % num_steps == 0:
                scheduler.step()
    return (
        f"extended to {runner.max_epochs} epochs: the rate, which was {before:.2g}, goes on at {groups[-1]['lr']:.2g}, "
        "as in a run planned for so many"
    )
