"""The log of a run that can be read while it runs: `metrics.jsonl`, one JSON object a line."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from mmengine.dist import is_main_process
from typing_extensions import Self

from thermalctl.engine.events import Event, RunStarted, StepDone
from thermalctl.evaluation.run_log import METRICS_FILE
from thermalctl.evaluation.run_records import Ending, Record, RunEnded, RunFacts, RunHeader, format_record
from thermalctl.version import __version__


class MetricsLog:
    """Writes what a run tells to its work dir; a context manager that notes how the run ended.

    A resumed run appends; of an epoch that it repeats, the newest lines count. Of several processes one writes.

    Args:
        work_dir: the run's folder.
        log_interval: of the steps that are told, every so manieth of an epoch and the last are written.
    """

    def __init__(self, work_dir: Path, *, log_interval: int) -> None:
        self.path = work_dir / METRICS_FILE
        self.log_interval = log_interval
        self._began = time.monotonic()
        self._epochs = 0
        self._ending: Ending = "finished"
        self._has_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._has_begun:
            return
        ending = self._ending
        if kind is not None:
            ending = "interrupted" if issubclass(kind, KeyboardInterrupt) else "failed"
        reason = f"{error or ''}" if ending == "failed" else ""
        seconds = round(time.monotonic() - self._began, 3)
        self._append(RunEnded(status=ending, epochs=self._epochs, seconds=seconds, reason=reason))

    def __call__(self, event: Event) -> None:
        """Write an event."""
        if isinstance(event, RunStarted):
            self._begin(event)
        elif isinstance(event, StepDone):
            is_last = event.step == event.num_steps
            self._epochs = event.epoch if is_last else event.epoch - 1
            if is_last or event.step % self.log_interval == 0:
                self._append(event)
        else:
            self._append(event)

    def note_end(self, *, epochs: int, stopped_early: bool) -> None:
        """Note how many epochs are trained, and whether early stopping ended the run."""
        self._epochs = epochs
        self._ending = "stopped early" if stopped_early else "finished"

    def _begin(self, started: RunStarted) -> None:
        self._has_begun = True
        self._epochs = started.first_epoch - 1
        facts = {field.name: getattr(started, field.name) for field in dataclasses.fields(RunFacts)}
        self._append(RunHeader(**facts, version=__version__, host=socket.gethostname(), pid=os.getpid()))

    def _append(self, record: Record) -> None:
        if not is_main_process():
            return
        # Opened anew for each line, which closes it: whoever reads sees it at once, and none is lost with the process.
        with self.path.open("a+b") as file:
            if file.tell() and not _ends_with_line(file.name):
                file.write(b"\n")  # a process that was killed while it wrote left half a line
            file.write(format_record(record, time_s=time.time()).encode() + b"\n")


def _ends_with_line(path: str) -> bool:
    with Path(path).open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
