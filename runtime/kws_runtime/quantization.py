"""The one quantize and the one dequantize of the project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAME_SCALE = 1e-5  # two scales that differ by less than this share of themselves are one


@dataclass(frozen=True)
class Quantization:
    """How a tensor's numbers stand for real ones: real = scale * (number - zero_point). Scale 0: not quantized."""

    dtype: np.dtype[Any]
    scale: float = 0.0
    zero_point: int = 0

    @property
    def is_float(self) -> bool:
        return self.scale == 0.0

    def same_as(self, other: Quantization) -> bool:
        """Whether a buffer may pass from one tensor to the other untouched."""
        close = abs(self.scale - other.scale) <= SAME_SCALE * max(self.scale, other.scale)
        return self.dtype == other.dtype and self.zero_point == other.zero_point and close


def quantize(values: NDArray[np.float32], to: Quantization) -> NDArray[Any]:
    """Round to the nearest number, clip to the type's range."""
    if to.is_float:
        return values.astype(to.dtype, copy=False)
    limits = np.iinfo(to.dtype)
    numbers = np.rint(values / to.scale) + to.zero_point
    return np.clip(numbers, limits.min, limits.max).astype(to.dtype)


def dequantize(numbers: NDArray[Any], of: Quantization) -> NDArray[np.float32]:
    """Numbers of a tensor to the reals they stand for."""
    if of.is_float:
        return numbers.astype(np.float32, copy=False)
    return ((numbers.astype(np.int32) - of.zero_point) * np.float32(of.scale)).astype(np.float32)
