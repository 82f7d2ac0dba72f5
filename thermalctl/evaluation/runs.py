"""Finding the training run that a command is about, from what the user named or from the newest one below here.

A run is a folder that training wrote: it holds `last_checkpoint`, a `*.pth` checkpoint or predictions.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thermalctl.errors import MAX_PROBLEMS_SHOWN, PredictionsError, RequestError

#: Where runs are looked for below the current folder: the first of these that holds one.
RUN_FOLDERS = ("work_dirs", "thermalctl_demo")
#: What is told of a run besides its checkpoints, for those who come later.
RUN_FILE = "run.json"
_CHECKPOINTS = ("last_checkpoint", "*.pth")
_PREDICTIONS = "predictions_*.npz"
_WHAT_A_RUN_IS = "a run is a folder that training wrote; it holds last_checkpoint, *.pth or predictions_*.npz"


@dataclass(frozen=True, kw_only=True)
class FoundRun:
    """A training run.

    Attributes:
        folder: its work dir.
        how: how it was chosen, in words, to be shown to the user.
        file: the checkpoint or predictions file that the user named; None where they named a folder or nothing.
    """

    folder: Path
    how: str
    file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class FoundPredictions:
    """A predictions file.

    Attributes:
        path: the file.
        how: how it was chosen, in words, to be shown to the user.
    """

    path: Path
    how: str


def predictions_path(work_dir: Path, split: str) -> Path:
    """Return where the predictions for a split are kept in a work dir."""
    return work_dir / f"predictions_{split}.npz"


def find_run(path: Path | None, *, current_folder: Path = Path()) -> FoundRun:
    """Return the run that the user means.

    Args:
        path: a work dir, a folder that holds one run, or a file in a work dir (a checkpoint, predictions); None for
            the newest run below `current_folder`: the one whose newest checkpoint is the latest.
        current_folder: where `work_dirs/` and `thermalctl_demo/` are looked for.

    Raises:
        RequestError: if there is no such run, or several could be meant.
    """
    if path is not None:
        return _find_named_run(path)
    for root in (current_folder / name for name in RUN_FOLDERS):
        runs = list_runs(root)
        if runs:
            tied = [run for run in runs if _finished(run) == _finished(runs[0])]
            if len(tied) > 1:
                raise RequestError(f"{len(tied)} runs below {root} are equally new", hint=_say_name_one(tied))
            return FoundRun(folder=runs[0], how=_say_chosen("run", len(runs), root))
    raise RequestError(
        f"no run below {' or '.join(str(current_folder / name) for name in RUN_FOLDERS)}",
        hint="name a work dir or a checkpoint, or make one: thermalctl train",
    )


def find_predictions(path: Path | None, *, current_folder: Path = Path()) -> FoundPredictions:
    """Return the predictions file that the user means.

    Args:
        path: the file, or a work dir (or a checkpoint in it) that holds one, of several the newest; None for the
            newest run below `current_folder` that holds one.
        current_folder: where `work_dirs/` and `thermalctl_demo/` are looked for.

    Raises:
        RequestError: if there is no such run, or several could be meant.
        PredictionsError: if the run holds no predictions.
    """
    run = find_run(path, current_folder=current_folder)
    if run.file is not None and not any(run.file.match(pattern) for pattern in _CHECKPOINTS):
        return FoundPredictions(path=run.file, how=run.how)
    found = _list_predictions(run.folder)
    if found:
        how = run.how if len(found) == 1 else _say_chosen("predictions file", len(found), run.folder)
        return FoundPredictions(path=found[0], how=how)
    to_do = f"thermalctl test {run.folder}"
    if path is None:
        root = current_folder / run.folder.relative_to(current_folder).parts[0]
        older = [file for folder in list_runs(root) for file in _list_predictions(folder)]
        if older:
            how = f"the newest run with predictions; the newest run has none yet: {to_do}"
            return FoundPredictions(path=older[0], how=how)
    raise PredictionsError(f"{run.folder}: holds no predictions", hint=f"{to_do}  writes them")


def find_trained_dataset_folder(work_dir: Path) -> Path | None:
    """Return the dataset folder that a run was trained on; None where its record is missing or does not say."""
    try:
        record = json.loads((work_dir / RUN_FILE).read_text())
    except (OSError, ValueError):
        return None
    folder = record.get("dataset") if isinstance(record, dict) else None
    return Path(folder) if isinstance(folder, str) else None


def list_runs(root: Path) -> list[Path]:
    """Return the folders at and below `root` that are runs, the newest first."""
    folders = {file.parent for pattern in (*_CHECKPOINTS, _PREDICTIONS) for file in root.rglob(pattern)}
    return sorted(folders, key=lambda folder: (-_finished(folder), folder))


def _find_named_run(path: Path) -> FoundRun:
    if path.is_file():
        return FoundRun(folder=path.parent, how="as named", file=path)
    if not path.is_dir():
        raise RequestError(f"{path}: no such file or folder.{_suggest(path)}", hint=_WHAT_A_RUN_IS)
    runs = list_runs(path)
    if path in runs:
        return FoundRun(folder=path, how="as named")
    if not runs:
        raise RequestError(f"{path}: holds no run", hint=_WHAT_A_RUN_IS)
    if len(runs) > 1:
        raise RequestError(f"{path}: holds {len(runs)} runs, expected one", hint=_say_name_one(runs))
    return FoundRun(folder=runs[0], how=f"the only run below {path}")


def _list_predictions(folder: Path) -> list[Path]:
    """Return the predictions files in a folder, the newest first."""
    return sorted(folder.glob(_PREDICTIONS), key=lambda file: (-file.stat().st_mtime_ns, file))


def _finished(folder: Path) -> int:
    """Return when the run last wrote a checkpoint, in ns; testing an old run does not make it the newest."""
    files = [file for pattern in _CHECKPOINTS for file in folder.glob(pattern)] or _list_predictions(folder)
    return max(file.stat().st_mtime_ns for file in files)


def _suggest(path: Path) -> str:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, siblings, n=1)
    return f" Is {path.parent / close[0]} meant?" if close else ""


def _say_chosen(what: str, number: int, root: Path) -> str:
    return f"the only {what} below {root}" if number == 1 else f"the newest of {number} {what}s below {root}"


def _say_name_one(runs: Sequence[Path]) -> str:
    shown = ", ".join(str(run) for run in runs[:MAX_PROBLEMS_SHOWN])
    return f"name one: {shown}" + (", ..." if len(runs) > MAX_PROBLEMS_SHOWN else "")
