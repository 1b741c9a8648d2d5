"""A quantized step as a Keras layer over sequences: its weights and ranges can be taught to live with the rounding.

Quantization-aware training (Jacob et al., arXiv 1712.05877) on the very graph that is written to the file: the
normalizations are folded already, and every tensor is rounded where the file rounds it. The ranges are learned too
(Esser et al., "Learned Step Size Quantization", arXiv 1902.08153).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kws_train.graph.execute import LIMITS, Hook, run
from kws_train.graph.ir import Graph, Op, Quantized, Tensor, constant
from kws_train.graph.quantize import FIXED, MATRIX, WEIGHT_AXIS, weight_scale
from kws_train.graph.ranges import StepGraph

RANGE_RATE = 10.0  # how much faster the ranges learn than the weights
PRODUCT_RANGE = (
    0.5  # of the range seen, for products to begin with: a finer step is worth more than the rare large value
)


class TaughtStep(keras.layers.Layer):
    """Frames and states in; logits and the new states out, as in the file.

    It looks like the model whose step it is (`config`, `frontend`, `state_shapes`), but has each state three times: for
    the rounded step; for the step that is only *held* (the same weights, the same bounds, nothing rounded but the
    weights); and for the float model that it began with. Where `beside` is set, the logits of all three come out,
    stacked (3, ...). A state of zeros is a new one.
    """

    def __init__(self, step: StepGraph, model: Any) -> None:
        super().__init__(name="taught")
        self.step_graph, self.config, self.frontend, self.beside = step, model.config, model.frontend, False
        # In a function, where Keras does not find its weights: they are not this layer's to learn.
        self._origin: Callable[..., Any] = lambda frames, *states: model(frames, *states, training=False)
        graph = step.graph
        self._axis = {op.inputs[1]: WEIGHT_AXIS[op.kind] for op in graph.ops if op.kind in MATRIX}
        self._constants = {
            name: self._weight(tensor.data)
            for name, tensor in graph.tensors.items()
            if tensor.data is not None and tensor.dtype == "float32"
        }
        self._bounded = {name for op in graph.ops if op.kind in MATRIX for name in op.outputs}
        fixed = [id(quantized) for quantized in FIXED.values()]
        narrow = [t for t in graph.activations() if t.dtype == "int8" and _key(t) not in fixed]
        begun = dict.fromkeys(map(_key, narrow), 1.0)
        begun |= {_key(tensor): PRODUCT_RANGE for tensor in narrow if tensor.name in self._bounded}
        self._ranges = {key: self._weight(np.log(share) / RANGE_RATE) for key, share in begun.items()}
        if step.states:
            shapes = {name: graph.tensors[name].shape[1:] for name in step.states}
            self.state_shapes = {
                f"{name}{of}": shape for of in ("", "/held", "/origin") for name, shape in shapes.items()
            }
        self.built = True

    def _weight(self, value: Any) -> Any:
        made = self.add_weight(shape=np.shape(value), initializer="zeros", name=f"taught{len(self.weights)}")
        made.assign(value)
        return made

    def call(self, frames, *states, training=False):  # type: ignore[no-untyped-def]
        """A sequence: frames (B, T, features) to logits (B, T / stride, labels) and the states after it; of a model
        without states windows (B, window, features) to logits (B, labels)."""
        weights = {name: tf.convert_to_tensor(kept) for name, kept in self._constants.items()}
        weights |= {name: _rounded_weights(weights[name], axis) for name, axis in self._axis.items()}
        hooks = [self._rounded, self._held] if self.beside else [self._rounded]
        if not self.step_graph.states:
            logits = [self._run(frames, {}, weights, hook)[0] for hook in hooks]
            return tf.stack([*logits, self._origin(frames)]) if self.beside else logits[0]
        count = len(self.step_graph.states)
        carried = [states[first : first + count] for first in range(0, 3 * count, count)]
        logits = []
        for number, hook in enumerate(hooks):
            made, carried[number] = self._follow(frames, carried[number], weights, hook)
            logits.append(made)
        if self.beside:
            made, *carried[2] = self._origin(frames, *carried[2])
            logits.append(made)
        return (tf.stack(logits) if self.beside else logits[0], *(state for part in carried for state in part))

    def _run(self, frames: Any, states: Mapping[str, Any], weights: Mapping[str, Any], hook: Hook) -> tuple[Any, ...]:
        values = run(self.step_graph.graph, {"frames": frames, **states}, weights, hook)
        return values["logits"], *(values[out] for out in self.step_graph.states.values())

    def _follow(
        self, frames: Any, states: tuple[Any, ...], weights: Mapping[str, Any], hook: Hook
    ) -> tuple[Any, tuple[Any, ...]]:
        """Logits (B, steps, labels) of a sequence and the states after it."""
        stride, names = self.config.stride, list(self.step_graph.states)
        zeros = [tf.constant(zero[0]) for zero in self.step_graph.initial().values()]
        parts = tf.reshape(frames, (-1, frames.shape[1] // stride, stride, frames.shape[2]))

        def one(carried: tuple[Any, ...], part: Any) -> tuple[Any, ...]:
            return self._run(part, dict(zip(names, carried[1:], strict=True)), weights, hook)

        before = [state + zero for state, zero in zip(states, zeros, strict=True)]
        nothing = tf.zeros((tf.shape(frames)[0], self.config.labels))
        logits, *followed = tf.scan(one, tf.transpose(parts, (1, 0, 2, 3)), (nothing, *before))
        after = tuple(state[-1] - zero for state, zero in zip(followed, zeros, strict=True))
        return tf.transpose(logits, (1, 0, 2)), after

    def _scale(self, tensor: Tensor) -> Any:
        """The scale of a tensor as learned so far; it stays as it is where TFLite fixes it, and for 16 bits."""
        assert tensor.quantized is not None
        scale = float(tensor.quantized.scale[0])
        learned = self._ranges.get(_key(tensor))
        return scale if learned is None else scale * tf.exp(RANGE_RATE * tf.convert_to_tensor(learned))

    def _rounded(self, tensor: Tensor, value: Any) -> Any:
        """As the file has it; the gradient goes through the rounding, and to the scale."""
        if tensor.quantized is None or tensor.dtype not in LIMITS or tensor.name.endswith("/int16"):
            return value  # a cast holds the number that it was given
        low, high = (limit - tensor.quantized.zero_point for limit in LIMITS[tensor.dtype])
        scale = self._scale(tensor)
        number = tf.clip_by_value(value / scale, low, high)
        return (number + tf.stop_gradient(tf.round(number) - number)) * scale

    def _held(self, tensor: Tensor, value: Any) -> Any:
        """Within the bounds of the file's products."""
        if tensor.name not in self._bounded or tensor.dtype != "int8" or tensor.quantized is None:
            return value
        low, high = (limit - tensor.quantized.zero_point for limit in LIMITS["int8"])
        scale = self._scale(tensor)
        return tf.clip_by_value(value, low * scale, high * scale)

    def taught(self) -> tuple[StepGraph, StepGraph]:
        """What was learned: the step to be quantized (its constants lie on the grid of int8), and the same in float,
        held within the same bounds."""
        quantized = self.step_graph.graph.copy()
        for name, kept in self._constants.items():
            values = np.asarray(kept)
            data = _on_grid(values, self._axis[name]) if name in self._axis else values
            quantized.put(replace(quantized.tensors[name], data=data))
        for tensor in list(quantized.tensors.values()):
            if tensor.quantized is not None and _key(tensor) in self._ranges:
                scale = np.array([float(np.asarray(self._scale(tensor)))])
                quantized.put(replace(tensor, quantized=replace(tensor.quantized, scale=scale)))
        step = replace(self.step_graph, graph=quantized)
        return step, replace(step, graph=held(quantized))


def held(quantized: Graph) -> Graph:
    """A quantized graph in float: nothing is rounded, the products stay within their int8 ranges."""
    graph = Graph({}, [], quantized.inputs, quantized.outputs)
    names: dict[str, str] = {}  # a cast or a requantized tensor is the tensor it came from
    for tensor in quantized.tensors.values():
        graph.put(tensor if tensor.data is not None else replace(tensor, dtype="float32", quantized=None))
    for op in quantized.ops:
        inputs = tuple(names.get(name, name) for name in op.inputs)
        if op.kind in ("CAST", "QUANTIZE"):
            names[op.outputs[0]] = inputs[0]
            continue
        op = replace(op, inputs=inputs, options={**op.options})
        tensor = quantized.tensors[op.outputs[0]]
        if op.kind in MATRIX and tensor.dtype == "int8" and tensor.quantized is not None:
            graph.ops += _within_bounds(graph, op, tensor.quantized)
        else:
            graph.ops.append(op)
    graph.drop_unused()
    return graph


def _within_bounds(graph: Graph, op: Op, quantized: Quantized) -> list[Op]:
    """A product and the clips behind it; a ReLU has its lower bound already."""
    name, scale = op.outputs[0], float(np.float32(quantized.scale[0]))
    low, high = (scale * (limit - quantized.zero_point) for limit in LIMITS["int8"])
    clips = [("MINIMUM", high)] if op.options.get("fusedActivationFunction") else [("MAXIMUM", low), ("MINIMUM", high)]
    ops: list[Op] = []
    made = name
    for kind, bound in reversed(clips):
        source = graph.put(replace(graph.tensors[name], name=f"{made}/free"))
        limit = graph.put(constant(f"{made}/{kind.lower()}", np.array(bound, np.float32)))
        ops.insert(0, Op(kind, (source, limit), (made,)))
        made = source
    return [replace(op, outputs=(made,)), *ops]


def _key(tensor: Tensor) -> int:
    """What a scale is known by: tensors through which numbers pass untouched hold one and the same object."""
    return id(tensor.quantized)


def _rounded_weights(values: Any, axis: int) -> Any:
    """Weights as int8 has them: a scale for each channel along `axis`, symmetric; the gradient goes through."""
    others = [place for place in range(values.shape.rank) if place != axis]
    largest = tf.reduce_max(tf.abs(values), others, keepdims=True)
    scale = tf.stop_gradient(tf.maximum(largest, 1e-8) / LIMITS["int8"][1])
    return values + tf.stop_gradient(tf.round(values / scale) * scale - values)


def _on_grid(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    shape = [1] * values.ndim
    shape[axis] = -1
    scale = weight_scale(values, axis).reshape(shape)
    return (np.rint(values / scale) * scale).astype(np.float32)
