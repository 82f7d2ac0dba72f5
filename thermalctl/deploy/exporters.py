"""torch's two ONNX exporters behind one function, quiet."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import onnx
import torch
from torch import Tensor, nn

from thermalctl.errors import RequestError

Exporter = Literal["dynamo", "torchscript"]

OLDEST_OPSET, NEWEST_OPSET, DEFAULT_OPSET = 11, 23, 20
#: Below this the dynamo exporter cannot go: asked for 17 it logs a remark and writes 18.
OLDEST_DYNAMO_OPSET = 18

#: The batch size that a model is traced with. Not 1: torch.export takes a size of 1 for a constant.
TRACED_BATCH_SIZE = 2

#: Remarks of torch 2.13 on itself and on its older exporter; what they warn of is checked on real clips afterwards.
_KNOWN_WARNINGS = (
    "You are using the legacy TorchScript-based ONNX export",
    r"The feature will be removed\. Please remove usage of this function",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    "# The axis name: batch will not be used, since it shares the same shape constraints",
    r"Converting a tensor to a Python \w+ might cause the trace to be incorrect",
    r"torch\.tensor results are registered as constants in the trace",
)
#: They remark on torchvision, which is not needed, and on steps of the conversion.
_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir")

logger = logging.getLogger(__name__)


def choose_exporter(opset: int) -> Exporter:
    """Return the exporter that can write an opset.

    Raises:
        RequestError: if neither can.
    """
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise RequestError(
            f"--opset {opset}: cannot be written, expected {OLDEST_OPSET} to {NEWEST_OPSET}",
            hint=f"leave it out for {DEFAULT_OPSET}; an old runtime's documentation names the newest opset it reads",
        )
    return "dynamo" if opset >= OLDEST_DYNAMO_OPSET else "torchscript"


def trace(
    module: nn.Module, inputs: Mapping[str, Tensor], *, outputs: Sequence[str], opset: int, exporter: Exporter
) -> onnx.ModelProto:
    """Return the module as an ONNX model whose batch size is free.

    Args:
        module: takes `inputs` in their order and returns a tensor or a tuple of tensors.
        inputs: example inputs by name, batch first.
        outputs: names of what it returns.
        opset: from 11.
        exporter: from `choose_exporter`.

    Raises:
        RequestError: if the module cannot be written in this opset.
    """
    convert = _trace_with_dynamo if exporter == "dynamo" else _trace_with_torchscript
    try:
        with _quiet(), torch.no_grad():
            model = convert(module, inputs, outputs, opset)
    except torch.onnx.OnnxExporterError as error:
        raise RequestError(
            f"--opset {opset}: torch {torch.__version__} cannot export this model ({str(error).splitlines()[0]})",
            hint=f"try --opset {DEFAULT_OPSET}",
        ) from error
    written = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if written != opset:
        raise RequestError(
            f"--opset {opset}: torch {torch.__version__} would write {written} instead", hint=f"--opset {written}"
        )
    _remove_remarks(model)
    return model


def _trace_with_dynamo(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], opset: int
) -> onnx.ModelProto:
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(
        module,
        tuple(inputs.values()),
        dynamo=True,
        external_data=False,
        opset_version=opset,
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=[{0: batch} for _ in inputs],
        verbose=False,
    )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


def _trace_with_torchscript(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], opset: int
) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            file,
            dynamo=False,
            opset_version=opset,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (*inputs, *outputs)},
        )
        return onnx.load_from_string(file.read_bytes())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' progress off the screen, where standard output is the result; it goes to the log."""
    printed = io.StringIO()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [each.level for each in loggers]
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(warnings.catch_warnings())
        for message in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        for each in loggers:
            each.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)
    logger.debug("%s", printed.getvalue())


def _remove_remarks(model: onnx.ModelProto) -> None:
    """Remove what the dynamo exporter writes beside each node: stack traces, with the paths of whoever exported."""
    graph = model.graph
    parts: Sequence[Any] = (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph)
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""
