"""Processors and memory: those of the machine, and what a container or a job scheduler leaves of them."""

from __future__ import annotations

import math
import os
import platform
import re
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from thermalctl.environment.diagnosis import Check
from thermalctl.environment.quantities import GIB, format_bytes

#: slowfast-tiny was seen to take 0.7 GiB, and 1.0 GiB with 2 + 2 loader workers; on a GPU, CUDA takes as much again.
LEAST_MEMORY_BYTES = 3 * GIB

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What this process may use.

    Attributes:
        processor: the model's name.
        num_cores: how many the machine has.
        num_allowed: how many this process may run on.
        quota: how many of them it may keep busy on average, as `docker run --cpus`; None without such a limit.
        memory_bytes: the machine's or the container's, whichever is less; None where the system does not say.
        available_bytes: how much of it is free or can be freed; None where the system does not say.
    """

    processor: str
    num_cores: int
    num_allowed: int
    quota: float | None = None
    memory_bytes: int | None = None
    available_bytes: int | None = None

    @property
    def num_usable(self) -> int:
        """How many threads can run at once."""
        return self.num_allowed if self.quota is None else max(1, min(self.num_allowed, math.ceil(self.quota)))


def measure_resources(*, proc: Path = _PROC, cgroups: Path = _CGROUPS) -> Resources:
    """Return what this process may use, by Linux's /proc and by control groups, version 2.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max, memory.max, memory.current, memory.stat).
    """
    num_cores = os.cpu_count() or 1
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB", _read(proc / "meminfo"), flags=re.MULTILINE))
    totals, available = ([int(memory[key]) * 1024] if key in memory else [] for key in ("MemTotal", "MemAvailable"))
    quotas = []
    for group in _list_groups(proc, cgroups):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            quotas.append(int(quota) / int(period))
        limit, used = _read(group / "memory.max").strip(), _read(group / "memory.current").strip()
        if limit.isdigit() and used.isdigit():
            freeable = re.search(r"^inactive_file (\d+)", _read(group / "memory.stat"), flags=re.MULTILINE)
            totals.append(int(limit))
            available.append(max(0, int(limit) - int(used) + (int(freeable[1]) if freeable else 0)))
    model = re.search(r"^model name\s*:\s*(.+)$", _read(proc / "cpuinfo"), flags=re.MULTILINE)
    return Resources(
        processor=model[1].strip() if model else platform.processor() or platform.machine(),
        num_cores=num_cores,
        num_allowed=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else num_cores,
        quota=min(quotas, default=None),
        memory_bytes=min(totals, default=None),
        available_bytes=min(available, default=None),
    )


def measure_process_bytes() -> int:
    """Return the memory that this process holds now; where the system does not say, the most that it ever held."""
    try:
        num_pages = int((_PROC / "self" / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return num_pages * resource.getpagesize()


def check_processor(resources: Resources) -> Check:
    """Return whether as many threads will be started as can run at once."""
    num_usable, quota = resources.num_usable, resources.quota
    found = f"{num_usable} of {resources.num_cores} cores, {resources.processor}"
    facts = {"processor": resources.processor, "cores": resources.num_cores, "usable": num_usable, "quota": quota}
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    num_threads = int(asked) if asked.isdigit() else None
    if num_threads is not None:
        found += f", OMP_NUM_THREADS={num_threads}"
    why = None
    if num_threads is not None and num_threads > num_usable:
        why = f"{num_threads} threads on {num_usable} cores wait for each other"
    elif num_threads is None and num_usable < resources.num_allowed:
        why = f"torch counts {resources.num_allowed} cores, but this container may use {quota:g} of them at once"
    if why:
        fix = f"export OMP_NUM_THREADS={num_usable}"
        return Check(name="processor", status="warning", found=found, why=why, fix=fix, facts=facts)
    return Check(name="processor", status="ok", found=found, facts=facts)


def check_memory(resources: Resources) -> Check:
    """Return whether there is memory for a training."""
    total, available = resources.memory_bytes, resources.available_bytes
    if total is None or available is None:
        return Check(name="memory", status="skipped", found="this system does not say")
    found = f"{format_bytes(available)} of {format_bytes(total)} available"
    facts = {"total_bytes": total, "available_bytes": available}
    if available < LEAST_MEMORY_BYTES:
        why = f"training wants {format_bytes(LEAST_MEMORY_BYTES)}; the system ends a process that finds none left"
        fix = "close other programs, give the container more (docker run --memory), or train with --num-workers 0"
        return Check(name="memory", status="warning", found=found, why=why, fix=fix, facts=facts)
    return Check(name="memory", status="ok", found=found, facts=facts)


def _list_groups(proc: Path, cgroups: Path) -> Iterator[Path]:
    """Yield the folder of this process's control group and of those above it, each of which limits it."""
    line = re.search(r"^0::/(.*)$", _read(proc / "self" / "cgroup"), flags=re.MULTILINE)
    if line is None:
        return
    group = cgroups / line[1]
    yield group
    while group != cgroups and cgroups in group.parents:
        group = group.parent
        yield group


def _read(path: Path) -> str:
    """Return a small system file; "" where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
