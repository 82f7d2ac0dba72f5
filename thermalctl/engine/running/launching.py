"""Starting the processes of a distributed training with torch's elastic agent, which is what torchrun runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from thermalctl.errors import NotHeldError, RequestError

#: How often a group that lost a process is started again.
MOST_RESTARTS = 3
#: How the agent ends the others when one process is lost.
ENDED = signal.SIGTERM


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Which processes to start.

    Attributes:
        per_node: on this machine.
        num_nodes: machines; the same command runs on each.
        rendezvous: HOST:PORT of one of them, where they meet; None for one machine.
    """

    per_node: int
    num_nodes: int = 1
    rendezvous: str | None = None


def launch(plan: Launch, make_command: Callable[[bool], Sequence[str]], *, on_note: Callable[[str], None]) -> int:
    """Run the processes and return their exit code.

    A group that loses a process is started again and goes on from the last checkpoint.

    Args:
        plan: which processes.
        make_command: returns what each process runs, after the interpreter; told whether it is started again.
        on_note: told that processes are started again.

    Raises:
        NotHeldError: if processes were lost too often.
    """
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what is lost is told below
    for restart in range(MOST_RESTARTS + 1):
        try:
            elastic_launch(_make_config(plan), sys.executable)(*make_command(restart > 0))
        except SignalException as ending:
            return 128 + int(ending.sigval)
        except ChildFailedError as error:
            codes = {rank: int(failure.exitcode) for rank, failure in error.failures.items()}
            lost = {rank: signal.Signals(-code).name for rank, code in codes.items() if code < 0 and -code != ENDED}
            if not lost:  # the processes have said what is wrong, or were asked to end
                return max(codes.values())
            rank, what = min(lost.items())
            on_note(f"process {rank} of {plan.per_node * plan.num_nodes} was lost ({what})")
        else:
            return 0
    raise NotHeldError(
        f"processes were lost {MOST_RESTARTS + 1} times; the training is given up",
        hint="dmesg says whether memory ran out; --resume goes on from the last checkpoint",
    )


def count_processes(wanted: int | None, *, device: str) -> int:
    """Return how many processes to start on this machine: as many as wanted, else one for each GPU.

    Raises:
        RequestError: if there are fewer GPUs than were asked for.
    """
    num_gpus = torch.cuda.device_count() if device.startswith("cuda") else None
    number = (num_gpus or 1) if wanted is None else wanted
    if number < 1:
        raise RequestError(f"--gpus is {number}, expected 1 or more", hint="--device cpu trains without one")
    if num_gpus is not None and number > num_gpus:
        raise RequestError(
            f"--gpus {number}: torch sees {num_gpus}",
            hint="thermalctl doctor says which; with --device cpu it is a number of processes",
        )
    return number


def _make_config(plan: Launch) -> LaunchConfig:
    return LaunchConfig(
        min_nodes=plan.num_nodes,
        max_nodes=plan.num_nodes,
        nproc_per_node=plan.per_node,
        run_id=os.environ.get("SLURM_JOB_ID", "thermalctl") if plan.rendezvous else uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=plan.rendezvous or "localhost:0",
        max_restarts=0,
        monitor_interval=0.5,
    )
