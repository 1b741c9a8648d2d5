"""The GRU of every streaming model here: Keras' GRU, made to be quantized.

GRU: Cho et al., arXiv 1406.1078, in the form with the reset gate after the product (Keras' `reset_after`). A sigmoid
says all that it can between -8 and 8, a tanh between -4 and 4; left alone, the product before them grew to 80. An int8
tensor has one scale, so a few such values left steps of half a unit to all the others. So the product is held, and in
the quantized form what goes into sigmoid and tanh has these ranges too, where that changes nothing that can be heard.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

GATE_BOUND = 8.0  # of the input's product, and of what goes into the sigmoids
CANDIDATE_BOUND = 4.0  # of what goes into the tanh
INT8_STEPS = 128  # to one side of 0


class GruLayer(keras.layers.Layer):
    """A GRU over a sequence or for a step; the weights have the shapes and the order (z, r, candidate) of Keras.

    `quantized` rounds inner values as int8 does, which also tells TensorFlow's converter their ranges.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units, self.quantized = units, False

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
        product = ops.matmul(x, self.kernel) + self.bias[0]
        return self._round(product, GATE_BOUND) if self.quantized else ops.clip(product, -GATE_BOUND, GATE_BOUND)

    def _update(self, product: Any, state: Any) -> Any:
        recurrent = ops.matmul(state, self.recurrent) + self.bias[1]  # (B, 3 units)
        (x_gates, x_candidate), (h_gates, h_candidate) = self._parted(product), self._parted(recurrent)
        z, r = ops.split(ops.sigmoid(self._round(x_gates + h_gates, GATE_BOUND)), 2, -1)
        candidate = ops.tanh(self._round(x_candidate + r * h_candidate, CANDIDATE_BOUND))
        return z * state + (1 - z) * candidate

    def _parted(self, product: Any) -> list[Any]:
        """Of a product (B, 3 units) what both gates take, and what the candidate takes."""
        return list(ops.split(product, [2 * self.units], -1))

    def _round(self, x: Any, bound: float) -> Any:
        """x as int8 has it, saturated at the bound, where the layer is quantized."""
        if not self.quantized:
            return x
        import tensorflow as tf  # only it has the op, and only its converter reads it

        return tf.quantization.fake_quant_with_min_max_args(x, -bound, bound * (INT8_STEPS - 1) / INT8_STEPS)
