"""Running a function in a process of its own, so that what a C library does to it is told and not suffered.

HDF5 trusts its files: on damaged ones it may crash or never come back. Neither can be caught in the same process.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Mapping
from functools import partial
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
    told: Mapping[str, Callable[..., None]] | None = None,
    stall_s: float = STALL_S,
    **options: Any,
) -> Result:
    """Return what `function(*arguments, **options)` returns in another process.

    Args:
        function: one that can be imported by name; it reads recordings.
        arguments: its arguments, which must be picklable as its result must.
        told: keyword arguments of the function that it calls back, as `on_progress`; they are called here.
        stall_s: how long it may call nothing back and open no recording.
        options: its other keyword arguments.

    Raises:
        RecordingError: naming the recording that was read when the process crashed or hung.
        ThermalctlError: as the function raises it.
    """
    told = told or {}
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, function, arguments, options, tuple(told)))
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
            elif kind == "error":
                raise value
            elif kind == "result":
                process.join(_GOODBYE_S)  # it may have processes and memory of its own to hand back
                result: Result = value
                return result
            else:
                told[kind](*value)
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
    names: tuple[str, ...],
) -> None:
    """Run the function and send what it calls back, reads, returns or raises."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits is told, and ends this one
    hdf5.listeners.append(lambda path: there.send(("reading", path)))
    callbacks = {name: partial(_send, there, name) for name in names}
    try:
        result = function(*arguments, **options, **callbacks)
    except (ThermalctlError, OSError) as error:
        there.send(("error", error))
    else:
        there.send(("result", result))


def _send(there: Connection, name: str, *values: Any) -> None:
    there.send((name, values))


def _describe_end(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"the process was ended by {signal.Signals(-exit_code).name}"
    return f"the process ended with exit code {exit_code}"
