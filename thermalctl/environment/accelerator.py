"""torch and the NVIDIA driver: are they there, and do they suit each other?"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field

from thermalctl.environment.breaks import explain_break
from thermalctl.environment.diagnosis import Check, Status
from thermalctl.environment.installation import PIP, spell_torch
from thermalctl.environment.probe import ProbeResult
from thermalctl.environment.requirements import RANGES, describe_range, find_version, is_in_range, parse_release

_DRIVER_TIMEOUT_S = 20.0
#: The builds of torch that a driver can run, by the major number of the CUDA that it knows: any driver runs every minor
#: release of its CUDA. https://docs.nvidia.com/deploy/cuda-compatibility
_BUILDS = {11: "cu118", 12: "cu126", 13: "cu130"}


@dataclass(frozen=True, kw_only=True)
class Driver:
    """What `nvidia-smi` says, independently of torch.

    Attributes:
        version: the driver's, "580.159.03"; None where there is no driver or it does not answer.
        cuda: the newest CUDA that it knows, "13.0"; None where it does not say.
        gpus: their names.
        error: what it answered in place of a list.
        text: its whole table, for the report.
    """

    version: str | None = None
    cuda: str | None = None
    gpus: tuple[str, ...] = ()
    error: str | None = None
    text: str = field(default="", compare=False)


def query_driver() -> Driver:
    """Return what `nvidia-smi` says; an empty answer where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Driver()
    try:
        listed = _run([program, "--query-gpu=driver_version,name", "--format=csv,noheader"])
        lines = [line.strip() for line in listed.stdout.splitlines() if line.strip()]
        if listed.returncode != 0:
            said = lines or listed.stderr.splitlines()
            return Driver(error=said[0] if said else f"nvidia-smi ended with exit code {listed.returncode}")
        table = _run([program]).stdout
    except subprocess.TimeoutExpired:
        return Driver(error=f"nvidia-smi does not answer within {_DRIVER_TIMEOUT_S:g} s")
    except OSError as error:
        return Driver(error=f"nvidia-smi cannot be run ({error.strerror})")
    rows = [line.split(", ", 1) for line in lines if ", " in line]
    cuda = re.search(r"CUDA(?: UMD)? Version:\s*([\d.]+)", table)
    return Driver(
        version=rows[0][0] if rows else None,
        cuda=cuda[1] if cuda else None,
        gpus=tuple(row[1] for row in rows),
        text=table,
    )


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_DRIVER_TIMEOUT_S,
        check=False,
    )


def check_torch(probe: ProbeResult, driver: Driver) -> Check:
    """Return whether torch imports, is of a version that was tried, and was built for the GPU and driver here."""
    if probe.error is not None:
        return _explain_error(probe.error)
    version, cuda = str(probe.facts["version"]), probe.facts["cuda"]
    build = f"CUDA {cuda}" if cuda else "CPU build"
    knows = f" (CUDA {driver.cuda})" if driver.cuda else ""
    found = f"{version} ({build})" + (f", driver {driver.version}{knows}" if driver.version else "")
    facts = {"version": version, "cuda": cuda, "driver": driver.version, "driver_cuda": driver.cuda}
    status: Status = "ok"
    why, fix = "", None
    if not is_in_range(version, "torch"):
        low, high = RANGES["torch"]
        is_old = parse_release(version) < parse_release(low)
        status = "failed" if is_old else "warning"
        why = f"older than {low}, which checkpoints need" if is_old else f"{high} and newer have not been tried"
        fix = f"{PIP} install {spell_torch()}"
    elif driver.gpus and not cuda:
        status, why = "warning", f"this build cannot use the {driver.gpus[0]} that is here"
        fix = suggest_build(driver.cuda) or "install a CUDA build: https://pytorch.org/get-started/locally"
    elif cuda and driver.cuda and not probe.facts["gpus"] and _read_major(cuda) > _read_major(driver.cuda):
        status, why = "warning", f"built for CUDA {cuda}, but the driver knows none after {driver.cuda}"
        fix = suggest_build(driver.cuda) or "update the NVIDIA driver"
    return Check(name="torch", status=status, found=found, why=why, fix=fix, facts=facts)


def suggest_build(driver_cuda: str | None) -> str | None:
    """Return the command that installs a torch for a driver that knows CUDA up to this; None where there is none."""
    known = [major for major in _BUILDS if driver_cuda and major <= _read_major(driver_cuda)]
    return install_build(_BUILDS[max(known)]) if known else None


def install_build(build: str) -> str:
    """Return the command that installs torch of another build, "cu126" or "cpu", over the one that is there."""
    return (
        f'{PIP} install --force-reinstall "{describe_range("torch")}" '
        f"--index-url https://download.pytorch.org/whl/{build}"
    )


def _read_major(version: str) -> int:
    return (parse_release(version) or (0,))[0]


def _explain_error(error: str) -> Check:
    why, fix = explain_break(error)
    if find_version("torch") is None:
        why, fix = "torch is not installed", f"{PIP} install {spell_torch()}"
    elif fix is None:
        why, fix = "its import fails", f"{PIP} install --force-reinstall {spell_torch()}"
    return Check(name="torch", status="failed", found=error, why=why, fix=fix)
