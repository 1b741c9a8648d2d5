"""A graph run in TensorFlow, for any number of streams at once: in float, and as the integers would round.

What is written to a file and what is taught are thus one thing: each tensor is rounded here exactly where the file
rounds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kws_runtime.errors import ModelError
from kws_train.graph.ir import Graph, Op, Tensor

LIMITS = {"int8": (-128, 127), "int16": (-32768, 32767)}
ACTIVATIONS: dict[int, Callable[[Any], Any]] = {1: tf.nn.relu, 3: tf.nn.relu6}
PADDINGS = {0: "SAME", 1: "VALID"}
Hook = Callable[[Tensor, Any], Any]


def run(graph: Graph, inputs: Mapping[str, Any], weights: Mapping[str, Any], hook: Hook) -> dict[str, Any]:
    """All tensors of a step, by name. `inputs` have a first axis of any length in place of 1; `weights` stand in for
    constants of the graph; every tensor that comes in or is made goes through `hook`."""
    values = {name: hook(graph.tensors[name], inputs[name]) for name in graph.inputs}

    def value(name: str) -> Any:
        if name in values:
            return values[name]
        return weights[name] if name in weights else tf.constant(graph.data(name))

    for op in graph.ops:
        made = _run_op(graph, op, value)
        for name, result in zip(op.outputs, made if isinstance(made, list | tuple) else [made], strict=True):
            values[name] = hook(graph.tensors[name], result)
    return values


def as_is(tensor: Tensor, value: Any) -> Any:
    """The hook of a float run."""
    return value


def rounded(tensor: Tensor, value: Any) -> Any:
    """The hook that rounds as the file does. The gradient goes through, but not where the number is saturated
    (straight-through: Bengio et al., arXiv 1308.3432)."""
    if tensor.quantized is None or tensor.dtype not in LIMITS:
        return value
    scale, zero = float(np.float32(tensor.quantized.scale[0])), tensor.quantized.zero_point
    low, high = LIMITS[tensor.dtype]
    held = tf.clip_by_value(value, scale * (low - zero), scale * (high - zero))
    return held + tf.stop_gradient(tf.round(held / scale) * scale - held)


def _run_op(graph: Graph, op: Op, value: Callable[[str], Any]) -> Any:
    if op.kind not in OPS:
        raise ModelError(f"the step holds an op that is not known here: {op.kind}")
    taken = [value(name) if name else None for name in op.inputs]
    result = OPS[op.kind](op, taken, [graph.tensors[name].shape for name in op.outputs])
    activation = op.options.get("fusedActivationFunction", 0)
    return ACTIVATIONS[activation](result) if activation else result


def _dense(op: Op, taken: list[Any], shapes: Sequence[tuple[int, ...]]) -> Any:
    x, weights, bias = (*taken, None)[:3]
    product = tf.matmul(tf.reshape(x, (-1, weights.shape[1])), weights, transpose_b=True)
    product = product if bias is None else product + bias
    return tf.reshape(product, (-1, *shapes[0][1:]))


def _conv(op: Op, taken: list[Any], shapes: Sequence[tuple[int, ...]]) -> Any:
    x, kernel, bias = taken
    o = op.options
    strides = (1, o["strideH"], o["strideW"], 1)
    if op.kind == "CONV_2D":
        made = tf.nn.conv2d(x, tf.transpose(kernel, (1, 2, 3, 0)), strides, PADDINGS[o["padding"]])
    else:
        dilations = (o["dilationHFactor"], o["dilationWFactor"])
        kernel = tf.reshape(kernel, (*kernel.shape[1:3], x.shape[-1], -1))
        made = tf.nn.depthwise_conv2d(x, kernel, strides, PADDINGS[o["padding"]], dilations=dilations)
    return made + bias


def _pool(op: Op, taken: list[Any], shapes: Sequence[tuple[int, ...]]) -> Any:
    o, pool = op.options, tf.nn.avg_pool2d if op.kind == "AVERAGE_POOL_2D" else tf.nn.max_pool2d
    size, strides = (o["filterHeight"], o["filterWidth"]), (o["strideH"], o["strideW"])
    return pool(taken[0], size, strides, PADDINGS[o["padding"]])


def _slice(op: Op, taken: list[Any], shapes: Sequence[tuple[int, ...]]) -> Any:
    begin, end, strides = (np.array(tf.get_static_value(part)) for part in taken[1:4])
    o = op.options
    masks = {name: o[f"{field}Mask"] for name, field in MASKS.items()}
    # The first axis is that of the streams: all of it.
    masks["begin_mask"] |= 1
    masks["end_mask"] |= 1
    return tf.strided_slice(taken[0], begin, end, strides, **masks)


MASKS = {"begin_mask": "begin", "end_mask": "end", "ellipsis_mask": "ellipsis"}
MASKS |= {"new_axis_mask": "newAxis", "shrink_axis_mask": "shrinkAxis"}


def _static(value: Any) -> Any:
    return np.array(tf.get_static_value(value))


OPS: dict[str, Callable[[Op, list[Any], Sequence[tuple[int, ...]]], Any]] = {
    "ADD": lambda op, taken, shapes: taken[0] + taken[1],
    "SUB": lambda op, taken, shapes: taken[0] - taken[1],
    "MUL": lambda op, taken, shapes: taken[0] * taken[1],
    "MAXIMUM": lambda op, taken, shapes: tf.maximum(taken[0], taken[1]),
    "MINIMUM": lambda op, taken, shapes: tf.minimum(taken[0], taken[1]),
    "LOGISTIC": lambda op, taken, shapes: tf.sigmoid(taken[0]),
    "TANH": lambda op, taken, shapes: tf.tanh(taken[0]),
    "RELU": lambda op, taken, shapes: tf.nn.relu(taken[0]),
    "CAST": lambda op, taken, shapes: taken[0],
    "QUANTIZE": lambda op, taken, shapes: taken[0],
    "RESHAPE": lambda op, taken, shapes: tf.reshape(taken[0], (-1, *shapes[0][1:])),
    "CONCATENATION": lambda op, taken, shapes: tf.concat(taken, op.options["axis"]),
    "SPLIT": lambda op, taken, shapes: tf.split(taken[1], op.options["numSplits"], int(_static(taken[0]))),
    "SPLIT_V": lambda op, taken, shapes: tf.split(taken[0], list(_static(taken[1])), int(_static(taken[2]))),
    "STRIDED_SLICE": _slice,
    "FULLY_CONNECTED": _dense,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": lambda op, taken, shapes: tf.reduce_mean(taken[0], [int(a) for a in np.ravel(_static(taken[1]))]),
    "PAD": lambda op, taken, shapes: tf.pad(taken[0], _static(taken[1])),
    "TRANSPOSE": lambda op, taken, shapes: tf.transpose(taken[0], _static(taken[1])),
}
