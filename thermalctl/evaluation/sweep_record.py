"""The record of a sweep, `sweep.json` beside its runs: which there are, which are finished, what they came to."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

from thermalctl.errors import RequestError
from thermalctl.evaluation.runs import find_run
from thermalctl.evaluation.sweep_summary import RunOutcome, Status, SweepResult
from thermalctl.files import write_json

#: In the folder of the sweep, which holds one folder for each run.
SWEEP_FILE = "sweep.json"
FORMAT = "thermalctl sweep"
FORMAT_VERSION = 1


def find_sweep(work_dir: Path | None) -> Path | None:
    """Return the folder of the sweep that is meant: `work_dir`, or the one that the newest run is part of; else None.

    Raises:
        RequestError: if no folder is named and there is no run, or several are equally new.
    """
    folder = find_run(None).folder.parent if work_dir is None else work_dir
    return folder if (folder / SWEEP_FILE).is_file() else None


def write_sweep(result: SweepResult) -> None:
    """Write `sweep.json` into the sweep's folder."""
    values = {"format": FORMAT, "version": FORMAT_VERSION, **dataclasses.asdict(result)}
    del values["work_dir"]  # the file lies in it, wherever it is moved
    write_json(result.work_dir / SWEEP_FILE, values)


def read_outcomes(work_dir: Path) -> tuple[RunOutcome, ...]:
    """Return the runs of the sweep in a folder.

    Raises:
        RequestError: if there is none, or its record is damaged.
    """
    path = work_dir / SWEEP_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(
            f"{work_dir}: holds no sweep", hint="thermalctl train --seeds 42,123,456  makes one"
        ) from None
    except ValueError as error:
        raise RequestError(
            f"{path}: is not JSON ({error})", hint="begin the sweep anew in another --work-dir"
        ) from error
    if not isinstance(values, dict) or (values.get("format"), values.get("version")) != (FORMAT, FORMAT_VERSION):
        raise RequestError(f"{path}: is no record of a sweep, or of another version", hint="name another --work-dir")
    return tuple(_parse_outcome(entry, path) for entry in values.get("runs", []))


def _parse_outcome(entry: Any, path: Path) -> RunOutcome:
    known = {each.name for each in dataclasses.fields(RunOutcome)}
    if not isinstance(entry, dict) or set(entry) != known:
        raise RequestError(f"{path}: a run is {entry!r}, expected {', '.join(sorted(known))}")
    name, is_number = entry["name"], (type(None), int)
    is_folder = isinstance(name, str) and Path(name).name == name and name.isprintable()
    if (
        not is_folder
        or entry["status"] not in get_args(Status)
        or not all(isinstance(entry[number], is_number) for number in ("seed", "fold", "epochs", "best_epoch"))
    ):
        raise RequestError(f"{path}: the run {name!r} is not as train writes it")
    return RunOutcome(**entry)
