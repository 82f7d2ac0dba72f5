"""Many recordings predicted: shared out between processes, and taken up again where they were left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from thermalctl.deploy.clip_models import ClipModel, ModelChoice
from thermalctl.errors import NotHeldError, RequestError, ThermalctlError
from thermalctl.events.rules import EventRule
from thermalctl.files import hash_file, write_json
from thermalctl.prediction.options import PredictOptions
from thermalctl.prediction.recording import OnProgress, PredictedRecording, predict_recording
from thermalctl.recordings.names import name_recording

#: Written last, beside what was predicted of a recording: it is finished.
RECORD_SUFFIX = ".predicted.json"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A recording that could not be predicted.

    Attributes:
        path: the recording.
        message: what is wrong.
        hint: what to do.
    """

    path: Path
    message: str
    hint: str | None


@dataclass(frozen=True, kw_only=True)
class ManyPredicted:
    """What became of many recordings.

    Attributes:
        predicted: those that were predicted now, in the order that they were named in.
        skipped: those that had been before, by the same model in the same way.
        problems: those that could not be.
    """

    predicted: tuple[PredictedRecording, ...]
    skipped: tuple[Path, ...]
    problems: tuple[Problem, ...]


def predict_many(
    choice: ModelChoice,
    recordings: Sequence[Path],
    options: PredictOptions,
    *,
    output: Path | None,
    settings: Mapping[str, Any],
    num_workers: int = 1,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> ManyPredicted:
    """Return what became of recordings, each of which leaves files and a record of how they were made.

    A recording that cannot be predicted does not keep the others from it.

    Args:
        choice: the model.
        recordings: files or folders, each one recording.
        options: how.
        output: the folder to write into; None: nothing is written, and nothing is finished beforehand.
        settings: the model and all that decides what is written, plain values; a recording whose record says the same
            is finished.
        num_workers: how many processes predict at once.
        force: predict anew what is finished, or was predicted in another way.
        on_progress: told (recordings done, recordings in all).

    Raises:
        RequestError: if the folder holds predictions that were made in another way, and they may not be replaced.
        CheckpointError: if the model cannot be read.
    """
    skipped = []
    if output is not None and not force:
        skipped = [path for path in recordings if is_finished(output, path, settings)]
    waiting = [path for path in recordings if path not in skipped]
    outcomes: dict[Path, PredictedRecording | Problem] = {}
    for path, outcome in _run(choice, waiting, options, output, settings, num_workers):
        outcomes[path] = outcome
        if on_progress:
            on_progress(len(skipped) + len(outcomes), len(recordings))
    in_order = [outcomes[path] for path in waiting]
    return ManyPredicted(
        predicted=tuple(outcome for outcome in in_order if isinstance(outcome, PredictedRecording)),
        skipped=tuple(skipped),
        problems=tuple(outcome for outcome in in_order if isinstance(outcome, Problem)),
    )


def share_out(recordings: Sequence[Path], rank: int, world_size: int) -> list[Path]:
    """Return the recordings that are this process's; each is one process's, whichever has it."""
    return list(recordings[rank::world_size])


def is_finished(output: Path, recording: Path, settings: Mapping[str, Any]) -> bool:
    """Return whether a recording was predicted with these settings, and what was written is there.

    Raises:
        RequestError: if it was predicted with others, or another recording of that name was.
    """
    path = find_record(output, recording)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        found, files = dict(record["settings"]), [output / name for name in record["files"]]
        content = record["recording_sha256"]
    except FileNotFoundError:
        return False
    except (ValueError, TypeError, KeyError) as error:
        raise RequestError(f"{path}: is no record of a prediction", hint="--force predicts it anew") from error
    name, hint = name_recording(recording), "--force replaces it; --output names another folder"
    wanted = json.loads(json.dumps(settings))
    different = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
    if different:
        key = different[0]
        raise RequestError(
            f"{output}: {name} was predicted with {key} {found.get(key)}, not {wanted.get(key)}", hint=hint
        )
    if content != hash_recording(recording):
        raise RequestError(f"{output}: another recording of the name {name} was predicted into it", hint=hint)
    return all(file.exists() for file in files)


def hash_recording(recording: Path) -> str:
    """Return the SHA-256 of a recording's file, or of all files of a folder of frames."""
    if recording.is_file():
        return hash_file(recording)
    inside = sorted(path for path in recording.iterdir() if path.is_file())
    return hashlib.sha256("".join(f"{path.name} {hash_file(path)}\n" for path in inside).encode()).hexdigest()


def find_record(output: Path, recording: Path) -> Path:
    """Return where it is told that a recording is finished."""
    return output / f"{name_recording(recording)}{RECORD_SUFFIX}"


def _run(
    choice: ModelChoice,
    recordings: Sequence[Path],
    options: PredictOptions,
    output: Path | None,
    settings: Mapping[str, Any],
    num_workers: int,
) -> Iterator[tuple[Path, PredictedRecording | Problem]]:
    """Yield each recording with what became of it, as they are finished."""
    if num_workers <= 1 or len(recordings) <= 1:
        equipment = _equip(choice, options) if recordings else None
        for path in recordings:
            assert equipment is not None
            yield path, _predict_one(equipment, path, options, output, settings)
        return
    _equip(choice, options)  # what would be refused in every process is refused once
    with ExitStack() as stack:
        # Spawned, not forked: torch's and onnxruntime's threads do not survive a fork.
        pool = ProcessPoolExecutor(
            min(num_workers, len(recordings)),
            get_context("spawn"),
            initializer=_equip_process,
            initargs=(choice, options),
        )
        stack.callback(pool.shutdown, cancel_futures=True)
        futures = {pool.submit(_predict_here, path, options, output, settings): path for path in recordings}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool as error:
                raise NotHeldError(
                    f"{futures[future]}: a process that predicted was killed, as where memory is short",
                    hint="the same command goes on with what is not finished; take fewer --workers",
                ) from error


class _Equipment(NamedTuple):
    model: ClipModel
    rules: tuple[EventRule, ...]


def _equip(choice: ModelChoice, options: PredictOptions) -> _Equipment:
    model = choice.load()
    return _Equipment(model, options.read_rules(model.classes))


def _predict_one(
    equipment: _Equipment, path: Path, options: PredictOptions, output: Path | None, settings: Mapping[str, Any]
) -> PredictedRecording | Problem:
    model, rules = equipment
    try:
        predicted = predict_recording(model, path, options, rules=rules, output=output, about=settings)
        if output is not None:
            files = [file.name for file in predicted.files]
            record = {"settings": settings, "files": files, "recording_sha256": hash_recording(path)}
            write_json(find_record(output, path), record)
    except ThermalctlError as error:
        return Problem(path=path, message=error.message, hint=error.hint)
    except OSError as error:  # a full disk, say; it has no file's name
        where = error.filename or output or path
        return Problem(path=path, message=f"{where}: {error.strerror}", hint="is the disk full? may you write there?")
    return predicted


#: What this process has, where processes share the work.
_own_equipment: list[_Equipment] = []


def _equip_process(choice: ModelChoice, options: PredictOptions) -> None:
    _own_equipment.append(_equip(choice, options))


def _predict_here(
    path: Path, options: PredictOptions, output: Path | None, settings: Mapping[str, Any]
) -> PredictedRecording | Problem:
    return _predict_one(_own_equipment[0], path, options, output, settings)
