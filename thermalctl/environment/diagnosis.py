"""What the doctor finds: single checks, and what they come to together."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from thermalctl.version import __version__

Status = Literal["ok", "warning", "failed", "skipped"]
Device = Literal["cuda", "cpu"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at, a word or two.
        status: "ok"; "warning": works, but not as well as it should; "failed": `train` would stop on it; "skipped":
            there was nothing to look at.
        found: what there is: versions, sizes, the exact line of an exception.
        why: what it means for the user; "" where `found` says it all.
        fix: a command or a step that mends it, None where there is nothing to mend.
    """

    name: str
    status: Status
    found: str
    why: str = ""
    fix: str | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Every check, and whether `train` can start.

    Attributes:
        version: thermalctl's.
        python: the interpreter's version.
        system: operating system and processor.
        checks: in the order in which they are shown.
        num_failed: how many failed.
        num_warnings: how many are warnings.
        ready: whether none failed.
        device: what `train` would run on.
    """

    version: str
    python: str
    system: str
    checks: tuple[Check, ...]
    num_failed: int
    num_warnings: int
    ready: bool
    device: Device


def diagnose(checks: Sequence[Check], *, device: Device) -> Diagnosis:
    """Return what the checks come to."""
    num_failed = sum(check.status == "failed" for check in checks)
    return Diagnosis(
        version=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        checks=tuple(checks),
        num_failed=num_failed,
        num_warnings=sum(check.status == "warning" for check in checks),
        ready=num_failed == 0,
        device=device,
    )
