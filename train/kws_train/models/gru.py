"""One GRU behind a strided Conv1D: the network that the question's answers advise.

The strided convolution halves the number of steps, as in Baidu's CRNN (Arik et al., arXiv 1703.05390).
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

from kws_train.models.config import ModelConfig
from kws_train.models.gru_layer import GruLayer
from kws_train.models.normalize import Normalize
from kws_train.models.past import with_past


@dataclass(frozen=True)
class GruConfig(ModelConfig):
    """Sizes; about 107 thousand parameters by default."""

    filters: int = 96
    kernel: int = 5  # frames of 20 ms
    units: int = 128
    dropout: float = 0.0  # of what goes into the GRU and of what comes out, not of the state


class Gru(keras.Model):
    """Frames and states in; logits for every step and the new states out."""

    def __init__(self, config: GruConfig) -> None:
        super().__init__(name="gru")
        self.config = config
        self.normalize = Normalize(config.features)
        self.conv = keras.layers.Conv1D(config.filters, config.kernel, config.stride, activation="relu")
        self.gru = GruLayer(config.units)
        self.head = keras.layers.Dense(config.labels)
        self.dropout = keras.layers.Dropout(config.dropout)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """States by name, without the batch. The convolution's past lies after the normalization: 0 is the mean."""
        c = self.config
        return {"conv_state": (c.kernel - c.stride, c.features), "gru_state": (c.units,)}

    def call(self, frames, conv_state, gru_state, training=False):  # type: ignore[no-untyped-def]
        """A sequence: frames (B, T, features) to logits (B, T / stride, labels) and the states after it."""
        x, conv_state = with_past(conv_state, self.normalize(frames))  # (B, T + kernel - stride, features)
        x = self.dropout(self.conv(x), training=training)  # (B, T / stride, filters)
        x, gru_state = self.gru(x, gru_state)  # (B, T / stride, units)
        return self.head(self.dropout(x, training=training)), conv_state, gru_state

    def step(self, frames, conv_state, gru_state):  # type: ignore[no-untyped-def]
        """One step without a loop: frames (B, stride, features) to logits (B, labels) and the new states."""
        x, conv_state = with_past(conv_state, self.normalize(frames))  # (B, kernel, features)
        x = self.conv(x)[:, 0]  # (B, filters)
        x = self.gru.step(x, gru_state)  # (B, units)
        return self.head(x), conv_state, x
