"""Each op of a step as ONNX nodes. A batch is 1, so every shape is known here and none is computed in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kws_export.onnx_builder import CHANNELS_FIRST, Builder
from kws_runtime.errors import ModelError
from kws_train.graph.ir import Op

SAME, VALID = 0, 1  # paddings of TFLite
RELU, RELU6 = 1, 3  # fused activations of TFLite
BEFORE_FIRST = -(2**31)  # where a Slice that runs backwards ends, to take the first place too
DEPTHWISE_FIRST = (3, 0, 1, 2)  # (1, h, w, channels) to (channels, 1, h, w)
Translation = Callable[[Builder, Op], None]


def translate(builder: Builder, op: Op) -> None:
    """Put what the op makes into the builder. Raises ModelError for an op that is not known."""
    if op.kind not in TRANSLATIONS:
        raise ModelError(f"the step holds an op that cannot be written as ONNX: {op.kind}")
    TRANSLATIONS[op.kind](builder, op)


def activated(b: Builder, op: Op, value: str) -> str:
    """A value behind the activation that is fused into the op."""
    activation, name = op.options.get("fusedActivationFunction", 0), op.outputs[0]
    if activation == RELU:
        return b.node("Relu", [value], name)[0]
    if activation == RELU6:
        bounds = [b.constant(np.array(bound, np.float32), f"{name}.bound") for bound in (0, 6)]
        return b.node("Clip", [value, *bounds], name)[0]
    if activation:
        raise ModelError(f"the step's op {op.kind} has an activation that is not known: {activation}")
    return value


def shape_of(b: Builder, name: str) -> tuple[int, ...]:
    """The shape of a tensor of the step, channels last."""
    return b.graph.tensors[name].shape


def _same(kind: str) -> Translation:
    """An op that ONNX has too."""

    def make(b: Builder, op: Op) -> None:
        (made,) = b.node(kind, [b.value(name) for name in op.inputs], op.outputs[0])
        b.put(op.outputs[0], activated(b, op, made))

    return make


def _pass_on(b: Builder, op: Op) -> None:
    """CAST and QUANTIZE: the same real numbers, rounded if their new type is int8."""
    b.put(op.outputs[0], b.value(op.inputs[0]))


def _dense(b: Builder, op: Op) -> None:
    wide, width = shape_of(b, op.inputs[1])
    weights = [b.weights(name) for name in op.inputs[1:] if name]
    (product,) = b.node("Gemm", [b.value_rows(op.inputs[0], width), *weights], op.outputs[0], transB=1)
    b.put_rows(op.outputs[0], activated(b, op, product), wide)


def _conv(b: Builder, op: Op) -> None:
    o, (taken, kernel) = op.options, (shape_of(b, name) for name in op.inputs[:2])
    dilations = (o["dilationHFactor"], o["dilationWFactor"])
    strides = (o["strideH"], o["strideW"])
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    weights = b.weights(op.inputs[1], DEPTHWISE_FIRST if depthwise else CHANNELS_FIRST)
    bias = [b.weights(name) for name in op.inputs[2:] if name]
    (made,) = b.node(
        "Conv",
        [b.value_first(op.inputs[0]), weights, *bias],
        op.outputs[0],
        kernel_shape=list(kernel[1:3]),
        strides=list(strides),
        dilations=list(dilations),
        pads=_pads(o["padding"], taken[1:3], kernel[1:3], strides, dilations),
        group=taken[3] if depthwise else 1,
    )
    b.put_first(op.outputs[0], activated(b, op, made))


def _pool(kind: str) -> Translation:
    def make(b: Builder, op: Op) -> None:
        o, taken = op.options, shape_of(b, op.inputs[0])
        size, strides = (o["filterHeight"], o["filterWidth"]), (o["strideH"], o["strideW"])
        pads = _pads(o["padding"], taken[1:3], size, strides, (1, 1))
        x = b.value_first(op.inputs[0])
        (made,) = b.node(kind, [x], op.outputs[0], kernel_shape=list(size), strides=list(strides), pads=pads)
        b.put_first(op.outputs[0], activated(b, op, made))

    return make


def _pads(padding: int, taken: Any, kernel: Any, strides: Any, dilations: Any) -> list[int]:
    """Rows and columns before, then those behind: with SAME, TFLite's ceil(size / stride) places and the odd one
    behind."""
    if padding == VALID:
        return [0, 0, 0, 0]
    before, behind = [], []
    for size, wide, stride, apart in zip(taken, kernel, strides, dilations, strict=True):
        missing = max((-(-size // stride) - 1) * stride + (wide - 1) * apart + 1 - size, 0)
        before.append(missing // 2)
        behind.append(missing - missing // 2)
    return before + behind


def _reshape(b: Builder, op: Op) -> None:
    name, made = op.inputs[0], op.outputs[0]
    if shape_of(b, name) == shape_of(b, made):
        b.put(made, b.value(name))
    else:
        b.put(made, b.reshaped(b.value_in_order(name), shape_of(b, made), made))


def _concatenate(b: Builder, op: Op) -> None:
    values = [b.value(name) for name in op.inputs]
    (made,) = b.node("Concat", values, op.outputs[0], axis=op.options["axis"])
    b.put(op.outputs[0], activated(b, op, made))


def _split(source: int, axis: int) -> Translation:
    """A split whose input and axis stand at these places among the op's inputs."""

    def make(b: Builder, op: Op) -> None:
        along = int(b.graph.data(op.inputs[axis]).reshape(()))
        sizes = b.constant([shape_of(b, name)[along] for name in op.outputs], f"{op.inputs[source]}.sizes")
        inputs = [b.value(op.inputs[source]), sizes]
        parts = b.node("Split", inputs, op.inputs[source], len(op.outputs), axis=along)
        for name, part in zip(op.outputs, parts, strict=True):
            b.put(name, part)

    return make


def _slice(b: Builder, op: Op) -> None:
    taken, made, value = shape_of(b, op.inputs[0]), op.outputs[0], b.value(op.inputs[0])
    cuts = _cuts(b, op)
    parts = {axis: cut for axis, cut in cuts.items() if cut != range(taken[axis])}
    if parts:
        ends = [cut.stop if cut.stop >= 0 else BEFORE_FIRST for cut in parts.values()]
        rows = [[cut.start for cut in parts.values()], ends, list(parts), [cut.step for cut in parts.values()]]
        (value,) = b.node("Slice", [value, *(b.constant(row, f"{made}.cut") for row in rows)], made)
    left = tuple(len(cuts.get(axis, range(size))) for axis, size in enumerate(taken))
    b.put(made, value if left == shape_of(b, made) else b.reshaped(value, shape_of(b, made), made))


def _cuts(b: Builder, op: Op) -> dict[int, range]:
    """The places that a STRIDED_SLICE takes of each axis it names; the first axis, that of the streams, stays whole."""
    taken, o, axis, cuts = shape_of(b, op.inputs[0]), op.options, 0, {}
    begin, end, strides = (b.graph.data(name).tolist() for name in op.inputs[1:4])
    for place, step in enumerate(strides):
        bit = 1 << place
        if o["ellipsisMask"] & bit:
            named = [later for later in range(place + 1, len(strides)) if not o["newAxisMask"] & 1 << later]
            axis = len(taken) - len(named)
        elif not o["newAxisMask"] & bit:
            first = None if o["beginMask"] & bit else begin[place]
            last = None if o["endMask"] & bit else end[place]
            if o["shrinkAxisMask"] & bit:
                cuts[axis] = range(begin[place] % taken[axis], begin[place] % taken[axis] + 1)
            elif axis > 0:
                cuts[axis] = range(*slice(first, last, step).indices(taken[axis]))
            axis += 1
    return cuts


def _mean(b: Builder, op: Op) -> None:
    made = op.outputs[0]
    axes = b.constant(np.ravel(b.graph.data(op.inputs[1])).tolist(), f"{made}.axes")
    keep = int(op.options.get("keepDims", False))
    b.put(made, b.node("ReduceMean", [b.value(op.inputs[0]), axes], made, keepdims=keep)[0])


def _pad(b: Builder, op: Op) -> None:
    pads = b.constant(b.graph.data(op.inputs[1]).T.ravel().tolist(), f"{op.outputs[0]}.pads")
    b.put(op.outputs[0], b.node("Pad", [b.value(op.inputs[0]), pads], op.outputs[0])[0])


def _transpose(b: Builder, op: Op) -> None:
    axes = b.graph.data(op.inputs[1]).tolist()
    b.put(op.outputs[0], b.node("Transpose", [b.value(op.inputs[0])], op.outputs[0], perm=axes)[0])


TRANSLATIONS: dict[str, Translation] = {
    "ADD": _same("Add"),
    "SUB": _same("Sub"),
    "MUL": _same("Mul"),
    "MAXIMUM": _same("Max"),
    "MINIMUM": _same("Min"),
    "LOGISTIC": _same("Sigmoid"),
    "TANH": _same("Tanh"),
    "RELU": _same("Relu"),
    "CAST": _pass_on,
    "QUANTIZE": _pass_on,
    "RESHAPE": _reshape,
    "CONCATENATION": _concatenate,
    "SPLIT": _split(source=1, axis=0),
    "SPLIT_V": _split(source=0, axis=2),
    "STRIDED_SLICE": _slice,
    "FULLY_CONNECTED": _dense,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "MAX_POOL_2D": _pool("MaxPool"),
    "MEAN": _mean,
    "PAD": _pad,
    "TRANSPOSE": _transpose,
}
