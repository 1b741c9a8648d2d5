"""A float step in fewer ops, each of which quantizes well: the same function, shown by a test.

TensorFlow's converter sees a step as a sequence of one: convolutions with a single position, slices that take all,
one matrix product for gates whose ranges have nothing in common. Here these become what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kws_train.graph.ir import Graph, Op, constant, renamed

DENSE = "FULLY_CONNECTED"
VIEWS = ("RESHAPE", "STRIDED_SLICE")
SHORT_NAMES = {DENSE: "dense", "CONV_2D": "conv", "DEPTHWISE_CONV_2D": "depthwise", "CONCATENATION": "join"}
SHORT_NAMES |= {"STRIDED_SLICE": "slice", "LOGISTIC": "sigmoid", "SPLIT_V": "split"}
MATRIX_ROLES = {1: "weights", 2: "bias"}  # of the inputs of dense layers and convolutions


def simplify(graph: Graph, states: Mapping[str, str]) -> tuple[Graph, dict[str, NDArray[np.float32]]]:
    """A graph of the same function, and what stands for zero in states that moved before the normalization.

    `states`: the name of each state's input, and of its output.
    """
    graph = graph.copy()
    for rewrite in (_convolutions_at_one_place, _views, _parted_products):
        rewrite(graph)
    zeros = _normalization_into_weights(graph, states)
    graph.drop_unused()
    return _named_by_kind(graph), zeros


def _replace(graph: Graph, change: Callable[[Op], list[Op]]) -> None:
    graph.ops = [made for op in graph.ops for made in change(op)]


def _convolutions_at_one_place(graph: Graph) -> None:
    """A convolution whose kernel covers its whole input is a dense layer."""

    def change(op: Op) -> list[Op]:
        if op.kind != "CONV_2D":
            return [op]
        taken, kernel = graph.tensors[op.inputs[0]].shape, graph.data(op.inputs[1])
        if math.prod(graph.tensors[op.outputs[0]].shape[1:3]) != 1 or taken[1:] != kernel.shape[1:]:
            return [op]
        graph.put(constant(op.inputs[1], kernel.reshape(len(kernel), -1)))
        return [Op(DENSE, op.inputs, op.outputs, {"fusedActivationFunction": op.options["fusedActivationFunction"]})]

    _replace(graph, change)


def _views(graph: Graph) -> None:
    """Leave out what only gives the same numbers another shape, where dense layers alone take them: these do not
    ask for the shape."""
    names: dict[str, str] = {}

    def change(op: Op) -> list[Op]:
        known = names.keys() & set(op.inputs)
        op = replace(op, inputs=tuple(names.get(name, name) for name in op.inputs))
        if op.kind == DENSE and known:
            op.options["keepNumDims"] = False
        if op.kind in VIEWS and op.outputs[0] not in graph.outputs:
            taken, made = (graph.tensors[name] for name in (op.inputs[0], op.outputs[0]))
            if math.prod(taken.shape) == math.prod(made.shape) and _only_dense_take(graph, made.name):
                names[made.name] = taken.name
                return []
        return [op]

    _replace(graph, change)


def _only_dense_take(graph: Graph, name: str) -> bool:
    """Whether a tensor goes into dense layers only, as one vector, and none of these hands its shape on."""
    for op in graph.consumers(name):
        if op.kind == DENSE:
            made = graph.tensors[op.outputs[0]]
            if graph.data(op.inputs[1]).shape[1] != math.prod(graph.tensors[name].shape):
                return False
            if len(made.shape) > 2 and not _only_dense_take(graph, made.name):
                return False
        elif op.kind not in VIEWS or op.inputs[0] != name or not _only_dense_take(graph, op.outputs[0]):
            return False
    return True


def _parted_products(graph: Graph) -> None:
    """A dense layer whose product is taken apart becomes one for each part, each with a range of its own."""
    parted = {}
    for op in graph.ops:
        if op.kind == "SPLIT_V":
            source, bounds = op.inputs[0], _clip_behind(graph, op.inputs[0])
            made = graph.producer(bounds[0].inputs[0] if bounds else source)
            if made is not None and made.kind == DENSE and len(graph.consumers(source)) == 1:
                parted[op.outputs] = (op, made, bounds)
    gone = {id(op) for op, made, bounds in parted.values() for op in (op, made, *bounds)}
    ops: list[Op] = []
    for op in graph.ops:
        if op.outputs in parted and id(op) in gone:
            ops += _dense_for_each_part(graph, *parted[op.outputs])
        elif id(op) not in gone:
            ops.append(op)
    graph.ops = ops


def _clip_behind(graph: Graph, name: str) -> list[Op]:
    """MINIMUM and MAXIMUM with constants that made a tensor, first first; empty where it is not clipped."""
    last = graph.producer(name)
    first = graph.producer(last.inputs[0]) if last is not None else None
    if first is not None and last is not None and {first.kind, last.kind} == {"MINIMUM", "MAXIMUM"}:
        return [first, last]
    return []


def _dense_for_each_part(graph: Graph, split: Op, dense: Op, clip: list[Op]) -> list[Op]:
    constants = [(place, graph.data(name)) for place, name in enumerate(dense.inputs) if place and name]
    first, ops = 0, []
    for number, name in enumerate(split.outputs):
        last = first + graph.tensors[name].shape[-1]
        names = [
            graph.put(constant(f"{dense.inputs[place]}/{number}", values[first:last])) for place, values in constants
        ]
        out = name if not clip else graph.put(replace(graph.tensors[name], name=f"{name}/product"))
        ops.append(Op(DENSE, (dense.inputs[0], *names), (out,), dict(dense.options)))
        if clip:
            between = graph.put(replace(graph.tensors[name], name=f"{name}/held"))
            ops.append(replace(clip[0], inputs=(out, clip[0].inputs[1]), outputs=(between,)))
            ops.append(replace(clip[1], inputs=(between, clip[1].inputs[1]), outputs=(name,)))
        first = last
    return ops


def _normalization_into_weights(graph: Graph, states: Mapping[str, str]) -> dict[str, NDArray[np.float32]]:
    """Move the normalization of the frames into the dense layer behind them: (frames - mean) * scale goes into weights
    and bias, the state holds the frames as they came, and its zero becomes the mean. Frames are then rounded once."""
    found = _find_normalization(graph, states)
    if found is None:
        return {}
    subtract, multiply, join, dense, state = found
    mean, scale = graph.data(subtract.inputs[1]), graph.data(multiply.inputs[1])
    weights, bias = graph.data(dense.inputs[1]), graph.data(dense.inputs[2])
    frames = weights.shape[1] // len(mean)
    folded = weights * np.tile(scale, frames)
    graph.put(constant(dense.inputs[1], folded.astype(np.float32)))
    graph.put(constant(dense.inputs[2], (bias - folded @ np.tile(mean, frames)).astype(np.float32)))
    graph.ops = [op for op in graph.ops if op not in (subtract, multiply)]
    place = graph.ops.index(join)
    graph.ops[place] = replace(join, inputs=(join.inputs[0], subtract.inputs[0]))
    return {state: mean}


def _find_normalization(graph: Graph, states: Mapping[str, str]) -> tuple[Op, Op, Op, Op, str] | None:
    """SUB and MUL by constants, the CONCATENATION with a state, the one dense layer behind, and the state's name."""
    for join in graph.ops:
        multiply = graph.producer(join.inputs[-1]) if join.kind == "CONCATENATION" else None
        subtract = graph.producer(multiply.inputs[0]) if multiply is not None and multiply.kind == "MUL" else None
        if multiply is None or subtract is None or subtract.kind != "SUB" or join.inputs[0] not in states:
            continue
        if not (graph.is_constant(multiply.inputs[1]) and graph.is_constant(subtract.inputs[1])):
            continue
        others = [op for op in graph.consumers(join.outputs[0]) if op.outputs[0] != states[join.inputs[0]]]
        if len(others) == 1 and others[0].kind == DENSE and len(graph.consumers(multiply.outputs[0])) == 1:
            return subtract, multiply, join, others[0], join.inputs[0]
    return None


def _named_by_kind(graph: Graph) -> Graph:
    """Tensors named by the op that makes or takes them (`dense1`, `dense1.weights`), instead of by the converter."""
    names = {name: name for name in (*graph.inputs, *graph.outputs)}
    count: dict[str, int] = {}
    for op in graph.ops:
        kind = SHORT_NAMES.get(op.kind, op.kind.lower())
        count[kind] = count.get(kind, 0) + 1
        base = f"{kind}{count[kind]}"
        for number, name in enumerate(op.outputs):
            names.setdefault(name, base if len(op.outputs) == 1 else f"{base}.{number}")
        for number, name in enumerate(op.inputs):
            if name and graph.is_constant(name):
                role = MATRIX_ROLES.get(number) if kind in ("dense", "conv", "depthwise") else None
                names.setdefault(name, f"{base}.{role or f'constant{number}'}")
    tensors = {names[name]: replace(tensor, name=names[name]) for name, tensor in graph.tensors.items()}
    return Graph(tensors, [renamed(op, names) for op in graph.ops], graph.inputs, graph.outputs)
