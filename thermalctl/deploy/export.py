"""A trained model as one ONNX file: degrees Celsius in, class probabilities out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.deploy.classifier import build_classifier, find_last_layer, takes_images
from thermalctl.deploy.exporters import DEFAULT_OPSET, TRACED_BATCH_SIZE, Exporter, choose_exporter, trace
from thermalctl.deploy.half import halve_network
from thermalctl.deploy.metadata import (
    INPUT,
    REGIONS,
    TENSORS,
    FittedTemperature,
    InputKind,
    OnnxMetadata,
    OutputName,
    Precision,
)
from thermalctl.deploy.quantize import Inputs, quantize_network
from thermalctl.engine.guide import require_clip_spec
from thermalctl.engine.restore import RestoredModel
from thermalctl.errors import CheckpointError, RequestError
from thermalctl.files import replace_file
from thermalctl.version import __version__

#: What traced frames are like; the values do not matter, but a range that was clipped to one value could be folded.
_TRACED_MEAN_C, _TRACED_STD_C = 22.0, 3.0


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """An ONNX file that was written.

    Attributes:
        path: the file.
        num_bytes: its size.
        opset: of its operators.
        exporter: which of torch's exporters wrote it.
        input_kind: "raw" for degrees Celsius, "rgb" for the model's own input.
        precision: of the network inside.
        inputs: shape of each input by name, without the batch, which is free.
        outputs: shape of each output by name, without the batch.
        num_classes: how many classes it tells apart.
        classes: their names.
        temperature: by which the logits are divided before the softmax.
        fit: how that temperature was fitted; None where it was not.
        checkpoint_sha256: of the checkpoint it was made from.
    """

    path: Path
    num_bytes: int
    opset: int
    exporter: Exporter
    input_kind: InputKind
    precision: Precision
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    num_classes: int
    classes: tuple[str, ...]
    temperature: float
    fit: FittedTemperature | None
    checkpoint_sha256: str


def export_onnx(
    restored: RestoredModel,
    output: Path,
    *,
    frame_size: tuple[int, int] | None = None,
    input_kind: InputKind = "raw",
    rgb_shape: tuple[int, ...] | None = None,
    opset: int = DEFAULT_OPSET,
    outputs: tuple[OutputName, ...] = ("probabilities",),
    temperature: float = 1.0,
    fit: FittedTemperature | None = None,
) -> ExportedModel:
    """Write a model as an ONNX file and return what was written; a file of that name is replaced.

    With `input_kind` "raw" the input is (N, T, H, W) float32, deg C as recorded: repair, scaling, resizing and
    normalisation are in the file. A model of people has a second input, `regions` float32: x, y, width, height in
    pixels of the square to look at, (N, T, 4) where it follows them, else (N, 4). With "rgb" the input is the model's
    own, normalised: (N, C, T, h, w) float32, or (N, T, C, h, w) of a model of images. Outputs are float32:
    probabilities (N, K), logits (N, K), which the temperature has not divided yet, and features (N, D). N is free.

    Args:
        restored: the model.
        output: the file.
        frame_size: (H, W) of the sensor's frames, for "raw". It is fixed in the file, as the resizing is.
        input_kind: what goes in.
        rgb_shape: of the model's own input, without the batch, for "rgb" where the model has no `ClipSpec` to say it.
        opset: of the operators; 11 to 17 are written by the older of torch's exporters.
        outputs: what comes out.
        temperature: by which the logits are divided before the softmax.
        fit: how that was fitted, for the metadata.

    Raises:
        RequestError: if the opset cannot be written, or a shape is missing.
        CheckpointError: if the model's preprocessing or its classes are not known, or it has no features.
    """
    exporter = choose_exporter(opset)
    metadata = OnnxMetadata(
        classes=_expect_classes(restored),
        clip_spec=restored.clip_spec,
        input_kind=input_kind,
        checkpoint_sha256=restored.sha256,
        thermalctl_version=__version__,
        outputs=outputs,
        temperature=temperature,
        fit=fit,
    )
    module = build_classifier(restored, input_kind, outputs=outputs, temperature=temperature)
    inputs = make_example_inputs(find_input_shapes(restored, metadata, frame_size, rgb_shape))
    model = trace(module, inputs, outputs=[TENSORS[name] for name in outputs], opset=opset, exporter=exporter)
    for value, name in zip(model.graph.output, outputs, strict=True):
        value.type.tensor_type.shape.dim[1].dim_value = _count_columns(
            restored, name
        )  # the older exporter may not know
    write_model(model, metadata, output)
    return read_exported(output)


def reduce_precision(file: Path, output: Path, precision: Precision, clips: Iterable[Inputs]) -> ExportedModel:
    """Write a file whose network is of reduced precision and return what was written.

    Args:
        file: a float32 file that `export_onnx` wrote.
        output: the file to write.
        precision: of its network.
        clips: on which the scales of "int8" are measured; "fp16" needs none.
    """
    model = onnx.load(file)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    metadata = OnnxMetadata.from_properties(properties, str(file))
    reduced = quantize_network(model, clips) if precision == "int8" else halve_network(model)
    write_model(reduced, dataclasses.replace(metadata, precision=precision), output)
    return read_exported(output)


def read_exported(path: Path) -> ExportedModel:
    """Return what a file that `export_onnx` wrote says of itself."""
    model = onnx.load(path)
    metadata = OnnxMetadata.from_properties({entry.key: entry.value for entry in model.metadata_props}, str(path))
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return ExportedModel(
        path=path,
        num_bytes=path.stat().st_size,
        opset=opset,
        exporter=choose_exporter(opset),
        input_kind=metadata.input_kind,
        precision=metadata.precision,
        inputs=_read_shapes(model.graph.input),
        outputs=_read_shapes(model.graph.output),
        num_classes=len(metadata.classes),
        classes=metadata.classes,
        temperature=metadata.temperature,
        fit=metadata.fit,
        checkpoint_sha256=metadata.checkpoint_sha256,
    )


def write_model(model: onnx.ModelProto, metadata: OnnxMetadata, output: Path) -> None:
    """Write a model with its metadata, whole or not at all."""
    del model.metadata_props[:]
    for key, value in metadata.to_properties().items():
        model.metadata_props.add(key=key, value=value)
    content = model.SerializeToString()
    with replace_file(output) as temporary:
        temporary.write_bytes(content)


def find_input_shapes(
    restored: RestoredModel,
    metadata: OnnxMetadata,
    frame_size: tuple[int, int] | None,
    rgb_shape: tuple[int, ...] | None,
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each input by name, without the batch.

    Raises:
        RequestError: if nothing says the size of the frames, or of the model's own input.
        CheckpointError: if degrees go in and the model's preprocessing is not known.
    """
    spec = restored.clip_spec
    if metadata.input_kind == "rgb":
        shape = rgb_shape or (spec and _find_model_shape(spec, as_images=takes_images(restored.model)))
        if not shape:
            raise RequestError(
                f"{restored.path}: its configuration does not say the size of its input",
                hint="name the dataset with --data, so that it can be seen on a clip",
            )
        return {INPUT: shape}
    spec = require_clip_spec(spec, str(restored.path))
    if frame_size is None:
        raise RequestError("--input raw: the size of the sensor's frames is not known", hint="as in --frame-size 40x60")
    regions = {REGIONS: metadata.region_shape} if metadata.region_shape else {}
    return {INPUT: (spec.num_frames, *frame_size), **regions}


def make_example_inputs(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return inputs to trace a model with, by name, batch first."""
    generator = torch.Generator().manual_seed(0)
    height, width = shapes[INPUT][-2:]
    examples = {
        INPUT: _TRACED_MEAN_C + _TRACED_STD_C * torch.randn(TRACED_BATCH_SIZE, *shapes[INPUT], generator=generator)
    }
    if REGIONS in shapes:
        region = torch.tensor([0.0, 0.0, width / 2, height / 2])
        examples[REGIONS] = region.repeat(TRACED_BATCH_SIZE, *shapes[REGIONS][:-1], 1)
    return examples


def _find_model_shape(spec: ClipSpec, *, as_images: bool) -> tuple[int, ...]:
    frames, channels = (spec.num_frames,), (spec.num_channels,)
    return (*frames, *channels, *spec.input_size) if as_images else (*channels, *frames, *spec.input_size)


def _count_columns(restored: RestoredModel, name: OutputName) -> int:
    head: Any = restored.model.cls_head
    return find_last_layer(head).in_features if name == "features" else int(head.num_classes)


def _read_shapes(values: Iterable[Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor by name, without the batch."""
    return {value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim[1:]) for value in values}


def _expect_classes(restored: RestoredModel) -> tuple[str, ...]:
    head: Any = restored.model.cls_head
    wanted = head.num_classes
    if len(restored.classes) != wanted:
        found = f"{len(restored.classes)} classes are named" if restored.classes else "nothing names its classes"
        raise CheckpointError(
            f"{restored.path}: tells {wanted} classes apart, but {found}",
            hint="name the dataset that it was trained on with --data",
        )
    return restored.classes
