"""The depthwise separable CNN of MLPerf Tiny's keyword spotting (Banbury et al., arXiv 2106.07597).

It came from "Hello Edge" (Zhang et al., arXiv 1711.07128). There it sees 49 x 10 MFCC; here 49 x 40 log-mel,
and its first convolution takes 10 x 8 with stride (2, 8), so that 25 x 5 lies behind it as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

from kws_train.models.config import ModelConfig
from kws_train.models.normalize import Normalize


@dataclass(frozen=True)
class DsCnnConfig(ModelConfig):
    """Sizes; about 28 thousand parameters by default."""

    window_frames: int = 49  # 1 s
    filters: int = 64
    blocks: int = 4
    dropout: float = 0.1


class DsCnn(keras.Model):
    """A window of frames in, logits out. It carries no state: it streams by sliding."""

    def __init__(self, config: DsCnnConfig) -> None:
        super().__init__(name="ds_cnn")
        self.config = config
        layers, filters = keras.layers, config.filters

        def normed(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
            return [layer, layers.BatchNormalization(), layers.ReLU()]

        self.normalize = Normalize(config.features)
        self.body = [
            *normed(layers.Conv2D(filters, (10, 8), strides=(2, 8), padding="same", use_bias=False)),
            layers.Dropout(config.dropout),
        ]
        for _ in range(config.blocks):
            self.body += normed(layers.DepthwiseConv2D(3, padding="same", use_bias=False))
            self.body += normed(layers.Conv2D(filters, 1, use_bias=False))
        self.body += [layers.Dropout(2 * config.dropout), layers.GlobalAveragePooling2D()]
        self.head = layers.Dense(config.labels)

    def call(self, frames, training=False):  # type: ignore[no-untyped-def]
        """A window: frames (B, window_frames, features) to logits (B, labels)."""
        x = self.normalize(frames)[..., None]  # (B, 49, 40, 1)
        for layer in self.body:  # (B, 25, 5, filters), then (B, filters)
            x = layer(x, training=training)
        return self.head(x)
