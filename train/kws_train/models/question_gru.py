"""The GRU of the question, faults and all: datascience.stackexchange.com/questions/87619.

It was copied from the trigger-word exercise of the Coursera course "Sequence Models" (deeplearning.ai) and given the
spectrograms and labels of TensorFlow's tutorial. Its training gives every one of the 55 steps the clip's label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kws_train.models.config import ModelConfig
from kws_train.models.normalize import Normalize


@dataclass(frozen=True)
class QuestionGruConfig(ModelConfig):
    """Sizes and faults; 607 thousand parameters by default."""

    features: int = 129
    window_frames: int = 124  # 1 s of hops of 8 ms
    stride: int = 5  # frames between two answers on a stream: 40 ms
    activation: str = "sigmoid"  # makes posteriors of the logits
    filters: int = 196
    kernel: int = 15  # frames
    conv_stride: int = 2  # frames a step of the GRUs: 55 steps
    units: int = 128
    dropout: float = 0.8  # share of values that are put out
    normalized: bool = False  # the question's network takes magnitudes as they come
    unrolled: bool = False  # no loop in the graph: larger, but it converts and its products can be counted


class AsItComes(Normalize):
    """No normalization: the question had none."""

    def adapt(self, frames: NDArray[np.float32]) -> None:
        """Take nothing."""


class QuestionGru(keras.Model):
    """A window of frames in, the logits of its last step out. It streams by sliding, its state is not carried."""

    def __init__(self, config: QuestionGruConfig) -> None:
        super().__init__(name="question_gru")
        self.config = config
        layers, c = keras.layers, config
        self.normalize = Normalize(c.features) if c.normalized else AsItComes(c.features)
        self.recurrent = [
            layers.Conv1D(c.filters, c.kernel, c.conv_stride),  # (B, 55, filters)
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(c.dropout),
            layers.GRU(c.units, return_sequences=True, unroll=c.unrolled),  # (B, 55, units)
            layers.Dropout(c.dropout),
            layers.BatchNormalization(),
            layers.GRU(c.units, return_sequences=True, unroll=c.unrolled),  # (B, 55, units)
        ]
        self.head = [
            layers.Dropout(c.dropout),
            layers.BatchNormalization(),
            layers.Dropout(c.dropout),
            layers.Dense(c.labels),  # on (B, steps, units) it is what TimeDistributed makes of it
        ]

    def call(self, frames, training=False, all_steps=False):  # type: ignore[no-untyped-def]
        """A window: frames (B, window_frames, features) to the logits (B, labels) of its last step, or of all
        steps (B, 55, labels), as the question's training takes them."""
        x = _through(self.recurrent, self.normalize(frames), training)  # (B, 55, units)
        if all_steps:
            return _through(self.head, x, training)
        return _through(self.head, x[:, -1:], training)[:, 0]


def _through(layers: list[keras.layers.Layer], x: Any, training: bool) -> Any:
    for layer in layers:
        x = layer(x, training=training)
    return x
