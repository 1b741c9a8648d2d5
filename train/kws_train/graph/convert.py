"""A float step from Keras to a graph, by TensorFlow's converter in a process of its own: what crashes there takes its
process with it.

Run as `python -m kws_train.graph.convert SAVED_MODEL OUT`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from kws_runtime.errors import ModelError
from kws_train.graph.float_step import ENDPOINT, FloatStep
from kws_train.graph.ir import read_graph
from kws_train.graph.ranges import StepGraph
from kws_train.graph.simplify import simplify

TIMEOUT_S = 900


def graph_of(step: FloatStep) -> StepGraph:
    """The float step as a graph in few ops. Raises ModelError where the converter fails."""
    with tempfile.TemporaryDirectory() as scratch:
        saved_model = Path(scratch) / "step"
        step.save(saved_model)
        flatbuffer = _convert(saved_model, Path(scratch) / "step.tflite")
    states = {name: f"{name}_out" for name in step.state_shapes}
    graph, zeros = simplify(read_graph(flatbuffer), states)
    silence = float(step.model.frontend.silence)
    return StepGraph(graph, states, step.frames_per_step, step.window_frames, silence, zeros)


def _convert(saved_model: Path, out: Path) -> bytes:
    command = [sys.executable, "-m", "kws_train.graph.convert", str(saved_model), str(out)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"TensorFlow's converter did not end within {TIMEOUT_S} s") from None
    if done.returncode != 0 or not out.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        how = f"crashed (signal {-done.returncode})" if done.returncode < 0 else "failed"
        raise ModelError(f"TensorFlow's converter {how}: {last}")
    return out.read_bytes()


def _convert_here(saved_model: str) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[ENDPOINT])
    return bytes(converter.convert())


if __name__ == "__main__":
    source, target = sys.argv[1:]
    Path(target).write_bytes(_convert_here(source))
