"""A step as an ONNX model: in float, in integers as QuantizeLinear and DequantizeLinear pairs, or with weights alone
in int8.

Built with onnx' own helpers; inputs and outputs are float32 with the names that the step's graph has, whatever is
inside, so that a runtime binds them as it binds TFLite's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from kws_export.onnx_builder import Builder
from kws_export.onnx_ops import Translation, activated, translate
from kws_runtime.errors import ModelError
from kws_train.graph.ir import Graph, Op
from kws_train.graph.quantize import weight_scale

if TYPE_CHECKING:
    from kws_train.graph.ranges import StepGraph

OPSET = 18  # the first in which ReduceMean takes its axes as Split and Slice do; no op here asks for a later one
IR_VERSION = 8  # that of the ONNX release that brought opset 18: onnxruntime reads it from 1.14 on


def to_onnx(step: StepGraph) -> bytes:
    """The step as a serialized ONNX model that onnx' checker has passed. Raises ModelError for an op not known here.

    A float graph gives float nodes. A graph of integers (`with_integers`) gives QDQ: weights are int8 and biases int32
    initializers, and each int8 tensor goes through QuantizeLinear and DequantizeLinear with the graph's scale and zero
    point. Tensors of 16 bits, and what casts to and from them, are float here: onnxruntime computes the elementwise
    ops of a QDQ graph in float anyway, so 16 bits would cost time and tell nothing.
    """
    return _serialized(step.graph, {})


def to_onnx_dynamic(step: StepGraph) -> bytes:
    """The float step with the weights of its dense layers in int8, a scale for each channel, and what goes into these
    quantized anew in each step.

    Convolutions stay float: onnxruntime's ConvInteger takes one scale for all channels, and no kernel of it fuses the
    scaling behind. Raises ModelError for an op not known here, and for a graph that is quantized already.
    """
    if any(tensor.quantized is not None for tensor in step.graph.activations()):
        raise ModelError("only a float step can be quantized dynamically")
    return _serialized(step.graph, {"FULLY_CONNECTED": _dynamic_dense})


def _serialized(graph: Graph, instead: dict[str, Translation]) -> bytes:
    builder = Builder(graph)
    for op in graph.ops:
        instead.get(op.kind, translate)(builder, op)
    builder.finish()

    def edge(names: tuple[str, ...]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, graph.tensors[name].shape) for name in names]

    edges = edge(graph.inputs), edge(graph.outputs)
    made = helper.make_graph(builder.nodes, "step", *edges, builder.initializers)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="kws-edge")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def _dynamic_dense(b: Builder, op: Op) -> None:
    """A dense layer in the nodes, and in the order of nodes, that onnxruntime fuses into one DynamicQuantizeMatMul."""
    name, weights = op.outputs[0], b.graph.data(op.inputs[1])  # (outputs, inputs)
    scale = weight_scale(weights, 0)
    numbers = np.clip(np.rint(weights / scale[:, None]), -127, 127).astype(np.int8)
    w, w_zero = b.own(numbers.T, op.inputs[1]), b.own(np.zeros(len(scale), np.int8), f"{op.inputs[1]}.zero")
    w_scale = b.constant(scale.astype(np.float32), f"{op.inputs[1]}.scale")
    x = b.value_rows(op.inputs[0], weights.shape[1])
    x, x_scale, x_zero = b.node("DynamicQuantizeLinear", [x], op.inputs[0], 3)
    (sums,) = b.node("MatMulInteger", [x, w, x_zero, w_zero], name)
    (sums,) = b.node("Cast", [sums], name, to=TensorProto.FLOAT)
    (both,) = b.node("Mul", [x_scale, w_scale], name)
    (product,) = b.node("Mul", [sums, both], name)
    if len(op.inputs) > 2 and op.inputs[2]:
        (product,) = b.node("Add", [product, b.weights(op.inputs[2])], name)
    b.put_rows(name, activated(b, op, product), len(weights))
