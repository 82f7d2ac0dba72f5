from __future__ import annotations

import onnx
from onnx import helper

from thermalctl.deploy.network import find_network


def test_network_is_from_the_first_convolution_to_the_last_layer(small_network: onnx.ModelProto) -> None:
    assert [node.op_type for node in find_network(small_network)] == ["Conv", "Relu", "Flatten", "Gemm"]


def test_products_before_the_first_convolution_are_not_of_the_network(small_network: onnx.ModelProto) -> None:
    """Resizing is two matrix products."""
    graph = small_network.graph
    shift, convolve, *rest = graph.node
    convolve.input[0] = "resized"
    nodes = [shift, helper.make_node("MatMul", ["shifted", "rows"], ["resized"], name="MatMul"), convolve, *rest]
    del graph.node[:]
    graph.node.extend(nodes)
    assert [node.op_type for node in find_network(small_network)] == ["Conv", "Relu", "Flatten", "Gemm"]
