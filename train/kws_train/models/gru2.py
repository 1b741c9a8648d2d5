"""Two GRUs, one upon the other, behind a strided Conv1D: `gru`, a layer deeper.

Deep recurrent networks: Graves et al., arXiv 1303.5778.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

from kws_train.models.config import ModelConfig
from kws_train.models.gru_layer import GruLayer
from kws_train.models.normalize import Normalize
from kws_train.models.past import with_past


@dataclass(frozen=True)
class Gru2Config(ModelConfig):
    """Sizes; about 132 thousand parameters by default."""

    filters: int = 96
    kernel: int = 5  # frames of 20 ms
    units: int = 96  # of each GRU


class Gru2(keras.Model):
    """Frames and states in; logits for every step and the new states out."""

    def __init__(self, config: Gru2Config) -> None:
        super().__init__(name="gru2")
        self.config = config
        self.normalize = Normalize(config.features)
        self.conv = keras.layers.Conv1D(config.filters, config.kernel, config.stride, activation="relu")
        self.grus = [GruLayer(config.units) for _ in range(2)]
        self.head = keras.layers.Dense(config.labels)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """States by name, without the batch. The convolution's past lies after the normalization: 0 is the mean."""
        c = self.config
        return {"conv_state": (c.kernel - c.stride, c.features), "gru1_state": (c.units,), "gru2_state": (c.units,)}

    def call(self, frames, conv_state, gru1_state, gru2_state, training=False):  # type: ignore[no-untyped-def]
        """A sequence: frames (B, T, features) to logits (B, T / stride, labels) and the states after it."""
        x, conv_state = with_past(conv_state, self.normalize(frames))  # (B, T + kernel - stride, features)
        x = self.conv(x)  # (B, T / stride, filters)
        x, gru1_state = self.grus[0](x, gru1_state)  # (B, T / stride, units)
        x, gru2_state = self.grus[1](x, gru2_state)  # (B, T / stride, units)
        return self.head(x), conv_state, gru1_state, gru2_state

    def step(self, frames, conv_state, gru1_state, gru2_state):  # type: ignore[no-untyped-def]
        """One step without a loop: frames (B, stride, features) to logits (B, labels) and the new states."""
        x, conv_state = with_past(conv_state, self.normalize(frames))  # (B, kernel, features)
        x = self.conv(x)[:, 0]  # (B, filters)
        gru1_state = self.grus[0].step(x, gru1_state)  # (B, units)
        gru2_state = self.grus[1].step(gru1_state, gru2_state)  # (B, units)
        return self.head(gru2_state), conv_state, gru1_state, gru2_state
