"""The GRU of every streaming model here: Keras' GRU, made to be quantized.

GRU: Cho et al., arXiv 1406.1078, in the form with the reset gate after the product (Keras' `reset_after`). A sigmoid
says all that it can between -8 and 8; left alone, the input's product before it grew to 80. An int8 tensor has one
scale, so a few such values left steps of half a unit to all the others. So the product is held.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

BOUND = 8.0  # of the input's product


class GruLayer(keras.layers.Layer):
    """A GRU over a sequence or for a step; the weights have the shapes and the order (z, r, candidate) of Keras."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def build(self, x_shape: tuple[int | None, ...], state_shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs (B, T, F)."""
        width = 3 * self.units
        self.kernel = self.add_weight(shape=(x_shape[-1], width), initializer="glorot_uniform", name="kernel")
        self.recurrent = self.add_weight(shape=(self.units, width), initializer="orthogonal", name="recurrent")
        self.bias = self.add_weight(shape=(2, width), initializer="zeros", name="bias")

    def call(self, x, state):  # type: ignore[no-untyped-def]
        """Inputs (B, T, F) and the state before them (B, units) to the states (B, T, units) and the last of them."""
        states = []
        for product in ops.unstack(self._product(x), axis=1):  # of all steps at once: (B, T, 3 units)
            state = self._update(product, state)
            states.append(state)
        return ops.stack(states, 1), state

    def step(self, x, state):  # type: ignore[no-untyped-def]
        """An input (B, F) and the state before it (B, units) to the new state."""
        return self._update(self._product(x), state)

    def _product(self, x: Any) -> Any:
        return ops.clip(ops.matmul(x, self.kernel) + self.bias[0], -BOUND, BOUND)

    def _update(self, product: Any, state: Any) -> Any:
        recurrent = ops.matmul(state, self.recurrent) + self.bias[1]  # (B, 3 units)
        (x_gates, x_candidate), (h_gates, h_candidate) = self._parted(product), self._parted(recurrent)
        z, r = ops.split(ops.sigmoid(x_gates + h_gates), 2, -1)
        candidate = ops.tanh(x_candidate + r * h_candidate)
        return candidate + z * (state - candidate)  # z h + (1 - z) n in one product less

    def _parted(self, product: Any) -> list[Any]:
        """Of a product (B, 3 units) what both gates take, and what the candidate takes."""
        return list(ops.split(product, [2 * self.units], -1))
