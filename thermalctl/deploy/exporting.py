"""An ONNX file made, checked and described, from what was asked to the verdict."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.card import card_path, write_card
from thermalctl.deploy.clip_choice import choose_dataset, choose_split
from thermalctl.deploy.export import ExportedModel, export_onnx, reduce_precision
from thermalctl.deploy.exporters import DEFAULT_OPSET, choose_exporter
from thermalctl.deploy.metadata import INPUT, FittedTemperature, InputKind, OutputName, Precision
from thermalctl.deploy.quantize import expect_int8_opset
from thermalctl.deploy.real_clips import RealClips, find_frame_size, find_rgb_shape
from thermalctl.deploy.scaling import fit_scaling
from thermalctl.deploy.training_facts import find_own_predictions, find_training_facts
from thermalctl.deploy.verification import DEFAULT_TOLERANCE, Verification
from thermalctl.deploy.verify import verify_onnx
from thermalctl.engine.restore import RestoredModel, find_checkpoint, restore_model
from thermalctl.engine.score import OnProgress, check_classes, score_split
from thermalctl.errors import RequestError
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.runs import find_run

#: Training clips on which the scales of int8 are measured.
DEFAULT_CALIBRATION_CLIPS = 64

OnNote = Callable[[str], None]
OnStage = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is to be made of a model.

    Attributes:
        input_kind: what goes in: "raw" degrees, or the model's own input, "rgb".
        frame_size: (H, W) of the sensor's frames; None for the dataset's.
        opset: of the file's operators.
        outputs: what comes out.
        temperature: by which the logits are divided before the softmax.
        fits_temperature: whether to fit one on the val clips instead.
        precision: of the network.
        num_calibration_clips: on how many training clips the scales of "int8" are measured, at most.
    """

    input_kind: InputKind = "raw"
    frame_size: tuple[int, int] | None = None
    opset: int = DEFAULT_OPSET
    outputs: tuple[OutputName, ...] = ("probabilities",)
    temperature: float = 1.0
    fits_temperature: bool = False
    precision: Precision = "fp32"
    num_calibration_clips: int = DEFAULT_CALIBRATION_CLIPS


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """An export and what became of it.

    Attributes:
        checkpoint: the model.
        exported: the file.
        verification: how it compares with PyTorch; None where there was no dataset to compare on.
        card: the file's description; None where nothing was written.
    """

    checkpoint: Path
    exported: ExportedModel
    verification: Verification | None
    card: Path | None

    @property
    def holds(self) -> bool:
        """Whether the file was compared with PyTorch, and is the same model."""
        return self.verification is not None and self.verification.holds


def run_export(
    path: Path | None,
    options: ExportOptions | None = None,
    *,
    output: Path | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    num_clips: int | None = None,
    last: bool = False,
    config: str | None = None,
    data: Path | None = None,
    force: bool = False,
    on_note: OnNote = lambda text: None,
    on_stage: OnStage = lambda text: None,
    on_progress: OnProgress | None = None,
) -> ExportResult:
    """Export a run's or a checkpoint's model and return the file with how it compares with PyTorch on real clips.

    Args:
        path: a work dir or a checkpoint; None for the newest run.
        options: what to make of it.
        output: the ONNX file; None for the checkpoint's name in the work dir.
        tolerance: largest difference in probability that is accepted of float32.
        num_clips: how many clips to compare on at most; None for all.
        last: take the last checkpoint although there is one chosen as the best.
        config: a configuration to use instead of the checkpoint's own.
        data: the dataset to compare on; None for what the run was trained on, or else the one that is found. With
            `options.frame_size` none is needed; the file is then not compared with anything.
        force: replace files that are there.
        on_note: told what was chosen.
        on_stage: told what comes next.
        on_progress: told (clips done, clips in all).

    Raises:
        RequestError: if a file is there already, or what is asked for is impossible.
        CheckpointError: if the model cannot be read, or says too little.
        DatasetError: if there is no dataset and one is needed.
    """
    options = options or ExportOptions()
    choose_exporter(options.opset)
    if options.precision == "int8":
        expect_int8_opset(options.opset)
    run = find_run(path)
    checkpoint = find_checkpoint(run, last=last)
    on_note(f"model: {checkpoint} ({run.how})")
    output = output or run.folder / f"{checkpoint.stem}{_name_variant(options)}.onnx"
    _expect_free(output, force=force)
    dataset = choose_dataset(data, run, may_lack=options.frame_size is not None, on_note=on_note)
    if dataset is None and options.precision == "int8":
        raise RequestError("--precision int8: needs clips to measure its scales on", hint="name a dataset with --data")
    restored = restore_model(checkpoint, config=config, dataset=dataset)
    if dataset is not None:
        check_classes(restored, dataset)
    judged = find_own_predictions(run.folder, restored, choose_split(dataset))
    fit = None
    if options.fits_temperature:
        on_stage("fitting the temperature")
        fit = fit_scaling(judged or _score(restored, dataset, on_progress))
    on_stage("exporting")
    with tempfile.TemporaryDirectory() as folder:
        whole = output if options.precision == "fp32" else Path(folder, "fp32.onnx")
        exported = _export(restored, whole, dataset, options, fit)
        clips = None
        if options.precision != "fp32":
            clips = _find_calibration_clips(restored, dataset, exported, options)
            on_stage("reducing")
            exported = reduce_precision(whole, output, options.precision, (clip.to_inputs() for clip in clips or ()))
        verification = None
        if dataset is not None:
            on_stage("checking")
            verification = verify_onnx(
                output,
                restored,
                dataset,
                split=choose_split(dataset),
                num_clips=num_clips,
                tolerance=tolerance,
                before=None if whole == output else whole,
                on_progress=on_progress,
            )
    card = write_card(
        exported,
        restored,
        find_training_facts(restored, dataset, judged),
        verification=verification,
        judged=judged,
        num_calibration_clips=None if clips is None else len(clips),
    )
    return ExportResult(checkpoint=checkpoint, exported=exported, verification=verification, card=card)


def _name_variant(options: ExportOptions) -> str:
    kind = "_rgb" if options.input_kind == "rgb" else ""
    return kind if options.precision == "fp32" else f"{kind}_{options.precision}"


def _expect_free(output: Path, *, force: bool) -> None:
    if output.is_dir():
        raise RequestError(f"{output}: is a folder", hint=f"name a file, as {output / 'model.onnx'}")
    if output.suffix == card_path(output).suffix:
        raise RequestError(f"{output}: is the name of its card", hint=f"as {output.with_suffix('.onnx')}")
    for file in (output, card_path(output)):
        if file.exists() and not force:
            raise RequestError(f"{file}: is there already", hint="--force replaces it; --output names another file")


def _score(restored: RestoredModel, dataset: ThermalDataset | None, on_progress: OnProgress | None) -> Predictions:
    if dataset is None:
        raise RequestError("--temperature fit: needs clips to fit it on", hint="name a dataset with --data")
    return score_split(restored, dataset, choose_split(dataset), on_progress=on_progress)


def _find_calibration_clips(
    restored: RestoredModel, dataset: ThermalDataset | None, exported: ExportedModel, options: ExportOptions
) -> RealClips | None:
    if options.precision != "int8" or dataset is None:
        return None
    return RealClips(
        restored,
        dataset,
        "train",
        input_kind=options.input_kind,
        frame_size=exported.inputs[INPUT][-2:] if options.input_kind == "raw" else None,
        num_clips=options.num_calibration_clips,
        is_tested=False,
    )


def _export(
    restored: RestoredModel,
    output: Path,
    dataset: ThermalDataset | None,
    options: ExportOptions,
    fit: FittedTemperature | None,
) -> ExportedModel:
    frame_size, rgb_shape = options.frame_size, None
    if dataset is not None and options.input_kind == "raw":
        frame_size = frame_size or find_frame_size(dataset)
    elif dataset is not None and restored.clip_spec is None:
        rgb_shape = find_rgb_shape(restored, dataset, choose_split(dataset))
    return export_onnx(
        restored,
        output,
        frame_size=frame_size,
        input_kind=options.input_kind,
        rgb_shape=rgb_shape,
        opset=options.opset,
        outputs=options.outputs,
        temperature=options.temperature if fit is None else fit.temperature,
        fit=fit,
    )
