"""What the tests ask of Keras, in a process of its own.

tflite-runtime 2.14 does not work in a process that has imported TensorFlow 2.21, so the test process never does.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np


def apart(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function of this module in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def follow(run: Path, frames: np.ndarray) -> np.ndarray:
    """Logits (steps, labels) of a run's float step, carried over frames (n, bands)."""
    from kws_train.graph.float_step import FloatStep, load_run
    from kws_train.rundir import RunDir

    _, model = load_run(RunDir(run))
    return np.array([logits for _, logits in FloatStep(model).follow(frames)])


def sequence_and_steps(run: Path, frames: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Logits and last states of a run's model over frames (n, bands): at once, and a step at a time; from random
    states."""
    from kws_train.graph.float_step import load_run
    from kws_train.rundir import RunDir

    _, model = load_run(RunDir(run))
    rng = np.random.default_rng(0)
    states = [rng.uniform(-1, 1, (1, *shape)).astype(np.float32) for shape in model.state_shapes.values()]
    at_once = model(frames[None], *states)
    logits = []
    for at in range(0, len(frames), 2):
        row, *states = model.step(frames[None, at : at + 2], *states)
        logits.append(row)
    return [np.array(part) for part in at_once], [np.stack(logits, 1), *(np.array(state) for state in states)]


def crash_the_converter(folder: Path) -> str:
    """What is said where the converter's process dies of a fault in its memory."""
    from kws_runtime.errors import ModelError
    from kws_train.graph import convert

    (folder / "python").write_text("#!/bin/sh\nkill -SEGV $$\n")
    (folder / "python").chmod(0o755)
    convert.sys = type("sys", (), {"executable": str(folder / "python")})  # type: ignore[assignment]
    try:
        convert._convert(folder, folder / "out")
    except ModelError as error:
        return str(error)
    return "nothing"


def dense_weights(flatbuffer: Path) -> list[np.ndarray]:
    """The weights (out, in) of every dense layer of a step."""
    from kws_train.graph.ir import read_graph

    graph = read_graph(flatbuffer.read_bytes())
    return [np.array(graph.data(op.inputs[1])) for op in graph.ops if op.kind == "FULLY_CONNECTED"]


def errors_of_made_up_layers() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Figures of a graph of one ADD that makes a state, over values made up."""
    from kws_export.report.layers import layer_errors, state_figures
    from kws_train.graph.ir import Graph, Op, Quantized, Tensor
    from kws_train.graph.ranges import StepGraph

    tensors = {name: Tensor(name, (1, 4)) for name in ("state", "state_out")}
    op = Op("ADD", ("state", "state"), ("state_out",))
    graph = Graph(tensors, [op], ("state",), ("state_out",))
    rounded = {name: Tensor(name, (1, 4), "int8", None, Quantized(np.array([1 / 128]))) for name in tensors}
    integers = Graph(rounded, [op], ("state",), ("state_out",))
    states = {"state": "state_out"}
    first, second = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.1, 0.2, 0.5, 0.9])
    in_float = {"state_out": np.stack([first, second]).astype(np.float32)}
    in_int8 = {"state_out": np.array([[-1.0, 127 / 128, 0, 0], [0, 0, 0, 0]], np.float32)}
    noisy = {"state_out": 1.1 * in_float["state_out"]}
    layers = layer_errors(in_float, noisy, integers, [("state_out", "ADD")])
    return layers, state_figures(StepGraph(graph, states, 2), StepGraph(integers, states, 2), in_float, in_int8)


def front_end_graphs() -> tuple[bytes, str]:
    """What script/make-front-end writes, and what is said of a window that cannot be laid out."""
    from kws_export.front_end import front_end_graph
    from kws_runtime.errors import ModelError
    from kws_runtime.frontend import LogMel
    from kws_runtime.melgraph import GRAPH_CONFIG, GRAPH_FRAMES
    from kws_train.graph.ir import write_graph

    try:
        front_end_graph(LogMel(window=400), GRAPH_FRAMES)
    except ModelError as error:
        return write_graph(front_end_graph(GRAPH_CONFIG, GRAPH_FRAMES)), str(error)
    raise AssertionError("a window of 400 samples was taken")
