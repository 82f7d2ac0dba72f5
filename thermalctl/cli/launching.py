"""`thermalctl train --gpus N`: the same command, in several processes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from thermalctl.cli import console
from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from thermalctl.engine.plan import TrainingPlan


def start_processes(plan: TrainingPlan, *, gpus: int | None, nodes: int | None, rendezvous: str | None) -> None:
    """Train a plan in several processes, and end as they do.

    Raises:
        RequestError: if there are not so many GPUs, or the machines do not know where to meet.
        NotHeldError: if processes were lost too often.
    """
    from thermalctl.engine.checkpoints import find_last
    from thermalctl.engine.running.launching import Launch, count_processes, launch
    from thermalctl.engine.starting import find_start

    if nodes is not None and nodes < 1:
        raise RequestError(f"--nodes is {nodes}, expected 1 or more", hint="leave it out for this machine alone")
    if rendezvous is not None and (nodes or 1) == 1:
        raise RequestError(
            f"--rendezvous {rendezvous}: one machine meets nobody", hint="add --nodes 2, or leave it out"
        )
    if (nodes or 1) > 1 and rendezvous is None:
        raise RequestError(
            f"--nodes {nodes}: where do they meet?", hint="--rendezvous HOST:29400, the same on each, HOST one of them"
        )
    per_node = count_processes(gpus, device=plan.cfg.device)
    find_start(plan.cfg)  # what would be refused in every process is refused once
    launched = Launch(per_node=per_node, num_nodes=nodes or 1, rendezvous=rendezvous)
    number = per_node * launched.num_nodes
    clips = number * plan.cfg.train_dataloader.batch_size
    rate = plan.cfg.optim_wrapper.optimizer.get("lr")
    is_scaled = (plan.cfg.get("auto_scale_lr") or {}).get("enable", False)
    scaling = "fitted to them" if is_scaled else f"left at {rate:g}; --auto-scale-lr fits it to them"
    console.print_note(f"processes: {number}, {clips} clips a step in all; the rate is {scaling}")

    def make_command(is_restarted: bool) -> list[str]:
        command = ["-m", "thermalctl", *sys.argv[1:], "--work-dir", str(plan.work_dir)]
        last = find_last(plan.work_dir) if is_restarted else None
        return [*drop_option(command, "--extend-epochs"), "--resume", "--load-from", str(last)] if last else command

    code = launch(launched, make_command, on_note=console.print_note)
    if code:
        raise typer.Exit(code)


def drop_option(command: list[str], name: str) -> list[str]:
    """Return a command line without an option and its value, in either spelling."""
    kept = [part for part in command if not part.startswith(f"{name}=")]
    if name not in kept:
        return kept
    index = kept.index(name)
    return drop_option(kept[:index] + kept[index + 2 :], name)
