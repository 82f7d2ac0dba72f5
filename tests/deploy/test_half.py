from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from thermalctl.deploy.half import halve_network


def run(model: onnx.ModelProto, values: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[np.ndarray] = session.run(["output", "logits", "features"], {"input": values})
    return outputs


def make_frames() -> np.ndarray:
    return np.random.default_rng(1).normal(22, 3, size=(5, 1, 4, 4)).astype(np.float32)


def list_weights(model: onnx.ModelProto) -> dict[str, int]:
    return {weight.name: weight.data_type for weight in model.graph.initializer}


def test_only_the_networks_weights_are_halved(small_network: onnx.ModelProto) -> None:
    assert list_weights(halve_network(small_network)) == {
        "mean": TensorProto.FLOAT,
        "temperature": TensorProto.FLOAT,
        "kernel_half": TensorProto.FLOAT16,
        "bias_half": TensorProto.FLOAT16,
        "weight_half": TensorProto.FLOAT16,
    }


def test_outputs_are_float32_and_about_the_same(small_network: onnx.ModelProto) -> None:
    frames = make_frames()
    for halved, whole in zip(run(halve_network(small_network), frames), run(small_network, frames), strict=True):
        assert halved.dtype == np.float32
        # Half floats have 11 bits; the values are below 32 and a sum of at most 9 of them.
        np.testing.assert_allclose(halved, whole, atol=32 * 9 * 2**-11)
        assert np.abs(halved - whole).max() > 1e-6  # something was rounded


def test_degrees_are_not_rounded(small_network: onnx.ModelProto) -> None:
    """At 1,000.01 deg C half floats are 0.5 apart; less the mean, the difference of 0.01 is there all the same."""
    model = small_network
    model.graph.initializer.remove(next(each for each in model.graph.initializer if each.name == "mean"))
    model.graph.initializer.append(numpy_helper.from_array(np.full(1, 1000, dtype=np.float32), "mean"))
    near, nearer = np.full((1, 1, 4, 4), 1000.02, dtype=np.float32), np.full((1, 1, 4, 4), 1000.01, dtype=np.float32)
    halved = halve_network(model)
    found = run(halved, near)[2] - run(halved, nearer)[2]
    expected = run(model, near)[2] - run(model, nearer)[2]
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=4e-3)


def test_given_model_stays_as_it_is(small_network: onnx.ModelProto) -> None:
    before = small_network.SerializeToString()
    halve_network(small_network)
    assert small_network.SerializeToString() == before


def test_scales_of_a_resize_stay_float32(small_network: onnx.ModelProto) -> None:
    """They are so by the operator's definition; in half precision no runtime would load the file."""
    graph = small_network.graph
    nodes = list(graph.node)
    nodes[2].output[0] = "small"
    resize = helper.make_node("Resize", ["small", "", "scales"], ["warm"], name="Resize", mode="nearest")
    del graph.node[:]
    graph.node.extend([*nodes[:3], resize, *nodes[3:]])
    graph.initializer.append(numpy_helper.from_array(np.ones(4, dtype=np.float32), "scales"))
    halved = halve_network(small_network)
    assert list_weights(halved)["scales"] == TensorProto.FLOAT
    np.testing.assert_allclose(run(halved, make_frames())[1], run(small_network, make_frames())[1], atol=0.2)


def test_cast_to_float32_within_the_network_becomes_one_to_float16(small_network: onnx.ModelProto) -> None:
    """A head that returns float32 whatever it computed in leaves one before the last layer."""
    graph = small_network.graph
    nodes = list(graph.node)
    nodes[4].input[0] = "as_float"
    cast = helper.make_node("Cast", ["features"], ["as_float"], name="Cast", to=TensorProto.FLOAT)
    del graph.node[:]
    graph.node.extend([*nodes[:4], cast, *nodes[4:]])
    np.testing.assert_allclose(
        run(halve_network(small_network), make_frames())[1], run(small_network, make_frames())[1], atol=0.2
    )
