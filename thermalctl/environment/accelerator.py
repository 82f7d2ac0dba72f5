"""torch, the NVIDIA driver and the GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thermalctl.environment.breaks import explain_break
from thermalctl.environment.diagnosis import Check
from thermalctl.environment.probe import ProbeResult
from thermalctl.environment.requirements import RANGES, describe_range, find_version, is_in_range, parse_release

_DRIVER_TIMEOUT_S = 20.0
#: Less than this share of a GPU's memory free: somebody else is using it.
_LEAST_FREE_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Driver:
    """What `nvidia-smi` says, independently of torch.

    Attributes:
        version: the driver's, "580.159.03"; None where there is no driver or it does not answer.
        gpus: their names.
        error: what it answered in place of a list.
    """

    version: str | None = None
    gpus: tuple[str, ...] = ()
    error: str | None = None


def query_driver() -> Driver:
    """Return what `nvidia-smi` says; an empty answer where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Driver()
    command = [program, "--query-gpu=driver_version,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_DRIVER_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Driver(error=f"nvidia-smi does not answer within {_DRIVER_TIMEOUT_S:g} s")
    except OSError as error:
        return Driver(error=f"nvidia-smi cannot be run ({error.strerror})")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0:
        said = lines or done.stderr.splitlines()
        return Driver(error=said[0] if said else f"nvidia-smi ended with exit code {done.returncode}")
    rows = [line.split(", ", 1) for line in lines if ", " in line]
    return Driver(version=rows[0][0] if rows else None, gpus=tuple(row[1] for row in rows))


def check_torch(probe: ProbeResult, driver: Driver) -> Check:
    """Return whether torch imports, is of a version that was tried, and was built for the GPU that is there."""
    wanted = f'pip install "{describe_range("torch")}"'
    if probe.error is not None:
        why, fix = explain_break(probe.error)
        if find_version("torch") is None:
            why, fix = "torch is not installed", wanted
        return Check(name="torch", status="failed", found=probe.error, why=why, fix=fix)
    version, cuda = str(probe.facts["version"]), probe.facts["cuda"]
    build = f"CUDA {cuda}" if cuda else "CPU build"
    found = f"{version} ({build})" + (f", driver {driver.version}" if driver.version else "")
    if not is_in_range(version, "torch"):
        low, high = RANGES["torch"]
        is_old = parse_release(version) < parse_release(low)
        return Check(
            name="torch",
            status="failed" if is_old else "warning",
            found=found,
            why=f"older than {low}, which checkpoints need" if is_old else f"{high} and newer have not been tried",
            fix=wanted,
        )
    if driver.gpus and not cuda:
        return Check(
            name="torch",
            status="warning",
            found=found,
            why=f"this build cannot use the {driver.gpus[0]} that is here",
            fix="install a CUDA build that suits the driver: https://pytorch.org/get-started/locally",
        )
    return Check(name="torch", status="ok", found=found)


def check_gpus(probe: ProbeResult, driver: Driver) -> list[Check]:
    """Return one check for each GPU that torch can use, or one that says why there is none."""
    if probe.error is not None:
        return [Check(name="GPU", status="skipped", found="torch does not import, so it was not asked")]
    gpus = probe.facts["gpus"]
    if gpus:
        return [_check_gpu(index, gpu) for index, gpu in enumerate(gpus)]
    if driver.gpus or driver.error:
        return [_explain_unused_gpu(probe, driver)]
    return [
        Check(
            name="GPU",
            status="warning",
            found="none",
            why="slowfast-tiny trains here; slowfast-r50 would take about 16 s a clip",
            fix="train on a machine with an NVIDIA GPU; all else works here",
        )
    ]


def _check_gpu(index: int, gpu: Mapping[str, Any]) -> Check:
    name, total_gib = f"GPU {index}", gpu["total_bytes"] / 2**30
    if gpu["error"] is not None:
        return Check(
            name=name,
            status="failed",
            found=f"{gpu['name']}: {gpu['error']}",
            why="a sum of eight numbers on it did not work",
            fix=f"leave it out (CUDA_VISIBLE_DEVICES without {index}), or install a torch build that supports it",
        )
    free_gib = gpu["free_bytes"] / 2**30
    found = f"{gpu['name']}, {free_gib:.0f} of {total_gib:.0f} GiB free{', bf16' if gpu['bf16'] else ''}"
    if free_gib < _LEAST_FREE_SHARE * total_gib:
        return Check(
            name=name,
            status="warning",
            found=found,
            why="another process holds most of its memory",
            fix="see nvidia-smi; wait for it, or choose another GPU with CUDA_VISIBLE_DEVICES",
        )
    return Check(name=name, status="ok", found=found)


def _explain_unused_gpu(probe: ProbeResult, driver: Driver) -> Check:
    """Return why torch sees no GPU although there is one."""
    found = driver.error or f"{', '.join(driver.gpus)}, which torch cannot use"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    why, fix = "the driver does not answer", "reinstall the NVIDIA driver, or restart the machine after its update"
    if driver.error is None and probe.facts["cuda"] is None:
        why, fix = "torch is a CPU build", "see torch above"
    elif driver.error is None and visible is not None:
        why, fix = f"CUDA_VISIBLE_DEVICES is {visible!r}", "unset CUDA_VISIBLE_DEVICES"
    elif driver.error is None:
        why = probe.facts["complaint"] or f"torch's CUDA {probe.facts['cuda']} does not start"
        fix = f"update driver {driver.version}, or install a torch build for an older CUDA"
    return Check(name="GPU", status="warning", found=found, why=f"{why}; train would run on the CPU", fix=fix)
