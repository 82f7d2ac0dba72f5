"""Asking another process: does this import, and what is it? Whatever happens there, there is an answer here."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thermalctl.environment.probe_worker import ANSWER_MARK

#: A cold import of torch from a network drive takes most of a minute; a hanging one takes for ever.
TIMEOUT_S = 90.0
#: The child sees packages exactly as this process does, whichever way it was started.
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from thermalctl.environment.probe_worker import main; main(*sys.argv[2:])"
)
#: An exception's text can hold a page; more than this is not shown.
_LONGEST_ERROR = 300


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """A probe's answer.

    Attributes:
        facts: what it found; empty if it failed.
        error: None, or how it failed: the exception's line, "killed by SIGSEGV", "no answer within 90 s".
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def run_probe(name: str, *arguments: str, timeout_s: float = TIMEOUT_S) -> ProbeResult:
    """Return what the probe of that name in `probe_worker` found, run in a process of its own."""
    command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), name, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return ProbeResult(error=f"no answer within {timeout_s:g} s")
    answers = [line for line in done.stdout.splitlines() if line.startswith(ANSWER_MARK)]
    if done.returncode == 0 and answers:
        return ProbeResult(facts=json.loads(answers[-1].removeprefix(ANSWER_MARK)))
    if done.returncode < 0:
        return ProbeResult(error=f"killed by {signal.Signals(-done.returncode).name}")
    return ProbeResult(error=find_exception(done.stderr) or f"ended with exit code {done.returncode}")


def find_exception(stderr: str) -> str | None:
    """Return the line that names the exception in a traceback, the last one's if there are several, or None."""
    lines = stderr.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        return None
    said = [line for line in lines[starts[-1] + 1 :] if line.strip() and not line.startswith(" ")]
    if not said:
        return None
    # A text that begins on the next line, as numpy's, would leave a bare "ImportError:".
    message = " ".join(said[:2]) if said[0].rstrip().endswith(":") else said[0]
    return message[:_LONGEST_ERROR].strip()
