"""Several processes that train one model: which of them this one is, and how they find each other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch

from thermalctl.errors import NotHeldError, RequestError

#: How long processes wait for one that does not answer; the first step of a large model on a slow disk takes minutes.
TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One process among several.

    Attributes:
        rank: its number among all.
        world_size: how many there are.
        local_rank: its number on this machine, and that of its GPU.
    """

    rank: int
    world_size: int
    local_rank: int


#: Where processes meet that a launcher tells no port; torchrun's.
USUAL_PORT = "29500"
#: What gloo and NCCL say when a process on the other end is no more.
_LOST_PEER = re.compile(
    r"Connection (closed|reset) by peer|Broken pipe|remote process exited|NCCL communicator was aborted"
)
#: What may have started this process, by the flag's names.
LAUNCHERS = ("torchrun", "slurm")
#: What torchrun and Slurm call these, and where they tell the first process's machine.
_TORCHRUN = {"rank": "RANK", "world_size": "WORLD_SIZE", "local_rank": "LOCAL_RANK"}
_SLURM = {"rank": "SLURM_PROCID", "world_size": "SLURM_NTASKS", "local_rank": "SLURM_LOCALID"}


def find_place(launcher: str | None = None, environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return which process of a launched group this one is; None where it was started by itself.

    Args:
        launcher: "torchrun" or "slurm", whose variables there have to be; None to look for torchrun's.
        environment: the variables.

    Raises:
        RequestError: if the launcher's variables are missing.
    """
    names = _SLURM if launcher == "slurm" else _TORCHRUN
    missing = [name for name in names.values() if not environment.get(name, "").isdigit()]
    if not missing:
        return Place(**{field: int(environment[name]) for field, name in names.items()})
    if launcher is None:
        return None
    how = "srun thermalctl train --launcher slurm" if launcher == "slurm" else "torchrun -m thermalctl train"
    raise RequestError(f"--launcher {launcher}: ${missing[0]} is not set", hint=f"start it with: {how} ...")


def find_first_host(nodes: str) -> str:
    """Return the first machine of Slurm's list, in which "gpu[03-05,9],cpu1" stands for gpu03 and others."""
    prefix, bracket, rest = nodes.partition("[")
    if not bracket or "," in prefix:
        return nodes.partition(",")[0]
    return prefix + re.split(r"[-,\]]", rest)[0]


@contextmanager
def joined_group(place: Place | None, device: str) -> Iterator[None]:
    """Join the group of processes, and leave it at the end; alone, nothing happens.

    Args:
        place: of this process.
        device: "cpu" or "cuda".

    Raises:
        RequestError: if this machine has no GPU for this process.
        NotHeldError: if another process of the group was lost.
    """
    if place is None or torch.distributed.is_initialized():
        yield
        return
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # MMEngine would set them, with a warning each
        os.environ.setdefault(variable, "1")
    on_gpu = device.startswith("cuda")
    if on_gpu:
        if place.local_rank >= torch.cuda.device_count():
            raise RequestError(
                f"process {place.local_rank} of this machine has no GPU: torch sees {torch.cuda.device_count()}",
                hint="ask for as many processes as there are GPUs: --gpus N",
            )
        torch.cuda.set_device(place.local_rank)
    os.environ.setdefault("LOCAL_RANK", str(place.local_rank))  # where MMEngine looks for it
    os.environ.setdefault("MASTER_ADDR", find_first_host(os.environ.get("SLURM_JOB_NODELIST", "localhost")))
    os.environ.setdefault("MASTER_PORT", USUAL_PORT)
    torch.distributed.init_process_group(
        "nccl" if on_gpu else "gloo", rank=place.rank, world_size=place.world_size, timeout=TIMEOUT
    )
    try:
        yield
    except RuntimeError as error:
        if not _LOST_PEER.search(str(error)):
            raise
        raise NotHeldError(
            f"process {place.rank} of {place.world_size}: another process of the training was lost",
            hint="thermalctl train --resume goes on from the last checkpoint",
        ) from error
    finally:
        torch.distributed.destroy_process_group()
