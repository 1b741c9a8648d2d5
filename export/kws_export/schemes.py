"""The schemes of `kws-export`: what of a step is stored and computed in how many bits."""

from __future__ import annotations

INTEGER = ("int8", "int8-narrow", "int16x8")
SCHEMES = ("fp32", "fp16", "dynamic", *INTEGER)
ABOUT = {
    "fp32": "float",
    "fp16": "weights stored in 16 bits, computed in float",
    "dynamic": "int8 weights, float activations",
    "int8": "integers only: int8 weights and products; what a GRU does element by element, its state and logits int16",
    "int8-narrow": "integers only, 8 bits everywhere",
    "int16x8": "integers only: int8 weights, 16 bits for all else",
}
