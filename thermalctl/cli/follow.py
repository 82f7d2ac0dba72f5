"""`thermalctl train --follow`: how a run goes, or went, that was started elsewhere; read from its `metrics.jsonl`."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from thermalctl.cli import console
from thermalctl.cli.run_lines import (
    NO_WEIGHTS,
    StepLine,
    describe_data,
    describe_device,
    describe_finding,
    describe_model,
    describe_next,
    describe_resumption,
    describe_validation,
    format_time,
    label_rows,
)
from thermalctl.errors import MAX_PROBLEMS_SHOWN, NotHeldError, RequestError
from thermalctl.evaluation.run_log import METRICS_FILE, LoggedRecord, LogReader, read_run_log
from thermalctl.evaluation.run_records import Finding, RunEnded, RunHeader, StepDone, ValidationDone

#: How often the log is looked at.
POLL_S = 1.0
#: A run is silent when nothing came for so long, and for so many times the longest pause it made before.
SILENT_LEAST_S, SILENT_FACTOR = 120.0, 5.0


def follow_run(work_dir: Path, *, as_json: bool = False, poll_s: float = POLL_S) -> None:
    """Show a run until it ends; of a finished one, all of it.

    Args:
        work_dir: the run's folder.
        as_json: print what there is so far as JSON and stop.
        poll_s: seconds between two looks.

    Raises:
        RequestError: if the folder holds no log of a run.
        NotHeldError: if the run's process is gone and left no end.
    """
    runs = sorted(path.parent for path in work_dir.glob(f"*/{METRICS_FILE}"))
    if runs and not (work_dir / METRICS_FILE).is_file():
        names = ", ".join(map(str, runs[:MAX_PROBLEMS_SHOWN]))
        raise RequestError(f"{work_dir}: holds {len(runs)} runs, each with a log of its own", hint=f"name one: {names}")
    log = read_run_log(work_dir)
    if as_json:
        is_gone = log.end is None and is_process_gone(log.header)
        status = log.end.status if log.end else "killed" if is_gone else "running"
        console.print_json({"status": status} | console.to_plain(log))
        if is_gone:
            raise _tell_gone(work_dir, log.header)
        return
    screen = console.stdout()
    reader = LogReader(work_dir / METRICS_FILE)
    with StepLine(screen) as line:
        follower = Follower(work_dir, screen, line)
        while True:
            for logged in reader.read_new():
                follower.show(logged)
            if follower.has_ended:
                break
            if follower.header is not None and is_process_gone(follower.header):
                for logged in reader.read_new():  # it may have ended since the last look
                    follower.show(logged)
                break
            follower.check_silence(time.time())
            time.sleep(poll_s)
    for text in reader.damaged:
        console.print_note(text)
    if not follower.has_ended:
        assert follower.header is not None
        raise _tell_gone(work_dir, follower.header)


def is_process_gone(header: RunHeader) -> bool:
    """Return whether the process of a run is no more; where it runs on another machine, nobody knows."""
    if header.host != socket.gethostname():
        return False
    try:
        os.kill(header.pid, 0)  # sends nothing
    except ProcessLookupError:
        return True
    except PermissionError:  # it is another user's
        return False
    return False


class Follower:
    """Shows the records of a run one after the other and watches that they keep coming.

    Args:
        work_dir: the run's folder.
        screen: where lines are printed.
        line: the moving line.

    Attributes:
        header: of the run, or of its last resumption.
        has_ended: whether it said that it ended.
    """

    def __init__(self, work_dir: Path, screen: Console, line: StepLine) -> None:
        self.work_dir = work_dir
        self.header: RunHeader | None = None
        self.has_ended = False
        self._screen = screen
        self._line = line
        self._last_s = 0.0
        self._longest_pause_s = 0.0
        self._is_silent = False

    def show(self, logged: LoggedRecord) -> None:
        """Show a record."""
        record = logged.record
        if isinstance(record, RunHeader):
            self._longest_pause_s = 0.0
            self._begin(record)
        else:
            self._longest_pause_s = max(self._longest_pause_s, logged.time_s - self._last_s)
        self._last_s, self._is_silent = logged.time_s, False
        if isinstance(record, StepDone):
            self._line.show(record)
        elif isinstance(record, ValidationDone):
            self._screen.print(describe_validation(record))
        elif isinstance(record, Finding):
            self._screen.print(describe_finding(record))
        elif isinstance(record, RunEnded):
            self.has_ended = True
            self._screen.print(_describe_end(record))

    def check_silence(self, now_s: float) -> None:
        """Tell once if nothing has come for much longer than before."""
        silent_s = now_s - self._last_s
        if self._is_silent or silent_s < max(SILENT_LEAST_S, SILENT_FACTOR * self._longest_pause_s):
            return
        self._is_silent = True
        pause = format_time(self._longest_pause_s)
        text = f"nothing new for {format_time(silent_s)}, and at most {pause} before: the run may hang or be gone"
        self._screen.print(Text(text, style="yellow"))

    def _begin(self, header: RunHeader) -> None:
        is_known, self.header, self.has_ended = self.header is not None, header, False
        if header.is_resumed:
            self._screen.print(Text(f"resumed, {describe_next(header)}", style="bold"))
        if is_known and header.is_resumed:
            return
        rows = [
            ("data", describe_data(header)),
            ("model", describe_model(header)),
            ("weights", header.weights or NO_WEIGHTS),
            ("device", describe_device(header)),
            ("run", f"{self.work_dir}, {console.count(header.max_epochs, 'epoch')}"),
        ]
        for text in label_rows(rows):
            self._screen.print(text)


def _tell_gone(work_dir: Path, header: RunHeader) -> NotHeldError:
    return NotHeldError(
        f"{work_dir}: its process ({header.pid} on {header.host}) is gone and left no end; it was killed",
        hint=describe_resumption(work_dir),
    )


def _describe_end(end: RunEnded) -> Text:
    text = Text(f"{end.status} after {console.count(end.epochs, 'epoch')}, {format_time(end.seconds)}", style="bold")
    return text.append(f": {end.reason}", style="not bold") if end.reason else text
