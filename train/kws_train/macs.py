"""Multiply-accumulates of a model's inference, counted in the graph of its step."""

from __future__ import annotations

import math

import keras
import tensorflow as tf


def step_macs(model: keras.Model) -> int:
    """Multiply-accumulates of one step: of its matrix products and convolutions, as the step computes them.

    A product that is no sum over inputs (a gate, a normalization) is not one. A model without states computes its
    whole window at each step. Raises ValueError for an op that cannot be counted.
    """
    c = model.config
    states = getattr(model, "state_shapes", {})
    shapes = [(1, getattr(c, "window_frames", c.stride), c.features), *((1, *shape) for shape in states.values())]
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    function = tf.function(model.step if states else lambda frames: model(frames, training=False))
    return sum(_macs(op) for op in function.get_concrete_function(*specs).graph.get_operations())


def stream_macs(model: keras.Model) -> int:
    """Multiply-accumulates of a second of stream."""
    frontend = model.frontend
    steps_a_second = frontend.sample_rate / (frontend.hop * model.config.stride)
    return round(step_macs(model) * steps_a_second)


def _macs(op: tf.Operation) -> int:
    """Of one op: so many outputs, each the sum of so many products."""
    if op.type == "MatMul":
        summed = op.inputs[0].shape[0 if op.get_attr("transpose_a") else 1]
    elif op.type in ("BatchMatMulV2", "BatchMatMulV3"):
        summed = op.inputs[0].shape[-2 if op.get_attr("adj_x") else -1]
    elif op.type == "Conv2D":
        summed = math.prod(op.inputs[1].shape[:3])
    elif op.type == "DepthwiseConv2dNative":
        summed = math.prod(op.inputs[1].shape[:2])
    elif "Call" in op.type or op.type in ("While", "Einsum", "Conv3D", "XlaDot"):
        raise ValueError(f"the multiply-accumulates of {op.type} ({op.name}) cannot be counted")
    else:
        return 0
    return int(summed * op.outputs[0].shape.num_elements())
