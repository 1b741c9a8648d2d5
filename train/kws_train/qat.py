"""`kws-train --qat RUN`: a trained model is taught to live with the rounding of int8 (quantization-aware training).

On the streams of training the rounded step learns to say what the float model says that it began with (distillation:
Hinton et al., arXiv 1503.02531), and what the same weights say when nothing is rounded. The first keeps what was
learned; the second finds weights to which a rounding matters little.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kws_runtime.errors import DataError
from kws_train.batches import Batch, Plan
from kws_train.distributed import Team
from kws_train.graph.convert import graph_of
from kws_train.graph.float_step import FloatStep
from kws_train.graph.ir import read_graph, write_graph
from kws_train.graph.quantize import quantize, with_integers
from kws_train.graph.ranges import StepGraph, observe
from kws_train.graph.taught import TaughtStep
from kws_train.loop import Schedule, Trainer
from kws_train.objective import Tensors
from kws_train.rundir import RunDir

TOGETHER = 200.0  # weight of the divergence from the step without rounding beside that from the first model
FLOAT_FILE, INT8_FILE, ZEROS_FILE = "step.tflite", "step-int8.tflite", "step-zeros.npz"


def taught_step(model: keras.Model, calibration: RunDir) -> TaughtStep:
    """A model's quantized step, ready to be taught; its first ranges are those of the run's calibration stream."""
    step = graph_of(FloatStep(model))
    seen = observe(step, calibration.read_arrays("calibration.npz")["frames"])
    return TaughtStep(quantize(step, seen), model)


class Learner(Trainer):
    """Trains a `TaughtStep`."""

    def __init__(self, model: TaughtStep, schedule: Schedule, plan: Plan, team: Team | None = None) -> None:
        super().__init__(model, schedule, plan, team)
        # Compiled as one where a chunk is a hundred steps of a hundred small ops; a CNN's convolutions are slower so.
        compiled = {"jit_compile": bool(model.step_graph.states), "autograph": False}
        self._learn = tf.function(self._learn_eagerly, **compiled)
        self._compare = tf.function(self._compare_eagerly, **compiled)

    def _compare_eagerly(
        self, frames: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, states: Tensors
    ) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
        """The divergence of the rounded step from the first model, and from itself without rounding; new states."""
        self.model.beside = True
        logits, _, _, states = self._objective.learn(frames, labels, weights, states)
        self.model.beside = False
        rounded, held, origin = tf.unstack(logits)
        activation = self.model.config.activation
        from_origin, from_held = (tf.reduce_mean(divergence(x, rounded, activation)) for x in (origin, held))
        return from_origin, from_held, states

    def _learn_eagerly(
        self, frames: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, fresh: tf.Tensor, states: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        states = self._objective.renew(states, fresh)
        with tf.GradientTape() as tape:
            from_origin, from_held, states = self._compare_eagerly(frames, labels, weights, states)
            loss = from_origin + TOGETHER * from_held
        variables = self.model.trainable_variables
        loss, *gradients = self.team.mean([loss, *tape.gradient(loss, variables)])
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss, states

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The loss that is learned, its two parts, and the words named right by the rounded step."""
        batches = list(batches)
        states, parts = self._objective.initial(len(batches[0].frames)), []
        for batch in batches:
            *both, states = self._compare(batch.frames, batch.labels, batch.weights, states)
            parts.append([float(part) for part in both])
        from_origin, from_held = np.mean(parts, 0)
        figures = {"val_loss": from_origin + TOGETHER * from_held, "val_from_origin": from_origin}
        figures |= {"val_from_held": from_held, "val_word_accuracy": super().evaluate(batches)["val_word_accuracy"]}
        return {name: float(value) for name, value in figures.items()}


def divergence(of: tf.Tensor, rounded: tf.Tensor, activation: str) -> tf.Tensor:
    """Kullback-Leibler divergence (...) of the posteriors of logits (..., labels), `of` being the truth."""
    if activation == "sigmoid":  # so many yes-no questions
        of, rounded = (tf.stack([x, tf.zeros_like(x)], -1) for x in (of, rounded))
        return tf.reduce_sum(divergence(of, rounded, "softmax"), -1)
    log_of = tf.nn.log_softmax(of)
    return tf.reduce_sum(tf.exp(log_of) * (log_of - tf.nn.log_softmax(rounded)), -1)


def write_taught(layer: TaughtStep, run: RunDir) -> None:
    """Leave what was learned in the run directory, for `kws-export`: the step in float and in integers."""
    quantized, held = layer.taught()
    run.write_bytes(FLOAT_FILE, write_graph(held.graph))
    run.write_bytes(INT8_FILE, write_graph(with_integers(quantized.graph)))
    run.write_arrays(ZEROS_FILE, dict(held.zeros))


def read_taught(run: RunDir, like: Any) -> tuple[StepGraph, StepGraph]:
    """The step in float and in integers as `write_taught` left them; `like`: a FloatStep of the architecture."""
    try:
        graphs = [read_graph((run.path / name).read_bytes()) for name in (FLOAT_FILE, INT8_FILE)]
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: missing; train to the end first (kws-train --resume)") from None
    states = {name: f"{name}_out" for name in like.state_shapes}
    silence, zeros = float(like.model.frontend.silence), run.read_arrays(ZEROS_FILE)
    steps = [StepGraph(graph, states, like.frames_per_step, like.window_frames, silence, zeros) for graph in graphs]
    return steps[0], steps[1]
