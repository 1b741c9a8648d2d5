"""A step in each scheme of `kws-export`, as a graph of TFLite."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kws_export.schemes import INTEGER
from kws_train.graph.ir import Graph, Op, Quantized, Tensor
from kws_train.graph.quantize import MATRIX, quantize, weight_scale, with_integers
from kws_train.graph.ranges import Arrays, StepGraph


@dataclass(frozen=True)
class Source:
    """What a run gives to export: the float step, what its tensors held on the calibration stream, and, of a run that
    was taught to live with int8, that step."""

    step: StepGraph
    seen: Arrays
    taught: StepGraph | None = None


def step_of(source: Source, scheme: str) -> StepGraph:
    """The step in a scheme, ready to be written."""
    if scheme == "int8" and source.taught is not None:
        return source.taught
    if scheme in INTEGER:
        step = quantize(source.step, source.seen, scheme)
        return replace(step, graph=with_integers(step.graph))
    change = {"fp32": Graph.copy, "fp16": _half, "dynamic": _dynamic}[scheme]
    return replace(source.step, graph=change(source.step.graph))


def _half(graph: Graph) -> Graph:
    """Weights and biases as float16, each made float again by an op in front of its use (once, when loaded)."""
    graph, ops = graph.copy(), []
    for name, tensor in list(graph.tensors.items()):
        if tensor.data is not None and tensor.dtype == "float32" and tensor.data.size > 1:
            half = f"{name}/half"
            graph.put(Tensor(half, tensor.shape, "float16", tensor.data.astype(np.float16)))
            graph.put(replace(tensor, data=None))
            ops.append(Op("DEQUANTIZE", (half,), (name,)))
    graph.ops = ops + graph.ops
    return graph


def _dynamic(graph: Graph) -> Graph:
    """int8 weights; the interpreter rounds what they meet for each product by itself. Dense layers have one scale:
    tflite-runtime 2.14 refuses one for each channel there (FULLY_CONNECTED version 12)."""
    graph = graph.copy()
    for number, op in enumerate(graph.ops):
        if op.kind not in MATRIX:
            continue
        weights, dense = graph.tensors[op.inputs[1]], op.kind == "FULLY_CONNECTED"
        axis = 3 if op.kind == "DEPTHWISE_CONV_2D" else 0
        values = graph.data(weights.name)
        scale = np.array([np.abs(values).max() / 127]) if dense else weight_scale(values, axis)
        shape = [1] * values.ndim
        shape[axis] = -1
        numbers = np.clip(np.rint(values / scale.reshape(shape)), -127, 127).astype(np.int8)
        graph.put(replace(weights, dtype="int8", data=numbers, quantized=Quantized(scale, 0, 0 if dense else axis)))
        if dense:
            graph.ops[number] = replace(op, options={**op.options, "asymmetricQuantizeInputs": True})
    return graph
