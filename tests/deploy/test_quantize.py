from __future__ import annotations

import logging

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from thermalctl.deploy.quantize import expect_int8_opset, quantize_network
from thermalctl.errors import RequestError


def make_frames(number: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(22, 3, size=(number, 1, 4, 4)).astype(np.float32)


def quantize(model: onnx.ModelProto) -> onnx.ModelProto:
    return quantize_network(model, ({"input": frames[None]} for frames in make_frames(20)))


def run(model: onnx.ModelProto, values: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits: np.ndarray = session.run(["logits"], {"input": values})[0]
    return logits


def test_network_is_of_whole_numbers_and_answers_about_the_same(small_network: onnx.ModelProto) -> None:
    quantized = quantize(small_network)
    weights = {weight.name: numpy_helper.to_array(weight).dtype for weight in quantized.graph.initializer}
    assert weights["kernel_quantized"] == weights["weight_quantized"] == np.int8
    assert weights["mean"] == np.float32
    assert "kernel" not in weights
    frames = make_frames(10, seed=2)
    whole = run(small_network, frames)
    found = run(quantized, frames)
    assert np.abs(found - whole).max() > 1e-4  # something was rounded
    np.testing.assert_allclose(found, whole, atol=0.05 * np.ptp(whole))


def test_degrees_are_not_quantized(small_network: onnx.ModelProto) -> None:
    quantized = {node.input[0] for node in quantize(small_network).graph.node if node.op_type == "QuantizeLinear"}
    assert quantized >= {"shifted"}
    assert "input" not in quantized


def test_each_filter_has_a_scale_of_its_own(small_network: onnx.ModelProto) -> None:
    """With one scale for both, a filter of a thousandth of the other's weights would be all zeros."""
    kernel = next(each for each in small_network.graph.initializer if each.name == "kernel")
    values = numpy_helper.to_array(kernel) * np.array([1, 1e-3], dtype=np.float32)[:, None, None, None]
    kernel.CopyFrom(numpy_helper.from_array(values, "kernel"))
    stored = next(each for each in quantize(small_network).graph.initializer if each.name == "kernel_quantized")
    assert np.abs(numpy_helper.to_array(stored)).max(axis=(1, 2, 3)).tolist() == [127, 127]


def test_weights_that_are_handed_on_are_quantized_too(small_network: onnx.ModelProto) -> None:
    """As the TorchScript exporter does with equal ones."""
    graph = small_network.graph
    nodes = list(graph.node)
    nodes[1].input[2] = "shared"
    del graph.node[:]
    graph.node.extend([helper.make_node("Identity", ["bias"], ["shared"], name="Identity"), *nodes])
    quantized = quantize(small_network)
    assert "Identity" not in [node.op_type for node in quantized.graph.node]
    assert "shared_quantized" in [weight.name for weight in quantized.graph.initializer]


def test_nothing_is_remarked(small_network: onnx.ModelProto, caplog: pytest.LogCaptureFixture) -> None:
    quantize(small_network)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_opset_without_scales_by_channel_is_refused() -> None:
    with pytest.raises(RequestError, match="--opset 12: cannot hold int8 scales by channel") as caught:
        expect_int8_opset(12)
    assert caught.value.hint == "--opset 13 or newer"
    expect_int8_opset(13)
