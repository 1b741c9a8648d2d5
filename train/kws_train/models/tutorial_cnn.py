"""The CNN of TensorFlow's tutorial "Simple audio recognition" (tensorflow.org/tutorials/audio/simple_audio).

As it stood when the question was asked: 124 x 129 magnitudes of a clip of one second (`Stft`: 255 samples, hop 128,
256 points) are shrunk to 32 x 32 like a picture. One mean and one deviation serve the entire spectrogram.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from kws_train.models.config import ModelConfig
from kws_train.models.normalize import Normalize


@dataclass(frozen=True)
class TutorialCnnConfig(ModelConfig):
    """Sizes; 1.6 million parameters, nearly all between Flatten and the first Dense."""

    features: int = 129
    window_frames: int = 124  # 1 s of hops of 8 ms
    stride: int = 5  # frames between two answers on a stream: 40 ms


class NormalizeAll(Normalize):
    """One mean and one deviation for all features, as Keras' Normalization gives a picture of one channel."""

    def __init__(self) -> None:
        super().__init__(1)

    def adapt(self, frames: NDArray[np.float32]) -> None:
        """Take mean and deviation from frames (..., features)."""
        super().adapt(frames.reshape(-1, 1))


class TutorialCnn(keras.Model):
    """A window of frames in, logits out. It carries no state: it streams by sliding."""

    def __init__(self, config: TutorialCnnConfig) -> None:
        super().__init__(name="tutorial_cnn")
        self.config = config
        layers = keras.layers
        self.normalize = NormalizeAll()  # the tutorial's stands behind Resizing, which commutes with it
        self.body = [
            layers.Resizing(32, 32),  # (B, 32, 32, 1)
            layers.Conv2D(32, 3, activation="relu"),  # (B, 30, 30, 32)
            layers.Conv2D(64, 3, activation="relu"),  # (B, 28, 28, 64)
            layers.MaxPooling2D(),  # (B, 14, 14, 64)
            layers.Dropout(0.25),
            layers.Flatten(),  # (B, 12544)
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
        ]
        self.head = layers.Dense(config.labels)

    def call(self, frames, training=False):  # type: ignore[no-untyped-def]
        """A window: frames (B, window_frames, features) to logits (B, labels)."""
        x = self.normalize(frames)[..., None]  # (B, 124, 129, 1)
        for layer in self.body:
            x = layer(x, training=training)
        return self.head(x)
