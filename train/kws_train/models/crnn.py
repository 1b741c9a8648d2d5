"""A Conv2D that moves over time and frequency, and a GRU behind it: Arik et al., arXiv 1703.05390.

As in "Hello Edge" (Zhang et al., arXiv 1711.07128) one small convolution and few channels; here the GRU runs
forward only and the convolution looks back only, so that it streams. A dense layer between them keeps the GRU's
input narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from kws_train.models.config import ModelConfig
from kws_train.models.gru_layer import GruLayer
from kws_train.models.normalize import Normalize
from kws_train.models.past import with_past


@dataclass(frozen=True)
class CrnnConfig(ModelConfig):
    """Sizes; about 96 thousand parameters by default."""

    filters: int = 32
    kernel: int = 8  # frames of 20 ms
    bands: int = 8  # that the convolution sees at once
    band_stride: int = 4
    projection: int = 64
    units: int = 128


class Crnn(keras.Model):
    """Frames and states in; logits for every step and the new states out."""

    def __init__(self, config: CrnnConfig) -> None:
        super().__init__(name="crnn")
        self.config = config
        self.normalize = Normalize(config.features)
        kernel, strides = (config.kernel, config.bands), (config.stride, config.band_stride)
        self.conv = keras.layers.Conv2D(config.filters, kernel, strides, activation="relu")
        self.places = (config.features - config.bands) // config.band_stride + 1  # along the frequency
        self.project = keras.layers.Dense(config.projection, activation="relu")
        self.gru = GruLayer(config.units)
        self.head = keras.layers.Dense(config.labels)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """States by name, without the batch. The convolution's past lies after the normalization: 0 is the mean."""
        c = self.config
        return {"conv_state": (c.kernel - c.stride, c.features), "gru_state": (c.units,)}

    def _front(self, frames: Any, conv_state: Any) -> tuple[Any, Any]:
        """Frames (B, T, features) to (B, T / stride, projection) and the convolution's new past."""
        x, conv_state = with_past(conv_state, self.normalize(frames))  # (B, T + kernel - stride, features)
        x = self.conv(x[..., None])  # (B, T / stride, places, filters)
        x = ops.reshape(x, (-1, x.shape[1], self.places * self.config.filters))
        return self.project(x), conv_state

    def call(self, frames, conv_state, gru_state, training=False):  # type: ignore[no-untyped-def]
        """A sequence: frames (B, T, features) to logits (B, T / stride, labels) and the states after it."""
        x, conv_state = self._front(frames, conv_state)  # (B, T / stride, projection)
        x, gru_state = self.gru(x, gru_state)  # (B, T / stride, units)
        return self.head(x), conv_state, gru_state

    def step(self, frames, conv_state, gru_state):  # type: ignore[no-untyped-def]
        """One step without a loop: frames (B, stride, features) to logits (B, labels) and the new states."""
        x, conv_state = self._front(frames, conv_state)  # (B, 1, projection)
        x = self.gru.step(x[:, 0], gru_state)  # (B, units)
        return self.head(x), conv_state, x
