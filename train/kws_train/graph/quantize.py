"""A float step to one of integers: which tensor has how many bits, one scale where a buffer passes through untouched.

Matrix products take and give int8 (int8 weights, a scale for each channel, int32 sums). What a recurrent state goes
through element by element, from the products to the state and on to the logits, has 16 bits: there a rounding is
carried from step to step. A CNN's tensors are int8 throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import ModelError
from kws_train.graph.ir import Graph, Op, Quantized, Tensor
from kws_train.graph.ranges import Arrays, Range, StepGraph, bound_of, choose_range

MATRIX = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
ELEMENTWISE = ("ADD", "SUB", "MUL", "LOGISTIC", "TANH", "SPLIT")
VIEWS = ("STRIDED_SLICE", "RESHAPE", "TRANSPOSE")
SAME_SCALE = ("CONCATENATION", "SPLIT", "PAD", "MAX_POOL_2D", "AVERAGE_POOL_2D", *VIEWS)
FIXED: dict[tuple[str, str], Quantized] = {  # what TFLite's kernels demand of these outputs
    ("LOGISTIC", "int8"): Quantized(np.array([2.0**-8]), -128),
    ("TANH", "int8"): Quantized(np.array([2.0**-7]), 0),
    ("LOGISTIC", "int16"): Quantized(np.array([2.0**-15]), 0),
    ("TANH", "int16"): Quantized(np.array([2.0**-15]), 0),
}
WEIGHT_AXIS = {"FULLY_CONNECTED": 0, "CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}
INT16_ROOM = 1.25  # beyond the largest value seen: 16 bits can afford it


def quantize(step: StepGraph, seen: Arrays, scheme: str = "int8") -> StepGraph:
    """The step in integers, its ranges from what was `seen`; `scheme` is int8 (mixed as above), int8-narrow (8 bits
    everywhere) or int16x8 (16 for every activation). Its constants that are to be integers still are floats:
    `with_integers` makes them so."""
    graph = _without_clips(step.graph)
    widths = _widths(graph, step.states, scheme)
    symmetric = _cast_or_wide(graph, widths)
    scales = _scales(graph, step.states, seen, widths, symmetric)
    for name, quantized in scales.items():
        graph.put(replace(graph.tensors[name], dtype=widths[name], quantized=quantized))
    _convert_between(graph, widths, seen)
    graph.drop_unused()
    return replace(step, graph=graph)


def _without_clips(graph: Graph) -> Graph:
    """Saturation clips for nothing: drop MINIMUM and MAXIMUM with constants; the ranges seen behind them hold."""
    graph = graph.copy()
    names: dict[str, str] = {}
    for op in graph.ops:
        if op.kind in ("MINIMUM", "MAXIMUM"):
            before = names.get(op.inputs[0], op.inputs[0])
            names = {old: op.outputs[0] if new == before else new for old, new in names.items()}
            names[before] = op.outputs[0]
    chained = {old: _last(names, old) for old in names}
    graph.ops = [
        replace(op, outputs=tuple(chained.get(name, name) for name in op.outputs))
        for op in graph.ops
        if op.kind not in ("MINIMUM", "MAXIMUM")
    ]
    return graph


def _last(names: Mapping[str, str], name: str) -> str:
    while name in names:
        name = names[name]
    return name


def _widths(graph: Graph, states: Mapping[str, str], scheme: str) -> dict[str, str]:
    """int8 or int16 for every activation."""
    names = [tensor.name for tensor in graph.activations()]
    if scheme == "int16x8":
        return dict.fromkeys(names, "int16")
    wide = _recurrent(graph, states) if scheme == "int8" else set()
    return {name: "int16" if name in wide else "int8" for name in names}


def _recurrent(graph: Graph, states: Mapping[str, str]) -> set[str]:
    """What is computed element by element into a state, that state, and the logits where they are made of it."""
    wide: set[str] = set()
    for state, out in states.items():
        made = graph.producer(out)
        if made is None or made.kind not in ELEMENTWISE:
            continue
        waiting = [out]
        while waiting:
            op = graph.producer(waiting.pop())
            if op is not None and op.kind in ELEMENTWISE and not set(op.outputs) <= wide:
                wide |= set(op.outputs)
                waiting += [name for name in op.inputs if name]
        wide |= {state, out}
    for op in graph.ops:
        if op.kind in VIEWS and op.inputs[0] in wide:
            wide |= set(op.outputs)
    for name in graph.outputs:
        head = graph.producer(name)
        if head is not None and head.kind == "FULLY_CONNECTED" and head.inputs[0] in wide:
            wide.add(name)
    return wide


def _cast_or_wide(graph: Graph, widths: Mapping[str, str]) -> set[str]:
    """Tensors whose zero point must be 0: those of 16 bits, and those that are cast to them."""
    names = {name for name, width in widths.items() if width == "int16"}
    for op in graph.ops:
        if op.kind in ELEMENTWISE and widths[op.outputs[0]] == "int16":
            names |= {name for name in op.inputs if widths.get(name) == "int8"}
    return names


def _scales(
    graph: Graph, states: Mapping[str, str], seen: Arrays, widths: Mapping[str, str], symmetric: set[str]
) -> dict[str, Quantized]:
    """A scale and a zero point for each activation, one for all of a group through which numbers pass untouched."""
    scales: dict[str, Quantized] = {}
    for group in _groups(graph, states, widths):
        fixed = [FIXED[key] for name in group if (key := _made_by(graph, name, widths)) in FIXED]
        width = widths[group[0]]
        if fixed:
            quantized = fixed[0]
        elif width == "int16":
            bound = max(float(np.abs(seen[name]).max()) for name in group)
            recurrent = any(name in states for name in group)  # a convex mean of its past and a tanh: within 1
            quantized = Quantized(np.array([1.0 if recurrent and bound <= 1 else bound * INT16_ROOM]) / 32767.0)
        else:
            quantized = int8_scale(_range_of_group(graph, group, seen, not symmetric.isdisjoint(group)))
        scales |= dict.fromkeys(group, quantized)
    return scales


def _range_of_group(graph: Graph, group: list[str], seen: Arrays, symmetric: bool) -> Range:
    bounds = [bound for name in group if (bound := bound_of(graph, graph.tensors[name])) is not None]
    if bounds:
        return -bounds[0], bounds[0]
    ranges = [choose_range(seen[name], symmetric) for name in group]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def int8_scale(bounds: Range) -> Quantized:
    """256 numbers over a range that has 0 among its values; a symmetric range has its zero point at 0."""
    low, high = bounds
    if low == -high:
        return Quantized(np.array([max(high, 1e-9) / 127.5]), 0)
    scale = max(high - low, 1e-9) / 255
    return Quantized(np.array([scale]), int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def _made_by(graph: Graph, name: str, widths: Mapping[str, str]) -> tuple[str, str]:
    op = graph.producer(name)
    return ("" if op is None else op.kind, widths[name])


def _groups(graph: Graph, states: Mapping[str, str], widths: Mapping[str, str]) -> list[list[str]]:
    """Activations in groups that share one scale."""
    leader = {name: name for name in widths}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for state, out in states.items():
        leader[find(state)] = find(out)
    for op in graph.ops:
        if op.kind in SAME_SCALE:
            for name in (*op.inputs, *op.outputs):
                if name in widths:
                    leader[find(name)] = find(op.outputs[0])
    groups: dict[str, list[str]] = {}
    for name in widths:
        groups.setdefault(find(name), []).append(name)
    mixed = [group for group in groups.values() if len({widths[name] for name in group}) > 1]
    if mixed:
        raise ModelError(f"tensors of one scale, but not of one width: {', '.join(mixed[0])}")
    return list(groups.values())


def _convert_between(graph: Graph, widths: Mapping[str, str], seen: Arrays) -> None:
    """Put a CAST where int8 goes into an op of 16 bits (the same number: its zero point is 0), and a QUANTIZE where
    int16 goes into a matrix product."""
    ops: list[Op] = []
    made: dict[str, str] = {}

    def other(name: str, width: str) -> str:
        if not name or widths.get(name, width) == width:
            return name
        if name not in made:
            source = graph.tensors[name]
            if width == "int16":
                quantized, kind = source.quantized, "CAST"
            else:
                quantized, kind = int8_scale(choose_range(seen[name], symmetric=True)), "QUANTIZE"
            made[name] = graph.put(replace(source, name=f"{name}/{width}", dtype=width, quantized=quantized))
            ops.append(Op(kind, (name,), (made[name],), _cast_options(width) if kind == "CAST" else {}))
        return made[name]

    for op in graph.ops:
        width = widths.get(op.outputs[0], "int8")
        inputs = tuple(other(name, width) for name in op.inputs)
        ops.append(replace(op, inputs=inputs))
    graph.ops = ops


def _cast_options(width: str) -> dict[str, int]:
    from tensorflow.lite.python.schema_py_generated import TensorType

    return {"inDataType": TensorType.INT8, "outDataType": getattr(TensorType, width.upper())}


def with_integers(graph: Graph) -> Graph:
    """The graph with its constants as integers: weights int8, biases int32 (int64 behind int16), and what elementwise
    ops take from constants in the width of the op."""
    graph = graph.copy()
    _part_constants(graph)
    for op in graph.ops:
        if op.kind in MATRIX:
            _matrix_to_integers(graph, op)
        elif op.kind in ("ADD", "SUB", "MUL"):
            width = graph.tensors[op.outputs[0]].dtype
            for name in op.inputs:
                tensor = graph.tensors[name]
                if tensor.data is not None and tensor.dtype == "float32":
                    graph.put(_constant_to_integers(tensor, width))
        if op.kind in ("ADD", "SUB") and graph.tensors[op.outputs[0]].dtype == "int16":
            op.options["potScaleInt16"] = False
    return graph


def _part_constants(graph: Graph) -> None:
    """Give each matrix product constants of its own: what two of them share would need two scales."""
    seen: set[str] = set()
    for number, op in enumerate(graph.ops):
        if op.kind in MATRIX:
            names = [f"{name}/{op.outputs[0]}" if name in seen else name for name in op.inputs[1:]]
            for name, old in zip(names, op.inputs[1:], strict=True):
                if name != old:
                    graph.put(replace(graph.tensors[old], name=name))
            graph.ops[number] = replace(op, inputs=(op.inputs[0], *names))
            seen |= {name for name in names if name}


def _matrix_to_integers(graph: Graph, op: Op) -> None:
    taken, weights = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    axis = WEIGHT_AXIS[op.kind]
    scale = weight_scale(graph.data(weights.name), axis)
    shape = [1] * len(weights.shape)
    shape[axis] = -1
    numbers = np.clip(np.rint(graph.data(weights.name) / scale.reshape(shape)), -127, 127).astype(np.int8)
    graph.put(replace(weights, dtype="int8", data=numbers, quantized=Quantized(scale, 0, axis)))
    if len(op.inputs) > 2 and op.inputs[2]:
        bias, both = graph.tensors[op.inputs[2]], scale * float(np.float32(_scale(taken)))
        kind = np.int64 if taken.dtype == "int16" else np.int32
        sums = np.clip(np.rint(graph.data(bias.name) / both), -(2**31 - 1), 2**31 - 1).astype(kind)
        graph.put(replace(bias, dtype=kind.__name__, data=sums, quantized=Quantized(both)))


def weight_scale(weights: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    """A scale for each channel: its largest weight is 127."""
    others = tuple(place for place in range(weights.ndim) if place != axis)
    return np.asarray(np.float32(np.maximum(np.abs(weights).max(others), 1e-8) / 127), np.float64)


def _scale(tensor: Tensor) -> float:
    if tensor.quantized is None:
        raise ModelError(f"the step's tensor {tensor.name} has no scale")
    return float(tensor.quantized.scale[0])


def _constant_to_integers(tensor: Tensor, width: str) -> Tensor:
    values: Any = tensor.data
    if width == "int16":
        quantized = Quantized(np.array([max(float(np.abs(values).max()), 1e-9) / 32767]))
    else:
        quantized = int8_scale((min(0.0, float(values.min())), max(0.0, float(values.max()))))
    limits = np.iinfo(width)
    numbers = np.clip(np.rint(values / quantized.scale[0]) + quantized.zero_point, limits.min, limits.max)
    return replace(tensor, dtype=width, data=numbers.astype(width), quantized=quantized)
