"""The network of an exported model in half precision; all else of it stays as it is.

onnxruntime's own converter (`onnxruntime.transformers.float16`, as of 1.32) halves the model's input before anything
else, and so the degrees; here the first that is halved is what goes into the first convolution.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from thermalctl.deploy.network import find_network

#: Of these operators only the first input is a value; the others say where and how much, in float32 by definition.
_FIRST_INPUT_ONLY = frozenset({"Resize"})


def halve_network(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its network in float16; what goes in and comes out is float32 as before."""
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    graph = halved.graph
    types = _find_types(halved)
    network = find_network(halved)
    made_inside = {name for node in network for name in node.output}
    used_outside = {name for node in graph.node if not made_inside.intersection(node.output) for name in node.input}
    used_outside |= {output.name for output in graph.output}
    weights = {weight.name: weight for weight in graph.initializer}

    before: dict[str, list[NodeProto]] = {}
    after: dict[str, list[NodeProto]] = {}
    seen: set[str] = set()
    for node in network:
        for place, name in enumerate(node.input):
            if types.get(name) != TensorProto.FLOAT or (place and node.op_type in _FIRST_INPUT_ONLY):
                continue
            node.input[place] = _name_half(name)
            if name in seen or name in made_inside:
                continue
            seen.add(name)
            if name in weights:
                graph.initializer.append(_halve(weights[name]))
            else:
                before.setdefault(node.name, []).append(_cast(name, _name_half(name), TensorProto.FLOAT16))
        for place, name in enumerate(node.output):
            if types.get(name) == TensorProto.FLOAT:
                node.output[place] = _name_half(name)
                if name in used_outside:
                    after.setdefault(node.name, []).append(_cast(_name_half(name), name, TensorProto.FLOAT))
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT:
            node.attribute[0].i = TensorProto.FLOAT16
    _insert(graph, before, after)
    _remove_unused(graph, weights)
    return halved


def _find_types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element type of every tensor by name."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {weight.name: weight.data_type for weight in graph.initializer}


def _name_half(name: str) -> str:
    return f"{name}_half"


def _halve(weight: TensorProto) -> TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), _name_half(weight.name))


def _cast(given: str, wanted: str, to: int) -> NodeProto:
    return helper.make_node("Cast", [given], [wanted], name=f"{wanted}_cast", to=to)


def _insert(
    graph: onnx.GraphProto, before: Mapping[str, list[NodeProto]], after: Mapping[str, list[NodeProto]]
) -> None:
    nodes = [each for node in graph.node for each in (*before.get(node.name, ()), node, *after.get(node.name, ()))]
    del graph.node[:]
    graph.node.extend(nodes)


def _remove_unused(graph: onnx.GraphProto, weights: Mapping[str, TensorProto]) -> None:
    """Remove weights that only the network used, and what was known of the types of tensors that are gone."""
    used = {name for node in graph.node for name in node.input}
    for name, weight in weights.items():
        if name not in used:
            graph.initializer.remove(weight)
    del graph.value_info[:]
