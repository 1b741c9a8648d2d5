"""Where rounding hurts: the error of every op's output, the widest-off layers' histograms, and the states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_train.graph.execute import as_is, rounded
from kws_train.graph.ir import Graph, Quantized, Tensor
from kws_train.graph.quantize import MATRIX
from kws_train.graph.ranges import StepGraph, follow

STEPS = 3000  # 2 minutes
BINS = 64
WORST = 2  # layers with a histogram
HALF_INT8_STEP = 0.5 / 128  # of a state within 1
KEEPS = ("RESHAPE", "CAST", "QUANTIZE", "STRIDED_SLICE", "CONCATENATION", "SPLIT", "SPLIT_V")

Arrays = dict[str, NDArray[np.float32]]


def float_constants(step: StepGraph) -> StepGraph:
    """An integer step with its constants as the reals that they stand for, to be run with rounding."""
    graph = step.graph.copy()
    for tensor in list(graph.tensors.values()):
        if tensor.data is not None and tensor.quantized is not None:
            graph.put(_as_reals(tensor, tensor.quantized))
    return replace(step, graph=graph)


def _as_reals(tensor: Tensor, quantized: Quantized) -> Tensor:
    data = np.asarray(tensor.data)
    shape = [1] * max(1, data.ndim)
    shape[quantized.axis if len(quantized.scale) > 1 else 0] = -1
    reals = (data.astype(np.float64) - quantized.zero_point) * quantized.scale.reshape(shape)
    return replace(tensor, dtype="float32", quantized=None, data=reals.reshape(tensor.shape).astype(np.float32))


def tensors_along(step: StepGraph, frames: NDArray[np.float32], names: tuple[str, ...], integer: bool) -> Arrays:
    """Tensors (steps, ...) by name, on a carried stream."""
    rows = list(follow(step, frames[: STEPS * step.frames_per_step], names, rounded if integer else as_is))
    return {name: np.concatenate([row[name] for row in rows]) for name in names}


def common_outputs(in_float: Graph, integers: Graph) -> list[tuple[str, str]]:
    """Name and kind of what both graphs compute; not what only moves numbers. What float holds within bounds by a clip,
    integers have as the product itself."""
    kinds = {name: op.kind for op in integers.ops for name in op.outputs}
    return [
        (name, kinds[name])
        for op in in_float.ops
        for name in op.outputs
        if name in kinds and op.kind not in KEEPS and kinds[name] not in KEEPS
    ]


def layer_errors(
    float_values: Arrays, int_values: Arrays, integers: Graph, ops: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Signal to quantization noise ratio (dB) of every op's output, each step carrying its own states."""
    rows = []
    for name, kind in ops:
        signal, noise = float_values[name], int_values[name] - float_values[name]
        ratio = 10 * np.log10(max(float(np.square(signal).mean()), 1e-20) / max(float(np.square(noise).mean()), 1e-20))
        rows.append({"name": name, "kind": kind, "width": integers.tensors[name].dtype, "sqnr_db": round(ratio, 1)})
    return rows


def histograms(layers: list[dict[str, Any]], float_values: Arrays, integers: StepGraph) -> list[dict[str, Any]]:
    """Activations and weights of the matrix products with the most error."""
    products = sorted((row for row in layers if row["kind"] in MATRIX), key=lambda row: row["sqnr_db"])
    weights_of = {op.outputs[0]: op.inputs[1] for op in integers.graph.ops if op.kind in MATRIX}
    reals, found = float_constants(integers).graph, []
    for row in products[:WORST]:
        name = row["name"]
        quantized = integers.graph.tensors[name].quantized
        found.append(_histogram(name, "activations", float_values[name], _range(quantized, row["width"])))
        weights = reals.data(weights_of[name])
        found.append(
            _histogram(name, "weights", weights, [-float(np.abs(weights).max()), float(np.abs(weights).max())])
        )
    return found


def _range(quantized: Quantized | None, width: str) -> list[float] | None:
    if quantized is None:
        return None
    limits = np.iinfo(width)
    return [float((limit - quantized.zero_point) * quantized.scale[0]) for limit in (limits.min, limits.max)]


def _histogram(name: str, what: str, values: NDArray[np.float32], bounds: list[float] | None) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    counts, _ = np.histogram(values, BINS, (low, high))
    return {"tensor": name, "what": what, "low": low, "high": high, "counts": counts.tolist(), "range": bounds}


def state_figures(
    step: StepGraph, integers: StepGraph, float_values: Arrays, int_values: Arrays
) -> list[dict[str, Any]]:
    """Of each state that is computed element by element: the share of its elements at the end of its range, and of its
    updates in float that are smaller than half a step of int8 and of its own width."""
    rows = []
    for name, out in step.states.items():
        made, tensor = step.graph.producer(out), integers.graph.tensors[out]
        if made is None or made.kind in KEEPS or tensor.quantized is None:
            continue
        limits, scale = np.iinfo(tensor.dtype), float(tensor.quantized.scale[0])
        numbers = np.rint(int_values[out] / scale) + tensor.quantized.zero_point
        updates = np.abs(np.diff(float_values[out], axis=0))
        rows.append(
            {
                "name": name,
                "width": tensor.dtype,
                "saturated": round(float(((numbers <= limits.min) | (numbers >= limits.max)).mean()), 5),
                "dead": round(float((updates < scale / 2).mean()), 4),
                "dead_in_int8": round(float((updates < HALF_INT8_STEP).mean()), 4),
            }
        )
    return rows
