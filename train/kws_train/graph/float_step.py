"""The streaming step of a trained Keras model: as a SavedModel for the converter, and run here in float.

The step is a function without a loop: `frames` and each state in, `logits` and each new state out. A new state
is called like the state with `_out` behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kws_runtime.errors import DataError
from kws_train.models import build
from kws_train.rundir import RunDir, unpack

ENDPOINT = "step"
Inputs = dict[str, NDArray[np.float32]]


def load_run(run: RunDir) -> tuple[dict[str, Any], keras.Model]:
    """A run's description and its model with the best weights; of a taught run the model as it is made. Raises
    DataError where the weights do not fit."""
    description = run.read_json()
    try:
        model = build(str(description["architecture"]), **description["sizes"])
        labels = list(description["labels"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{run.path / 'run.json'}: lacks what describes a model: {error}") from error
    if len(labels) != model.config.labels:
        raise DataError(f"{run.path / 'run.json'}: {len(labels)} labels for a model of {model.config.labels}")
    if not is_taught(description):
        unpack("weight", run.read_arrays("best.npz"), model.variables, run.path / "best.npz")
    return description, model


def is_taught(description: dict[str, Any]) -> bool:
    """Whether a run was taught to live with int8: what it learned is a graph, not the weights of its architecture."""
    return bool(dict(description.get("arguments") or {}).get("qat"))


class FloatStep:
    """The float model, a step at a time: the reference for every converted file."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.window_frames: int | None = getattr(model.config, "window_frames", None)
        self.frames_per_step: int = model.config.stride
        self.state_shapes: dict[str, tuple[int, ...]] = getattr(model, "state_shapes", {})
        specs = {"frames": (1, self.window_frames or self.frames_per_step, model.config.features)}
        specs |= {name: (1, *shape) for name, shape in self.state_shapes.items()}
        self._specs = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in specs.items()]
        self._function = tf.function(self._call, input_signature=self._specs)

    def _call(self, frames: tf.Tensor, *states: tf.Tensor) -> dict[str, tf.Tensor]:
        if not self.state_shapes:
            return {"logits": self.model(frames, training=False)}
        logits, *new_states = self.model.step(frames, *states)
        return {"logits": logits} | {
            f"{name}_out": state for name, state in zip(self.state_shapes, new_states, strict=True)
        }

    def save(self, folder: Path) -> None:
        """Write the step as a SavedModel.

        Not by `tf.saved_model.save` nor `from_concrete_functions`: with Keras 3 variables these write files
        without the weights, and no error.
        """
        archive = keras.export.ExportArchive()
        archive.track(self.model)
        archive.add_endpoint(name=ENDPOINT, fn=self._call, input_signature=self._specs)
        archive.write_out(str(folder), verbose=False)

    def follow(self, frames: NDArray[np.float32]) -> Iterator[tuple[Inputs, NDArray[np.float32]]]:
        """Carry the state through a stream of frames (n, features): the inputs and the logits of every step."""
        k, width = self.frames_per_step, self.window_frames
        states = [np.zeros((1, *shape), np.float32) for shape in self.state_shapes.values()]
        if width:
            silence = np.full((width - k, frames.shape[1]), self.model.frontend.silence, np.float32)
            frames = np.concatenate([silence, frames])
        for first in range(0, len(frames) - (width or k) + 1, k):
            new = frames[None, first : first + (width or k)]
            out = self._function(new, *states)
            yield {"frames": new, **dict(zip(self.state_shapes, states, strict=True))}, out["logits"].numpy()[0]
            states = [out[f"{name}_out"].numpy() for name in self.state_shapes]
