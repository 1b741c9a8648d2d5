"""The trigger-word network of Coursera's "Sequence Models" (week 3, Ng et al.), used as it was meant.

There it hears a spectrogram of ten seconds of synthetic scene; its target is 1 only for a while after the word has
ended, in every step of its own; the posterior is a sigmoid's. Its many copies kept `Dropout(0.8)`, which was 0.8
*kept* in the Keras it came from: here 0.2 is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

from kws_train.models.config import ModelConfig
from kws_train.models.gru_layer import GruLayer
from kws_train.models.normalize import Normalize
from kws_train.models.past import with_past


@dataclass(frozen=True)
class TriggerGruConfig(ModelConfig):
    """Sizes; about 607 thousand parameters by default."""

    features: int = 129  # bins of the spectrogram
    stride: int = 4  # frames of 8 ms
    activation: str = "sigmoid"
    filters: int = 196
    kernel: int = 15
    units: int = 128
    dropout: float = 0.2


class TriggerGru(keras.Model):
    """Frames and states in; logits for every step and the new states out."""

    def __init__(self, config: TriggerGruConfig) -> None:
        super().__init__(name="trigger_gru")
        self.config = config
        layers, rate = keras.layers, config.dropout
        self.normalize = Normalize(config.features)
        self.conv = layers.Conv1D(config.filters, config.kernel, config.stride)
        self.grus = [GruLayer(config.units) for _ in range(2)]
        self.norms = [layers.BatchNormalization() for _ in range(3)]
        self.drops = [layers.Dropout(rate) for _ in range(4)]
        self.relu = layers.ReLU()
        self.head = layers.Dense(config.labels)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """States by name, without the batch. The convolution's past lies after the normalization: 0 is the mean."""
        c = self.config
        return {"conv_state": (c.kernel - c.stride, c.features), "gru1_state": (c.units,), "gru2_state": (c.units,)}

    def call(self, frames, conv_state, gru1_state, gru2_state, training=False):  # type: ignore[no-untyped-def]
        """A sequence: frames (B, T, features) to logits (B, T / stride, labels) and the states after it."""
        x, conv_state = with_past(conv_state, self.normalize(frames))  # (B, T + kernel - stride, features)
        x = self.relu(self.norms[0](self.conv(x), training=training))  # (B, T / stride, filters)
        x = self.drops[0](x, training=training)
        x, gru1_state = self.grus[0](x, gru1_state)  # (B, T / stride, units)
        x = self.norms[1](self.drops[1](x, training=training), training=training)
        x, gru2_state = self.grus[1](x, gru2_state)  # (B, T / stride, units)
        x = self.norms[2](self.drops[2](x, training=training), training=training)
        return self.head(self.drops[3](x, training=training)), conv_state, gru1_state, gru2_state

    def step(self, frames, conv_state, gru1_state, gru2_state):  # type: ignore[no-untyped-def]
        """One step without a loop: frames (B, stride, features) to logits (B, labels) and the new states."""
        x, conv_state = with_past(conv_state, self.normalize(frames))  # (B, kernel, features)
        x = self.relu(self.norms[0](self.conv(x), training=False))[:, 0]  # (B, filters)
        gru1_state = self.grus[0].step(x, gru1_state)  # (B, units)
        x = self.norms[1](gru1_state[:, None], training=False)[:, 0]
        gru2_state = self.grus[1].step(x, gru2_state)  # (B, units)
        x = self.norms[2](gru2_state[:, None], training=False)[:, 0]
        return self.head(x), conv_state, gru1_state, gru2_state
