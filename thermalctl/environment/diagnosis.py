"""What the doctor finds: single checks, and what they come to together."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from thermalctl.version import __version__

Status = Literal["ok", "warning", "failed", "skipped"]
Device = Literal["cuda", "cpu"]

#: The fix of what is not known to have one.
REPORT = "thermalctl doctor --report   writes the traceback to a file"


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
        facts: the numbers and names in `found`, for programs.
    """

    name: str
    status: Status
    found: str
    why: str = ""
    fix: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


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
        logs: what each failed probe wrote last, mostly a traceback, by its name.
    """

    version: str
    python: str
    system: str
    checks: tuple[Check, ...]
    num_failed: int
    num_warnings: int
    ready: bool
    device: Device
    logs: Mapping[str, str]

    def list_names(self, status: Status) -> list[str]:
        """Return the names of the checks that came out so."""
        return [check.name for check in self.checks if check.status == status]


def describe_host() -> str:
    """Return what was examined and where: "thermalctl 0.1.0 · Python 3.11.7 · Linux x86_64"."""
    return f"thermalctl {__version__} · Python {platform.python_version()} · {_describe_system()}"


def diagnose(checks: Sequence[Check], *, device: Device, logs: Mapping[str, str] | None = None) -> Diagnosis:
    """Return what the checks come to."""
    num_failed = sum(check.status == "failed" for check in checks)
    return Diagnosis(
        version=__version__,
        python=platform.python_version(),
        system=_describe_system(),
        checks=tuple(checks),
        num_failed=num_failed,
        num_warnings=sum(check.status == "warning" for check in checks),
        ready=num_failed == 0,
        device=device,
        logs=logs or {},
    )


def _describe_system() -> str:
    return f"{platform.system()} {platform.machine()}"
