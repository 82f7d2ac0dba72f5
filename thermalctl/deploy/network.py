"""Which part of an exported model is the network: what may be reduced in precision, and what may not.

Before it are degrees Celsius: half a float would round 22 deg C to steps of 0.016, and an incomplete frame's -273 would
stretch an 8-bit scale to seven times what a room needs. After it are temperature and softmax, which cost nothing.
"""

from __future__ import annotations

import onnx

#: What multiplies by weights.
WEIGHED = frozenset({"Conv", "Gemm", "MatMul"})


def find_network(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the nodes from the first convolution to the last layer, in order.

    A node belongs if it depends on a convolution, and something that multiplies by weights depends on it, or is it.
    """
    after: set[str] = set()
    for node in model.graph.node:
        if node.op_type == "Conv" or after.intersection(node.input):
            after.update(node.output)
    before: set[str] = set()
    for node in reversed(model.graph.node):
        if node.op_type in WEIGHED or before.intersection(node.output):
            before.update(node.input)
    return [
        node
        for node in model.graph.node
        if after.intersection(node.output) and (node.op_type in WEIGHED or before.intersection(node.output))
    ]
