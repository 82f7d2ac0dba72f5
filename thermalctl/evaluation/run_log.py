"""Reading `metrics.jsonl`, the log of a running or finished training; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from thermalctl.errors import RequestError
from thermalctl.evaluation.run_records import (
    Finding,
    Record,
    RunEnded,
    RunHeader,
    StepDone,
    ValidationDone,
    parse_record,
)

#: The log's name in a run's folder.
METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True, kw_only=True)
class RunLog:
    """What a training told so far; of an epoch that was repeated after resuming, the newest.

    Attributes:
        work_dir: where the run lies.
        header: what runs; of a resumed run, as it was resumed.
        steps: training steps in order, as often as they were logged.
        validations: in order.
        findings: what was found to be wrong, in order.
        end: how it ended; None if it runs, or was killed.
        updated_s: when the newest line was written, seconds since 1970.
        damaged: lines that are no records, in words.
    """

    work_dir: Path
    header: RunHeader
    steps: tuple[StepDone, ...]
    validations: tuple[ValidationDone, ...]
    findings: tuple[Finding, ...]
    end: RunEnded | None
    updated_s: float
    damaged: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LoggedRecord:
    """A line of the log.

    Attributes:
        time_s: when it was written, seconds since 1970.
        record: what it says.
    """

    time_s: float
    record: Record


class LogReader:
    """Reads a log that may still grow, each line once.

    A last line without an end is left for later: it is being written, or was cut off.

    Args:
        path: the file; it need not be there yet.

    Attributes:
        damaged: lines read so far that are no records, in words.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: list[str] = []
        self._offset = 0
        self._num_lines = 0

    def read_new(self) -> list[LoggedRecord]:
        """Return the records of the lines that were finished since the last call."""
        if not self.path.is_file():
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            block = file.read()
        whole = block[: block.rfind(b"\n") + 1]
        self._offset += len(whole)
        records = []
        for line in whole.splitlines():
            self._num_lines += 1
            if not line.strip():
                continue
            try:
                time_s, record = parse_record(line.decode("utf-8"))
            except ValueError:  # of which decoding's and JSON's errors are kinds
                self.damaged.append(f"{self.path}: line {self._num_lines} is damaged and left out")
            else:
                records.append(LoggedRecord(time_s=time_s, record=record))
        return records


def read_run_log(work_dir: Path) -> RunLog:
    """Return what a training told so far.

    Raises:
        RequestError: if the folder holds no log, or the log does not say what runs.
    """
    path = work_dir / METRICS_FILE
    if not path.is_file():
        raise RequestError(
            f"{work_dir}: holds no {METRICS_FILE}", hint="name the work dir of a run that thermalctl train has begun"
        )
    reader = LogReader(path)
    lines = reader.read_new()
    header: RunHeader | None = None
    end: RunEnded | None = None
    steps: list[StepDone] = []
    validations: list[ValidationDone] = []
    findings: list[Finding] = []
    for line in lines:
        record = line.record
        if isinstance(record, RunHeader):
            header, end = record, None
            first = record.first_epoch
            steps = [step for step in steps if (step.epoch, step.step) < (first, record.first_step)]
            validations = [validation for validation in validations if validation.epoch < first]
            findings = [finding for finding in findings if finding.epoch < first]
        elif isinstance(record, StepDone):
            steps.append(record)
        elif isinstance(record, ValidationDone):
            validations.append(record)
        elif isinstance(record, Finding):
            findings.append(record)
        else:
            end = record
    if header is None:
        raise RequestError(
            f"{path}: has no line that says what runs",
            hint="it is damaged, or training has just begun; look again in a moment",
        )
    return RunLog(
        work_dir=work_dir,
        header=header,
        steps=tuple(steps),
        validations=tuple(validations),
        findings=tuple(findings),
        end=end,
        updated_s=lines[-1].time_s,
        damaged=tuple(reader.damaged),
    )
