"""Raw samples through a stack of strided Conv1D to a GRU: no spectrogram, the network learns its own filters.

Raw waveforms in front of a recurrent network: Sainath et al., "Learning the Speech Front-end With Raw Waveform
CLDNNs", Interspeech 2015; a stack of short strided convolutions: wav2vec, Schneider et al., arXiv 1904.05862.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from kws_runtime.errors import DataError
from kws_train.models.config import ModelConfig
from kws_train.models.gru_layer import GruLayer
from kws_train.models.normalize import Normalize
from kws_train.models.past import with_past


@dataclass(frozen=True)
class RawGruConfig(ModelConfig):
    """Sizes; about 160 thousand parameters by default."""

    features: int = 320  # samples: 20 ms
    filters: tuple[int, ...] = (24, 48, 64, 96)  # of each convolution
    kernels: tuple[int, ...] = (20, 8, 8, 6)  # the first: 1.25 ms
    strides: tuple[int, ...] = (10, 4, 4, 4)  # together one step: stride * features samples
    units: int = 128


class RawGru(keras.Model):
    """Frames of samples and states in; logits for every step and the new states out."""

    def __init__(self, config: RawGruConfig) -> None:
        super().__init__(name="raw_gru")
        if math.prod(config.strides) != config.stride * config.features:
            raise DataError(f"strides {config.strides} do not make a step of {config.stride * config.features} samples")
        self.config = config
        self.normalize = Normalize(1)
        sizes = zip(config.filters, config.kernels, config.strides, strict=True)
        self.convs = [keras.layers.Conv1D(*size, use_bias=False) for size in sizes]
        self.norms = [keras.layers.BatchNormalization() for _ in config.filters]
        self.gru = GruLayer(config.units)
        self.head = keras.layers.Dense(config.labels)
        self.built = True  # by its layers; Keras cannot tell it from states in a tuple

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """States by name, without the batch: the past of each convolution's input, and the GRU's state."""
        c = self.config
        inputs = (1, *c.filters[:-1])
        shapes = {
            f"conv{number}_state": (kernel - stride, channels)
            for number, (kernel, stride, channels) in enumerate(zip(c.kernels, c.strides, inputs, strict=True), 1)
        }
        return {**shapes, "gru_state": (c.units,)}

    def _front(self, frames: Any, states: tuple[Any, ...], training: bool) -> tuple[Any, list[Any]]:
        """Frames (B, T, features) to (B, T / stride, last of the filters) and the convolutions' new pasts."""
        x = self.normalize(ops.reshape(frames, (-1, frames.shape[1] * frames.shape[2], 1)))  # (B, samples, 1)
        pasts = []
        for conv, norm, state in zip(self.convs, self.norms, states, strict=True):
            x, past = with_past(state, x)
            pasts.append(past)
            x = ops.relu(norm(conv(x), training=training))  # (B, a stride'th, filters)
        return x, pasts

    def call(self, frames, *states, training=False):  # type: ignore[no-untyped-def]
        """A sequence: frames (B, T, features) to logits (B, T / stride, labels) and the states after it."""
        x, pasts = self._front(frames, states[:-1], training)
        x, gru_state = self.gru(x, states[-1])  # (B, T / stride, units)
        return self.head(x), *pasts, gru_state

    def step(self, frames, *states):  # type: ignore[no-untyped-def]
        """One step without a loop: frames (B, stride, features) to logits (B, labels) and the new states."""
        x, pasts = self._front(frames, states[:-1], False)  # (B, 1, last of the filters)
        x = self.gru.step(x[:, 0], states[-1])  # (B, units)
        return self.head(x), *pasts, x
