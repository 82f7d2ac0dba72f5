"""Running a function in a process of its own, so that what a C library does to it is told and not suffered.

HDF5 trusts its files: on damaged ones it may crash or never come back. Neither can be caught in the same process.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from thermalctl.errors import RecordingError, ThermalctlError
from thermalctl.recordings import hdf5

Result = TypeVar("Result")

#: A process that says nothing for so long hangs: the largest block is read in a second from a slow disk.
STALL_S = 120.0
_GOODBYE_S = 10.0
_HINT = "the file is damaged in a way that HDF5 does not survive; copy it again, or take it away"


def run_guarded(
    function: Callable[..., Result],
    *arguments: Any,
    on_progress: Callable[[int, int], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
    stall_s: float = STALL_S,
    **options: Any,
) -> Result:
    """Return what `function(*arguments, on_progress=..., on_stage=..., **options)` returns in another process.

    Args:
        function: one that can be imported by name; it reads recordings.
        arguments: its arguments, which must be picklable as its result must.
        on_progress: called here with what the function tells there.
        on_stage: the same; the function is given one only if this is not None.
        stall_s: how long it may say nothing and open no recording.
        options: its keyword arguments.

    Raises:
        RecordingError: naming the recording that was read when the process crashed or hung.
        ThermalctlError: as the function raises it.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, function, arguments, options, on_stage is not None))
    process.start()
    there.close()
    reading: Path | None = None
    try:
        while True:
            if not here.poll(stall_s):
                raise RecordingError(f"{reading}: reading it does not end", hint=_HINT)
            kind, value = here.recv()
            if kind == "reading":
                reading = value
            elif kind == "progress":
                if on_progress is not None:
                    on_progress(*value)
            elif kind == "stage":
                if on_stage is not None:
                    on_stage(value)
            elif kind == "error":
                raise value
            else:
                result: Result = value
                process.join(_GOODBYE_S)  # it may have processes and memory of its own to hand back
                return result
    except EOFError:
        process.join()
        raise RecordingError(f"{reading}: {_describe_end(process.exitcode)} while it was read", hint=_HINT) from None
    finally:
        process.kill()
        process.join()


def _work(
    there: Connection,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    has_stages: bool,
) -> None:
    """Run the function and send what it tells, reads, returns or raises."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits is told, and ends this one
    hdf5.listeners.append(lambda path: there.send(("reading", path)))
    if has_stages:
        options["on_stage"] = lambda stage: there.send(("stage", stage))
    try:
        result = function(
            *arguments, on_progress=lambda done, total: there.send(("progress", (done, total))), **options
        )
    except (ThermalctlError, OSError) as error:
        there.send(("error", error))
    else:
        there.send(("result", result))


def _describe_end(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"the process was ended by {signal.Signals(-exit_code).name}"
    return f"the process ended with exit code {exit_code}"
