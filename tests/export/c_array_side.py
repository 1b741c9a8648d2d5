"""Small steps for the tests of the C file, and what needs TensorFlow's flatbuffer schema (see `keras_side`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kws_export.c_array import write_c_array
from kws_runtime.errors import ModelError
from kws_runtime.frontend import LogMel
from kws_runtime.modelfile import Detection, ModelInfo, State
from kws_train.graph.ir import Graph, Op, Quantized, Tensor, constant, write_graph

LABELS = ("_background_", 'say "yes"??/', "grün\\n")
BAND_ZEROS = (-1.0, 0.0, 1.0, 2.0)  # a state of frames begins at the mean of each band
FRAME, HALF = Quantized(np.array([0.05]), -7), Quantized(np.array([2.0**-15]))
WIDE = Quantized(np.array([0.1]))


def small_info() -> ModelInfo:
    """The description of `small_graph`, with texts that C would read as something else."""
    return ModelInfo(
        name="tiny gru-int8",
        labels=LABELS,
        frontend=LogMel(bands=4),
        frames_per_step=2,
        detection=Detection(dict.fromkeys(LABELS[1:], 0.5)),
        states=(State("conv_state", "conv_state_out", (1, 3, 4), BAND_ZEROS), State("gru", "gru_out", (1, 6))),
        quantization={"scheme": "int8"},
        attribution="by */ one /* and ??/\nanother \u202e",
        licence="CC BY 4.0",
    )


def small_graph() -> Graph:
    """A step of both widths: a state of frames in 8 bits, one that is recurrent in 16, and conversions."""
    rng = np.random.default_rng(0)
    activations = [
        Tensor("frames", (1, 2, 4), "int8", None, FRAME),
        Tensor("gru", (1, 6), "int16", None, HALF),
        Tensor("conv_state", (1, 3, 4), "int8", None, FRAME),
        Tensor("join", (1, 5, 4), "int8", None, FRAME),
        Tensor("conv_state_out", (1, 3, 4), "int8", None, FRAME),
        Tensor("dense", (1, 6), "int8", None, WIDE),
        Tensor("wide", (1, 6), "int16", None, WIDE),
        Tensor("sum", (1, 6), "int16", None, WIDE),
        Tensor("gru_out", (1, 6), "int16", None, HALF),
        Tensor("logits", (1, 3), "int16", None, Quantized(np.array([0.001]))),
    ]
    constants = [
        *_weights("dense", rng.integers(-127, 128, (6, 20)), np.int32),
        *_weights("head", rng.integers(-127, 128, (3, 6)), np.int64),
        constant("begin", np.array([0, 2, 0], np.int32)),
        constant("end", np.array([1, 5, 4], np.int32)),
        constant("by", np.array([1, 1, 1], np.int32)),
    ]
    ops = [
        Op("CONCATENATION", ("conv_state", "frames"), ("join",), {"axis": 1}),
        Op("STRIDED_SLICE", ("join", "begin", "end", "by"), ("conv_state_out",)),
        Op("FULLY_CONNECTED", ("join", "dense.weights", "dense.bias"), ("dense",)),
        Op("CAST", ("dense",), ("wide",)),
        Op("ADD", ("wide", "gru"), ("sum",), {"potScaleInt16": False}),
        Op("TANH", ("sum",), ("gru_out",)),
        Op("FULLY_CONNECTED", ("gru_out", "head.weights", "head.bias"), ("logits",)),
    ]
    tensors = {tensor.name: tensor for tensor in [*activations, *constants]}
    return Graph(tensors, ops, ("frames", "gru", "conv_state"), ("conv_state_out", "gru_out", "logits"))


def _weights(name: str, numbers: Any, bias: Any) -> list[Tensor]:
    scales = Quantized(np.linspace(0.001, 0.002, len(numbers)))
    weights = replace(constant(f"{name}.weights", numbers.astype(np.int8)), quantized=scales)
    return [weights, replace(constant(f"{name}.bias", np.zeros(len(numbers), bias)), quantized=scales)]


def write_files(folder: Path) -> bytes:
    """Write `small.c`, and `window.c` of the same without its states; returns the flatbuffer of the first."""
    graph, info = small_graph(), small_info()
    flatbuffer = write_graph(graph)
    write_c_array(folder / "small.c", flatbuffer, info)
    window = Graph(graph.tensors | {"w": replace(graph.tensors["join"], name="w")}, [], ("w",), ("logits",))
    window.ops = [Op("FULLY_CONNECTED", ("w", "dense.weights", "dense.bias"), ("dense",))]
    window.ops += [Op("CAST", ("dense",), ("gru_out",)), graph.ops[-1]]
    info = replace(info, name="window", states=(), window_frames=5, frames_input="w")
    write_c_array(folder / "window.c", write_graph(window), info)
    return flatbuffer


def refusals(folder: Path) -> dict[str, str]:
    """What is said of steps that TFLM cannot run or that are not what their description says."""
    graph, info = small_graph(), small_info()
    states = (replace(info.states[0], output="elsewhere"), info.states[1])
    other = graph.tensors["gru_out"]
    cases = {
        "an op": (_with_tile(graph), info),
        "a name": (graph, replace(info, states=states)),
        "a scale": (_with(graph, replace(other, quantized=WIDE)), info),
        "no scale": (_with(graph, replace(graph.tensors["logits"], quantized=None)), info),
    }
    said = {}
    for name, (step, described) in cases.items():
        try:
            write_c_array(folder / "refused.c", write_graph(step), described)
        except ModelError as error:
            said[name] = str(error)
    return said


def _with(graph: Graph, tensor: Tensor) -> Graph:
    changed = graph.copy()
    changed.put(tensor)
    return changed


def _with_tile(graph: Graph) -> Graph:
    """The logits come from an op that TFLM has not."""
    changed = _with(graph, replace(graph.tensors["logits"], name="before"))
    changed.put(constant("times", np.array([1, 1], np.int32)))
    changed.ops[-1] = replace(changed.ops[-1], outputs=("before",))
    changed.ops.append(Op("TILE", ("before", "times"), ("logits",)))
    return changed
