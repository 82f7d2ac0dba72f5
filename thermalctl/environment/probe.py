"""Asking another process: does this import, and what is it? Whatever happens there, there is an answer here."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any

from typing_extensions import Self

from thermalctl.environment.probe_worker import ANSWER_MARK, FIRST

#: A cold import of torch from a network drive takes most of a minute; a hanging one takes for ever.
TIMEOUT_S = 90.0
#: The child sees packages exactly as this process does, whichever way it was started; asked where it hangs, it tells.
_CHILD = (
    "import faulthandler, json, signal, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "hasattr(signal, 'SIGUSR1') and faulthandler.register(signal.SIGUSR1); "
    "from thermalctl.environment.probe_worker import main; main(*sys.argv[2:])"
)
#: An exception's text can hold a page; more than this is not shown.
_LONGEST_ERROR = 300
#: What a failed probe said last is kept for the report; a warning repeated for ever is not.
_LOG_LINES = 200
#: The streams of a process that has ended are read to their ends, unless something it started still holds them.
_DRAIN_S = 2.0
#: To write down where it hangs takes a process less than this.
_TELL_S = 0.3
#: How a probe's answer begins when the machine is at fault, with (why, fix).
_OUTER_ENDS = {
    "cannot be started": ("no process could be started for it", "close other programs; see memory above"),
    "killed by SIGKILL": ("ended from outside, mostly for want of memory", "close other programs; see memory above"),
    "no answer within": (
        "it hangs, or comes from a very slow drive",
        "try again: a second start is faster; then   thermalctl doctor --report",
    ),
}


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """A probe's answer.

    Attributes:
        facts: what it found; empty if it failed.
        error: None, or how it failed: the exception's line, "killed by SIGSEGV", "no answer within 90 s".
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


class Probe:
    """A process that examines something and answers in stages; a context manager that leaves none behind.

    It starts at once. A crash costs only the stages that have not been answered.

    Args:
        name: a probe of `probe_worker`.
        arguments: what it is to examine.
        timeout_s: how long each stage may take.
    """

    def __init__(self, name: str, *arguments: str, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._answers: dict[str, Mapping[str, Any]] = {}
        self._end: str | None = None  # how it ended, once it has
        self._is_failed = False
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._changed = threading.Condition()
        self._last_heard = time.monotonic()
        self._process: subprocess.Popen[str] | None = None
        self._follower = threading.Thread(target=self._follow, daemon=True)
        # faulthandler: a segmentation fault leaves a traceback, too.
        command = [sys.executable, "-X", "faulthandler", "-c", _CHILD, json.dumps(sys.path), name, *arguments]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:  # no memory, or no process left
            self._end, self._is_failed = f"cannot be started ({error.strerror})", True
            return
        self._follower.start()

    @property
    def log(self) -> str:
        """The last that a failed probe wrote to standard error, mostly a traceback; "" if it did not fail."""
        return "".join(self._log.copy()).strip() if self._is_failed else ""

    def wait(self, stage: str = FIRST) -> ProbeResult:
        """Return a stage's answer once it is known; an error if the probe ended or fell silent without it."""
        with self._changed:
            while stage not in self._answers and self._end is None:
                left_s = self._last_heard + self._timeout_s - time.monotonic()
                if left_s <= 0:
                    self._end, self._is_failed = f"no answer within {self._timeout_s:g} s", True
                    self._ask_where()
                    self._kill()
                else:
                    self._changed.wait(left_s)
            if stage in self._answers:
                return ProbeResult(facts=self._answers[stage])
            return ProbeResult(error=self._end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._end = self._end or "stopped"
            self._kill()
        if self._process is not None:
            self._follower.join(2 * _DRAIN_S)

    def _ask_where(self) -> None:
        """Let the process write down where it is."""
        if self._process is not None and hasattr(signal, "SIGUSR1"):  # Windows has none
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(_TELL_S)

    def _kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _follow(self) -> None:
        """Take down what the process says until it ends."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        assert process.stderr is not None
        readers = [
            threading.Thread(target=self._take_answers, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._take_log, args=(process.stderr,), daemon=True),
        ]
        for reader in readers:
            reader.start()
        code = process.wait()
        for reader in readers:
            reader.join(_DRAIN_S)
        with self._changed:
            if self._end is None:
                self._end = _describe_end(code, "".join(self._log.copy()))
                self._is_failed = code != 0 or not self._answers
            self._changed.notify_all()

    def _take_answers(self, stdout: IO[str]) -> None:
        with stdout:
            for line in stdout:
                if line.startswith(ANSWER_MARK):
                    self._take_answer(line.removeprefix(ANSWER_MARK))

    def _take_answer(self, text: str) -> None:
        try:
            answer = json.loads(text)
        except ValueError:  # cut short by a crash, so not an answer
            return
        with self._changed:
            self._answers[answer["stage"]] = answer["facts"]
            self._last_heard = time.monotonic()
            self._changed.notify_all()

    def _take_log(self, stderr: IO[str]) -> None:
        with stderr:
            self._log.extend(stderr)


def run_probe(name: str, *arguments: str, timeout_s: float = TIMEOUT_S) -> ProbeResult:
    """Return what the probe of that name in `probe_worker` finds first, run in a process of its own."""
    with Probe(name, *arguments, timeout_s=timeout_s) as probe:
        return probe.wait()


def explain_end(error: str) -> tuple[str, str] | None:
    """Return (why, fix) for a probe that ended through no fault of what it examined; None for any other."""
    for end, told in _OUTER_ENDS.items():
        if error.startswith(end):
            return told
    return None


def _describe_end(code: int, stderr: str) -> str:
    if code >= 0:
        return find_exception(stderr) or f"ended with exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"killed by signal {-code}"


def find_exception(stderr: str) -> str | None:
    """Return the line that names the exception in a traceback, the last one's if there are several, or None."""
    lines = stderr.splitlines()
    starts = [number for number, line in enumerate(lines) if "Traceback (most recent call last)" in line]
    if not starts:
        return None
    said = [line for line in lines[starts[-1] + 1 :] if line.strip() and not line.startswith(" ")]
    if not said:
        return None
    # A text that begins on the next line, as numpy's, would leave a bare "ImportError:".
    message = " ".join(said[:2]) if said[0].rstrip().endswith(":") else said[0]
    return message[:_LONGEST_ERROR].strip()
