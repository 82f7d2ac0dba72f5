"""An ONNX file made and checked, from what was asked to the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thermalctl.dataset.layout import find_dataset
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.deploy.export import ExportedModel, export_onnx
from thermalctl.deploy.exporters import DEFAULT_OPSET, choose_exporter
from thermalctl.deploy.metadata import InputKind
from thermalctl.deploy.real_clips import find_frame_size, find_rgb_shape
from thermalctl.deploy.verify import DEFAULT_NUM_CLIPS, DEFAULT_TOLERANCE, Verification, verify_onnx
from thermalctl.engine.restore import RestoredModel, find_checkpoint, restore_model
from thermalctl.engine.score import OnProgress
from thermalctl.errors import DatasetError, RequestError
from thermalctl.evaluation.runs import FoundRun, find_run, find_trained_dataset_folder


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """An export and what became of it.

    Attributes:
        checkpoint: the model.
        exported: the file.
        verification: how it compares with PyTorch; None where there was no dataset to compare on.
    """

    checkpoint: Path
    exported: ExportedModel
    verification: Verification | None

    @property
    def holds(self) -> bool:
        """Whether the file was compared with PyTorch, and is the same model."""
        return self.verification is not None and self.verification.holds


def run_export(
    path: Path | None,
    *,
    output: Path | None = None,
    input_kind: InputKind = "raw",
    opset: int = DEFAULT_OPSET,
    tolerance: float = DEFAULT_TOLERANCE,
    num_clips: int = DEFAULT_NUM_CLIPS,
    last: bool = False,
    config: str | None = None,
    data: Path | None = None,
    frame_size: tuple[int, int] | None = None,
    force: bool = False,
    on_note: Callable[[str], None] = lambda text: None,
    on_progress: OnProgress | None = None,
) -> ExportResult:
    """Export a run's or a checkpoint's model and return the file with how it compares with PyTorch on real clips.

    Args:
        path: a work dir or a checkpoint; None for the newest run.
        output: the ONNX file; None for the checkpoint's name in the work dir.
        input_kind: what goes in: "raw" degrees, or the model's own input, "rgb".
        opset: of the file's operators.
        tolerance: largest difference in probability that is accepted.
        num_clips: how many clips to compare on at most.
        last: take the last checkpoint although there is one chosen as the best.
        config: a configuration to use instead of the checkpoint's own.
        data: the dataset to compare on; None for what the run was trained on, or else the one that is found.
        frame_size: (H, W) of the sensor's frames; None for the dataset's. With it, no dataset is needed; the file
            is then not compared with anything.
        force: replace a file that is there.
        on_note: told what was chosen.
        on_progress: told (clips compared, clips in all).

    Raises:
        RequestError: if the file is there already, or what is asked for is impossible.
        CheckpointError: if the model cannot be read, or says too little.
        DatasetError: if there is no dataset and no `frame_size`.
    """
    choose_exporter(opset)
    run = find_run(path)
    checkpoint = find_checkpoint(run, last=last)
    on_note(f"model: {checkpoint} ({run.how})")
    output = output or run.folder / f"{checkpoint.stem}{'_rgb' if input_kind == 'rgb' else ''}.onnx"
    if output.is_dir():
        raise RequestError(f"{output}: is a folder", hint=f"name a file, as {output / checkpoint.stem}.onnx")
    if output.exists() and not force:
        raise RequestError(f"{output}: is there already", hint="--force replaces it; --output names another file")
    dataset = _find_dataset(data, run, may_lack=frame_size is not None, on_note=on_note)
    restored = restore_model(checkpoint, config=config, dataset=dataset)
    exported = _export(restored, output, dataset, frame_size=frame_size, input_kind=input_kind, opset=opset)
    verification = None
    if dataset is not None:
        verification = verify_onnx(
            output,
            restored,
            dataset,
            split=choose_split(dataset),
            num_clips=num_clips,
            tolerance=tolerance,
            on_progress=on_progress,
        )
    return ExportResult(checkpoint=checkpoint, exported=exported, verification=verification)


def choose_split(dataset: ThermalDataset) -> str:
    """Return the split to compare on: val, or where there is none, train."""
    return "val" if "val" in dataset.splits else "train"


def _find_dataset(
    data: Path | None, run: FoundRun, *, may_lack: bool, on_note: Callable[[str], None]
) -> ThermalDataset | None:
    try:
        found = find_dataset(data, trained_on=find_trained_dataset_folder(run.folder))
    except DatasetError as error:
        if may_lack and data is None:
            on_note(f"dataset: none ({error.message})")
            return None
        hint = f"{error.hint}; or name the sensor's --frame-size and leave the file unchecked" if data is None else None
        raise DatasetError(error.message, hint=hint or error.hint) from error
    on_note(f"dataset: {found.layout.root} ({found.how})")
    return load_dataset(found.layout)


def _export(
    restored: RestoredModel,
    output: Path,
    dataset: ThermalDataset | None,
    *,
    frame_size: tuple[int, int] | None,
    input_kind: InputKind,
    opset: int,
) -> ExportedModel:
    rgb_shape = None
    if dataset is not None and input_kind == "raw":
        frame_size = frame_size or find_frame_size(dataset)
    elif dataset is not None and restored.clip_spec is None:
        rgb_shape = find_rgb_shape(restored, dataset, choose_split(dataset))
    return export_onnx(restored, output, frame_size=frame_size, input_kind=input_kind, rgb_shape=rgb_shape, opset=opset)
