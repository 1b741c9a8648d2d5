"""How a model meets a stream: carried from step to step, or slid over it as a window.

Both say the same three things: the states before the first chunk, the logits that a chunk is trained on,
and the logits of every step of a chunk.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import keras
import tensorflow as tf

from kws_train.batches import Plan
from kws_train.recipe import Recipe

Tensors = list[tf.Tensor]

WINDOWS_PER_CHUNK = 3  # of the 100 steps of a chunk; neighbours are nearly the same window
WORD_PREFERENCE = 5.0  # a step that names a word is this much likelier to be drawn: a third of the windows
EVALUATE_EVERY = 4  # of the steps, where a whole stream of windows would take minutes


class Objective(Protocol):
    """What the training loop needs to know of a model on a stream."""

    def initial(self, streams: int) -> Tensors: ...

    def renew(self, states: Tensors, fresh: tf.Tensor) -> Tensors:
        """States with those of the `fresh` streams (B,) set to their initial values."""

    def learn(
        self, frames: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, states: Tensors
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, Tensors]:
        """Logits (..., labels) to train on, with their labels (...) and weights (...), and the new states."""

    def follow(self, frames: tf.Tensor, states: Tensors) -> tuple[tf.Tensor, Tensors]:
        """Logits (B, steps / every, labels) of the steps `every - 1`, `2 every - 1`, ..., and the new states."""

    every: int


class Carried:
    """A model with states: all steps of a chunk are learned, the states go on into the next chunk."""

    every = 1

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def initial(self, streams: int) -> Tensors:
        return [tf.zeros((streams, *shape)) for shape in self._model.state_shapes.values()]

    def renew(self, states: Tensors, fresh: tf.Tensor) -> Tensors:
        return [tf.where(tf.reshape(fresh, (-1,) + (1,) * (state.ndim - 1)), 0.0, state) for state in states]

    def learn(
        self, frames: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, states: Tensors
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, Tensors]:
        logits, *states = self._model(frames, *states, training=True)
        return logits, labels, weights, states

    def follow(self, frames: tf.Tensor, states: Tensors) -> tuple[tf.Tensor, Tensors]:
        logits, *states = self._model(frames, *states, training=False)
        return logits, states


class Windowed:
    """A model without states: a few windows of each chunk are learned; the state is the frames before it."""

    every = EVALUATE_EVERY

    def __init__(self, model: keras.Model, plan: Plan) -> None:
        self._model = model
        self._first_word = plan.first_word
        self._preference = 1.0 if plan.clips else WORD_PREFERENCE  # of a clip every step with a weight is learned
        self._window, self._features = model.config.window_frames, model.config.features
        self._stride, self._silence = model.config.stride, model.frontend.silence

    def initial(self, streams: int) -> Tensors:
        return [tf.fill((streams, self._window, self._features), self._silence)]

    def renew(self, states: Tensors, fresh: tf.Tensor) -> Tensors:
        return [tf.where(fresh[:, None, None], self._silence, states[0])]

    def _windows(self, frames: tf.Tensor, states: Tensors, steps: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
        """The windows (B, n, window, features) that end with the steps (B, n)."""
        past = tf.concat([states[0], frames], 1)
        ends = self._window + self._stride * (steps + 1)
        at = ends[..., None] + tf.range(-self._window, 0)
        return tf.gather(past, at, batch_dims=1), [past[:, -self._window :]]

    def learn(
        self, frames: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, states: Tensors
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, Tensors]:
        named = tf.cast(labels, tf.int32) >= self._first_word
        preference = tf.math.log(tf.where(named, self._preference, 1.0) * tf.minimum(weights, 1.0))
        gumbel = -tf.math.log(-tf.math.log(tf.random.uniform(tf.shape(labels), 1e-6, 1 - 1e-6)))
        steps = tf.math.top_k(preference + gumbel, WINDOWS_PER_CHUNK).indices
        windows, states = self._windows(frames, states, steps)
        logits = self._model(tf.reshape(windows, (-1, self._window, self._features)), training=True)
        chosen = tf.reshape(tf.gather(labels, steps, batch_dims=1), (-1,))
        # Words are drawn oftener than their weight asks for. Learned with that lead added (logit adjustment, Menon
        # et al., arXiv 2007.07314), the logits themselves say how likely a word is on the stream.
        lead = 0.0 if self._preference == 1.0 else math.log(self._preference / Recipe().target_weight)
        words = tf.range(logits.shape[-1]) >= self._first_word
        return tf.where(words, logits + lead, logits), chosen, tf.ones_like(chosen, tf.float32), states

    def follow(self, frames: tf.Tensor, states: Tensors) -> tuple[tf.Tensor, Tensors]:
        streams, count = frames.shape[0], frames.shape[1] // self._stride
        steps = tf.tile(tf.range(self.every - 1, count, self.every)[None], (streams, 1))
        windows, states = self._windows(frames, states, steps)
        logits = self._model(tf.reshape(windows, (-1, self._window, self._features)), training=False)
        return tf.reshape(logits, (streams, steps.shape[1], -1)), states


def step_losses(model: keras.Model, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy (...) of every step, of labels (...) and logits (..., labels) behind the model's activation.

    Behind a sigmoid the labels are so many yes-no questions, whose losses are summed.
    """
    labels = tf.cast(labels, tf.int32)
    if model.config.activation == "sigmoid":
        answers = tf.one_hot(labels, logits.shape[-1])
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(answers, logits), -1)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def objective_of(model: keras.Model, plan: Plan) -> Any:
    """Carried where the model has states, else Windowed."""
    return Carried(model) if hasattr(model, "state_shapes") else Windowed(model, plan)
