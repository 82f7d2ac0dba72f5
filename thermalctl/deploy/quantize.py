"""The network of an exported model in 8-bit whole numbers, their scales measured on real clips."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from thermalctl.deploy.network import WEIGHED, find_network
from thermalctl.errors import RequestError

#: Scales by channel, without which small filters drown, came with this opset.
OLDEST_INT8_OPSET = 13

#: With Relu, what it cuts off takes up no place on the scale of what comes before it. Not all that onnxruntime would
#: take: of layer normalisation (UniFormer) it quantises the weights too, and remarks on their shape.
_QUANTIZED = [*sorted(WEIGHED), "Relu"]

#: What goes in, by name, batch first.
Inputs = Mapping[str, NDArray[np.float32]]


def expect_int8_opset(opset: int) -> None:
    """Check that an opset can hold a network in 8 bits.

    Raises:
        RequestError: if it is too old.
    """
    if opset < OLDEST_INT8_OPSET:
        raise RequestError(
            f"--opset {opset}: cannot hold int8 scales by channel", hint=f"--opset {OLDEST_INT8_OPSET} or newer"
        )


def quantize_network(model: onnx.ModelProto, clips: Iterable[Inputs]) -> onnx.ModelProto:
    """Return the model with its network in 8 bits; what goes in and comes out is float32 as before.

    Weights and activations are signed, in pairs of QuantizeLinear and DequantizeLinear: what onnxruntime's manual
    recommends to try first, and TensorRT takes.

    Args:
        model: opset 13 or newer.
        clips: on which the range of each activation is measured, one by one.

    """
    model = _give_each_its_own(model)
    network = {node.name for node in find_network(model)}
    with tempfile.TemporaryDirectory() as folder:
        given, prepared, quantized = (str(Path(folder, f"{name}.onnx")) for name in ("given", "prepared", "quantized"))
        Path(given).write_bytes(model.SerializeToString())
        # Shapes only: the optimiser would rename the nodes and need not read newer opsets than onnxruntime's.
        quant_pre_process(given, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantized,
            _Reader(clips),
            op_types_to_quantize=_QUANTIZED,
            per_channel=True,
            nodes_to_exclude=[node.name for node in model.graph.node if node.name not in network],
        )
        return onnx.load_from_string(Path(quantized).read_bytes())


def _give_each_its_own(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with equal weights once for each use.

    The TorchScript exporter keeps them once and hands them on by Identity, whose output the quantiser does not take for
    a weight: the bias would stay float32, and the convolution with it.
    """
    own = onnx.ModelProto()
    own.CopyFrom(model)
    graph = own.graph
    weights = {weight.name: weight for weight in graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            copied = graph.initializer.add()
            copied.CopyFrom(weights[node.input[0]])
            copied.name = node.output[0]
            graph.node.remove(node)
    return own


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped
    def __init__(self, clips: Iterable[Inputs]) -> None:
        self._clips = iter(clips)

    def get_next(self) -> Inputs | None:
        return next(self._clips, None)
