"""An ONNX file that is there already, held against the checkpoint that it says it was made from."""

from __future__ import annotations

from pathlib import Path

from thermalctl.deploy.clip_choice import choose_dataset, choose_split
from thermalctl.deploy.export import read_exported
from thermalctl.deploy.exporting import ExportResult, OnNote
from thermalctl.deploy.runtime import ThermalClassifier
from thermalctl.deploy.verification import DEFAULT_TOLERANCE
from thermalctl.deploy.verify import verify_onnx
from thermalctl.engine.restore import find_checkpoint, restore_model
from thermalctl.engine.score import OnProgress
from thermalctl.errors import NotHeldError
from thermalctl.evaluation.runs import FoundRun, find_run, list_runs
from thermalctl.files import hash_file

#: Digits of a SHA-256 that are shown of one; they tell any two checkpoints apart.
_SHOWN_DIGITS = 12


def run_verification(
    file: Path,
    path: Path | None = None,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    num_clips: int | None = None,
    last: bool = False,
    config: str | None = None,
    data: Path | None = None,
    on_note: OnNote = lambda text: None,
    on_progress: OnProgress | None = None,
) -> ExportResult:
    """Return how an ONNX file compares with its checkpoint on real clips; nothing is written.

    Args:
        file: the ONNX file.
        path: a work dir or a checkpoint; None for the run in whose folder the file lies, else for the newest run.
        tolerance: largest difference in probability that is accepted of float32.
        num_clips: how many clips to compare on at most; None for all.
        last: take the last checkpoint although there is one chosen as the best.
        config: a configuration to use instead of the checkpoint's own.
        data: the dataset to compare on; None for what the run was trained on, or else the one that is found.
        on_note: told what was chosen.
        on_progress: told (clips compared, clips in all).

    Raises:
        CheckpointError: if the file or the checkpoint cannot be read.
        NotHeldError: if the file was made from another checkpoint.
        DatasetError: if there is no dataset.
    """
    wanted = ThermalClassifier(file).metadata.checkpoint_sha256
    run = find_run(file.parent if path is None and file.parent in list_runs(file.parent) else path)
    checkpoint = find_checkpoint(run, last=last)
    on_note(f"model: {checkpoint} ({run.how})")
    found = hash_file(checkpoint)
    if found != wanted:
        raise NotHeldError(
            f"{file}: was made from a checkpoint with the SHA-256 {wanted[:_SHOWN_DIGITS]}..., but {checkpoint} has "
            f"{found[:_SHOWN_DIGITS]}...",
            hint=_find_other(run, wanted, file),
        )
    dataset = choose_dataset(data, run, may_lack=False, on_note=on_note)
    assert dataset is not None
    restored = restore_model(checkpoint, config=config, dataset=dataset)
    verification = verify_onnx(
        file,
        restored,
        dataset,
        split=choose_split(dataset),
        num_clips=num_clips,
        tolerance=tolerance,
        on_progress=on_progress,
    )
    return ExportResult(checkpoint=checkpoint, exported=read_exported(file), verification=verification, card=None)


def _find_other(run: FoundRun, wanted: str, file: Path) -> str:
    """Return what to do about a checkpoint that is another one: the run may hold the right one too."""
    for other in sorted(run.folder.glob("*.pth")):
        if hash_file(other) == wanted:
            return f"it was made from another one: thermalctl export-onnx {other} --verify {file}"
    return f"no checkpoint in {run.folder} has that; name the right run, or export again"
