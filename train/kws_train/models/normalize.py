"""The first layer of every model: each feature to mean 0 and deviation 1 over the training streams."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray


class Normalize(keras.layers.Layer):
    """Frames (..., features) to (frames - mean) * scale. Not trained: set once, from the training streams."""

    def __init__(self, features: int) -> None:
        super().__init__(name="normalize")
        self.mean = self.add_weight(shape=(features,), initializer="zeros", trainable=False, name="mean")
        self.scale = self.add_weight(shape=(features,), initializer="ones", trainable=False, name="scale")

    def adapt(self, frames: NDArray[np.float32]) -> None:
        """Take mean and deviation from frames (..., features); of raw samples, all alike, `features` is 1."""
        flat = frames.reshape(-1, self.mean.shape[0]).astype(np.float64)
        self.mean.assign(flat.mean(0))
        self.scale.assign(1.0 / flat.std(0))

    def call(self, frames):  # type: ignore[no-untyped-def]
        return (frames - self.mean) * self.scale
