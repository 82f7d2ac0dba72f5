"""The files that an export makes: the model in float32, and of that one of reduced precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.clip_choice import choose_split
from thermalctl.deploy.export import ExportedModel, export_onnx, reduce_precision
from thermalctl.deploy.exporters import DEFAULT_OPSET
from thermalctl.deploy.metadata import INPUT, FittedTemperature, InputKind, OutputName, Precision
from thermalctl.deploy.real_clips import RealClips, find_frame_size, find_rgb_shape
from thermalctl.engine.restore import RestoredModel

#: Training clips on which the scales of int8 are measured.
DEFAULT_CALIBRATION_CLIPS = 64


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


def make_file(
    restored: RestoredModel,
    output: Path,
    dataset: ThermalDataset | None,
    options: ExportOptions,
    *,
    fit: FittedTemperature | None,
) -> ExportedModel:
    """Write a model in float32, whatever precision is asked for, and return what was written.

    Args:
        restored: the model.
        output: the file.
        dataset: says how large frames are where the options do not; None if they do.
        options: what to make.
        fit: a temperature that was fitted; None for that of the options.
    """
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


def find_calibration_clips(
    restored: RestoredModel, dataset: ThermalDataset, file: ExportedModel, options: ExportOptions
) -> RealClips:
    """Return the training clips on which the scales of int8 are measured, as the model is given them.

    Raises:
        DatasetError: if none is of the file's frame size.
    """
    return RealClips(
        restored,
        dataset,
        "train",
        input_kind=options.input_kind,
        frame_size=file.inputs[INPUT][-2:] if options.input_kind == "raw" else None,
        num_clips=options.num_calibration_clips,
        is_tested=False,
    )


def make_reduced_file(
    file: ExportedModel, output: Path, options: ExportOptions, clips: RealClips | None
) -> ExportedModel:
    """Write a file of reduced precision and return what was written.

    Args:
        file: in float32, from `make_file`.
        output: the file to write.
        options: what to make.
        clips: from `find_calibration_clips`; None for "fp16", which needs none.
    """
    return reduce_precision(file.path, output, options.precision, (clip.to_inputs() for clip in clips or ()))
