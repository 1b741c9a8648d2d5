"""The log-mel front end run by a TFLite interpreter: what numpy computes, in less than half its time.

numpy's calls cost more than their arithmetic where there are two frames to transform. `log-mel.tflite` is the default
front end for the frames of one step, made by script/make-front-end; for another one numpy does the work.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kws_runtime.frontend import Frames, FrontEndConfig, LogMel, Samples, Transform
from kws_runtime.interpreter import make_interpreter
from kws_runtime.quantization import Quantization

GRAPH = Path(__file__).parent / "log-mel.tflite"
GRAPH_CONFIG = LogMel()
GRAPH_FRAMES = 2  # that it takes at once: those of a step


def graph_transform(
    config: FrontEndConfig, frames: int, interpreter: str, quantization: Quantization
) -> Transform | None:
    """The transform of windows (n, window), `frames` of them or a multiple, to frames (n, features) by an interpreter:
    real numbers within 5e-5 of numpy's; where `quantization` is that of an int8 tensor, its numbers.

    None where the graph is for another configuration, or takes more frames at once. Raises MissingError where the
    interpreter is not installed.
    """
    if config != GRAPH_CONFIG or frames % GRAPH_FRAMES:
        return None
    _, runner = make_interpreter(GRAPH.read_bytes(), interpreter)
    inputs = {details["name"]: details["index"] for details in runner.get_input_details()}
    outputs = {details["name"]: details["index"] for details in runner.get_output_details()}
    if quantization.dtype == np.int8:
        runner.set_tensor(inputs["scale"], np.array([1 / quantization.scale], np.float32))
        runner.set_tensor(inputs["zero_point"], np.array([quantization.zero_point], np.float32))
    taken, made = inputs["windows"], outputs["numbers" if quantization.dtype == np.int8 else "frames"]

    def transform(windows: Samples) -> Frames:
        found = []
        for first in range(0, len(windows), GRAPH_FRAMES):
            runner.set_tensor(taken, windows[first : first + GRAPH_FRAMES])
            runner.invoke()
            found.append(runner.get_tensor(made))
        return found[0] if len(found) == 1 else np.concatenate(found)

    return transform
