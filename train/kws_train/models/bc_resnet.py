"""A small streaming BC-ResNet: Kim et al., "Broadcasted Residual Learning", arXiv 2106.04140.

A block convolves a map over frequency only; then it averages the map over frequency, convolves that average over
time, and broadcasts the result back onto every row. All that looks along time is thus one vector a step, and its
past is small enough to be a state. What differs from the paper: frames of 20 ms and steps of 40 instead of 10 ms,
so smaller dilations; every convolution over time looks back only; SubSpectralNorm (Chang et al., arXiv 2103.13620)
with each row of the map as a sub-band; and instead of the pooling over the whole clip a mean of the last steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from kws_train.models.config import ModelConfig
from kws_train.models.normalize import Normalize
from kws_train.models.past import with_past

TAPS = 3  # of the convolutions over time in the blocks
STAGE_WIDTHS = (1.0, 1.5, 2.0, 2.5)  # of `channels`
STAGE_STRIDES = (1, 2, 2, 1)  # along the frequency


@dataclass(frozen=True)
class BcResNetConfig(ModelConfig):
    """Sizes; about 15 thousand parameters by default. The blocks see a second: 2 (2 + 2 + 4 + 4) steps back."""

    channels: int = 12  # 8 tau in the paper
    kernel: int = 5  # frames and bands of the first convolution
    blocks: tuple[int, ...] = (2, 2, 2, 2)  # of each stage
    dilations: tuple[int, ...] = (1, 1, 2, 2)  # steps
    mean_steps: int = 8  # of the last mean
    dropout: float = 0.1


class BroadcastedBlock(keras.layers.Layer):
    """Maps (B T, rows, channels) of T `steps` and the past averages (B, 2 dilation, width), to the same."""

    def __init__(self, width: int, stride: int, dilation: int, widens: bool, dropout: float) -> None:
        super().__init__()
        layers = keras.layers
        self.dilation, self.width = dilation, width
        self.widen: Any = layers.Dense(width, use_bias=False) if widens else None
        self.widen_norm: Any = layers.BatchNormalization() if widens else None
        self.over_frequency = layers.DepthwiseConv1D(TAPS, stride, padding="same", use_bias=False)
        self.sub_spectral_norm = layers.BatchNormalization()
        self.over_time = self.add_weight(shape=(TAPS, width, 1), initializer="glorot_uniform", name="over_time")
        self.time_norm = layers.BatchNormalization()
        self.mix = layers.Dense(width)
        self.dropout = layers.Dropout(dropout)

    def call(self, x, past, steps, training=False):  # type: ignore[no-untyped-def]
        whole = x
        if self.widen is not None and self.widen_norm is not None:
            x = ops.relu(self.widen_norm(self.widen(x), training=training))  # (B T, rows, width)
        x = self.over_frequency(x)  # (B T, rows / stride, width)
        rows = x.shape[1]
        x = ops.reshape(x, (-1, rows * self.width))  # each row its own statistics
        x = ops.reshape(self.sub_spectral_norm(x, training=training), (-1, rows, self.width))
        average = ops.reshape(ops.mean(x, 1), (-1, steps, self.width))  # (B, T, width)
        y, past = with_past(past, average)  # (B, T + 2 dilation, width)
        if steps == 1:  # the taps alone: no dilation to convert
            y = ops.depthwise_conv(y[:, :: self.dilation], self.over_time)
        else:
            y = ops.depthwise_conv(y, self.over_time, dilation_rate=self.dilation)
        y = self.mix(ops.silu(self.time_norm(y, training=training)))  # (B, T, width)
        x = x + ops.reshape(self.dropout(y, training=training), (-1, 1, self.width))
        return ops.relu(x if self.widen is not None else x + whole), past


class BcResNet(keras.Model):
    """Frames and states in; logits for every step and the new states out."""

    def __init__(self, config: BcResNetConfig) -> None:
        super().__init__(name="bc_resnet")
        self.config = config
        layers, channels = keras.layers, config.channels
        self.normalize = Normalize(config.features)
        self.conv = layers.Conv2D(2 * channels, config.kernel, 2, use_bias=False)
        self.conv_norm = layers.BatchNormalization()
        self.blocks = []
        stages = zip(STAGE_WIDTHS, STAGE_STRIDES, config.blocks, config.dilations, strict=True)
        for width, stride, count, dilation in stages:
            for number in range(count):
                first = number == 0
                self.blocks.append(
                    BroadcastedBlock(int(width * channels), stride if first else 1, dilation, first, config.dropout)
                )
        rows = config.features // 8
        self.over_rows = layers.DepthwiseConv1D(rows, use_bias=False)
        self.embed = layers.Dense(4 * channels, use_bias=False)
        self.embed_norm = layers.BatchNormalization()
        self.head = layers.Dense(config.labels)
        self.built = True  # by its layers; Keras cannot tell it from states in a tuple

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """States by name, without the batch: the pasts of the first convolution, of each block, of the last mean."""
        c = self.config
        shapes = {"conv_state": (c.kernel - c.stride, c.features)}
        for number, block in enumerate(self.blocks, 1):
            shapes[f"block{number}_state"] = (block.dilation * (TAPS - 1), block.width)
        return {**shapes, "mean_state": (c.mean_steps - 1, 4 * c.channels)}

    def _follow(self, frames: Any, states: tuple[Any, ...], training: bool) -> tuple[Any, tuple[Any, ...]]:
        """To what the last mean is taken of, (B, T / 2 + mean_steps - 1, 4 channels), and the new states."""
        conv_state, *block_states, mean_state = states
        x, conv_state = with_past(conv_state, self.normalize(frames))  # (B, T + kernel - 2, features)
        x = ops.pad(x, ((0, 0), (0, 0), (1, 2)))[..., None]
        x = ops.relu(self.conv_norm(self.conv(x), training=training))  # (B, T / 2, features / 2, 2 channels)
        steps = x.shape[1]
        x = ops.reshape(x, (-1, *x.shape[2:]))  # a map a step
        pasts = []
        for block, state in zip(self.blocks, block_states, strict=True):
            x, past = block(x, state, steps=steps, training=training)  # (B T / 2, rows, width)
            pasts.append(past)
        x = self.embed(self.over_rows(x))  # (B T / 2, 1, 4 channels)
        x = ops.relu(self.embed_norm(x, training=training))
        x, mean_state = with_past(mean_state, ops.reshape(x, (-1, steps, 4 * self.config.channels)))
        return x, (conv_state, *pasts, mean_state)

    def call(self, frames, *states, training=False):  # type: ignore[no-untyped-def]
        """A sequence: frames (B, T, features) to logits (B, T / 2, labels) and the states after it."""
        x, states = self._follow(frames, states, training)  # (B, T / 2 + mean_steps - 1, 4 channels)
        return self.head(ops.average_pool(x, self.config.mean_steps, 1)), *states

    def step(self, frames, *states):  # type: ignore[no-untyped-def]
        """One step without a loop: frames (B, 2, features) to logits (B, labels) and the new states."""
        x, states = self._follow(frames, states, False)  # (B, mean_steps, 4 channels)
        return self.head(ops.mean(x, 1)), *states
