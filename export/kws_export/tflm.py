"""What TensorFlow Lite Micro (TFLM) can run, and the memory it needs for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from kws_runtime.errors import ModelError
from kws_train.graph.ir import DTYPES, Graph, Op, Tensor

INT8, BOTH = ("int8",), ("int8", "int16")
# TFLM's method that registers an op (micro_mutable_op_resolver.h), and the types of activations its kernel takes. As
# TFLM's package of October 2026 (commit 8f6596d) ran each of them, the same as LiteRT's reference kernels.
TFLM_OPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ADD": ("Add", BOTH),
    "AVERAGE_POOL_2D": ("AveragePool2D", BOTH),
    "BATCH_MATMUL": ("BatchMatMul", BOTH),
    "CAST": ("Cast", BOTH),
    "CONCATENATION": ("Concatenation", BOTH),
    "CONV_2D": ("Conv2D", BOTH),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2D", BOTH),
    "EXPAND_DIMS": ("ExpandDims", BOTH),
    "FULLY_CONNECTED": ("FullyConnected", BOTH),
    "GATHER": ("Gather", INT8),
    "HARD_SWISH": ("HardSwish", INT8),
    "LEAKY_RELU": ("LeakyRelu", BOTH),
    "LOGISTIC": ("Logistic", BOTH),
    "MAXIMUM": ("Maximum", BOTH),
    "MAX_POOL_2D": ("MaxPool2D", BOTH),
    "MEAN": ("Mean", BOTH),
    "MINIMUM": ("Minimum", BOTH),
    "MUL": ("Mul", BOTH),
    "PACK": ("Pack", BOTH),
    "PAD": ("Pad", BOTH),
    "QUANTIZE": ("Quantize", BOTH),
    "REDUCE_MAX": ("ReduceMax", INT8),
    "RELU": ("Relu", BOTH),
    "RELU6": ("Relu6", INT8),
    "RESHAPE": ("Reshape", BOTH),
    "SLICE": ("Slice", BOTH),
    "SOFTMAX": ("Softmax", BOTH),
    "SPLIT": ("Split", BOTH),
    "SPLIT_V": ("SplitV", BOTH),
    "SQUEEZE": ("Squeeze", BOTH),
    "STRIDED_SLICE": ("StridedSlice", BOTH),
    "SUB": ("Sub", BOTH),
    "TANH": ("Tanh", BOTH),
    "TRANSPOSE": ("Transpose", BOTH),
}
CONVERSIONS = ("CAST", "QUANTIZE")  # of any of their types to any
MATRIX = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")  # with constant weights as their second input

# Bytes that TFLM sets aside besides the tensors' numbers. A pointer has 8 here and 4 on a microcontroller, which needs
# less. With these, the estimates for five architectures in three schemes lie 0.7 to 8.3 % above the least arena in
# which that package of TFLM ran them (its RecordingMicroAllocator's total is not enough: the plan itself needs room).
ALIGNMENT = 16  # of every buffer in the arena
BASE_BYTES = 1024
TENSOR_BYTES = 24
OP_BYTES = 144  # its registration, its options, what it prepares
CHANNEL_BYTES = 8  # multiplier and shift of an output channel
EDGE_BYTES = 112  # an input or output has a second, larger description, made after the plan
PLANNING_BYTES = 40  # a tensor, and a buffer once more: while the plan is made, where its buffers will lie
MEAN_BYTES = 4  # scratch for an element of a mean


@dataclass(frozen=True)
class Buffer:
    """Memory that is held from op `first` to op `last`, both counted from 1; an input is there at 0."""

    size: int  # bytes
    first: int
    last: int

    @property
    def room(self) -> int:
        """Bytes it takes in the arena."""
        return _aligned(self.size)

    def meets(self, other: Buffer) -> bool:
        """Whether both are held at some moment."""
        return self.first <= other.last and other.first <= self.last


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def buffers_of(graph: Graph) -> list[Buffer]:
    """The memory of the activations of a graph, and the scratch of its means, in TFLM's order."""
    first, last = dict.fromkeys(graph.inputs, 0), dict.fromkeys(graph.inputs, 0)
    scratch = []
    for number, op in enumerate(graph.ops, 1):
        first |= dict.fromkeys(op.outputs, number)
        last |= dict.fromkeys([*op.inputs, *op.outputs], number)
        if op.kind == "MEAN":
            scratch.append(Buffer(MEAN_BYTES * prod(graph.tensors[op.outputs[0]].shape), number, number))
    last |= dict.fromkeys(graph.outputs, len(graph.ops))
    activations = [name for name in graph.tensors if name in first]
    return [Buffer(_bytes(graph.tensors[name]), first[name], last[name]) for name in activations] + scratch


def _bytes(tensor: Tensor) -> int:
    return prod(tensor.shape) * np.dtype(DTYPES[tensor.dtype]).itemsize


def plan(buffers: Sequence[Buffer]) -> list[int]:
    """The offset of each buffer in bytes: the largest first, each into the first gap between those that are held at
    the same time (TFLM's GreedyMemoryPlanner)."""
    offsets = [0] * len(buffers)
    placed: list[int] = []  # by offset
    for place in sorted(reversed(range(len(buffers))), key=lambda place: -buffers[place].room):
        offset = 0
        for other in (other for other in placed if buffers[other].meets(buffers[place])):
            if offsets[other] - offset >= buffers[place].room:
                break
            offset = max(offset, offsets[other] + buffers[other].room)
        offsets[place] = offset
        placed = sorted([*placed, place], key=offsets.__getitem__)
    return offsets


def planned_bytes(graph: Graph) -> int:
    """What the buffers take at once."""
    buffers = buffers_of(graph)
    return max(offset + buffer.room for offset, buffer in zip(plan(buffers), buffers, strict=True))


def arena_bytes(graph: Graph) -> int:
    """An estimate of the tensor arena that TFLM needs with its reference kernels."""
    kept = BASE_BYTES + TENSOR_BYTES * len(graph.tensors) + OP_BYTES * len(graph.ops)
    kept += CHANNEL_BYTES * sum(channels(graph, op) for op in graph.ops)
    planning = PLANNING_BYTES * (len(graph.tensors) + len(buffers_of(graph)))
    running = planned_bytes(graph) + EDGE_BYTES * (len(graph.inputs) + len(graph.outputs))
    return _aligned(kept + max(planning, running))


def channels(graph: Graph, op: Op) -> int:
    """How many scales the weights of an op have; 0 where it has none."""
    quantized = graph.tensors[op.inputs[1]].quantized if op.kind in MATRIX else None
    return 0 if quantized is None else len(quantized.scale)


def check_ops(graph: Graph) -> None:
    """Raise ModelError that names an op which TFLM does not have, or not for its types."""
    for op in graph.ops:
        where = f"{op.kind} (its output is {op.outputs[0]!r})"
        if op.kind not in TFLM_OPS:
            raise ModelError(f"TFLite Micro does not have {where}")
        names = [name for name in (*op.inputs, *op.outputs) if name and not graph.is_constant(name)]
        kinds = list(dict.fromkeys(graph.tensors[name].dtype for name in names))
        missing = [kind for kind in kinds if kind not in TFLM_OPS[op.kind][1]]
        if missing:
            raise ModelError(f"TFLite Micro does not have {where} for {missing[0]}")
        if len(kinds) > 1 and op.kind not in CONVERSIONS:
            raise ModelError(f"TFLite Micro does not have {where} from {kinds[0]} to {kinds[1]}")
        if op.kind in MATRIX and graph.tensors[op.inputs[1]].dtype != "int8":
            raise ModelError(f"TFLite Micro does not have {where} with weights of {graph.tensors[op.inputs[1]].dtype}")
