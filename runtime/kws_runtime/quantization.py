"""The one quantize and the one dequantize of the project."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    _scale: NDArray[np.float32] = field(init=False, repr=False, compare=False)  # as numpy takes it at once: ()
    _zero: NDArray[np.float32] = field(init=False, repr=False, compare=False)
    _limits: tuple[NDArray[np.float32], NDArray[np.float32]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        limits = (0, 0) if self.is_float else (np.iinfo(self.dtype).min, np.iinfo(self.dtype).max)
        object.__setattr__(self, "_scale", np.array(self.scale, np.float32))
        object.__setattr__(self, "_zero", np.array(self.zero_point, np.float32))
        object.__setattr__(self, "_limits", (np.array(limits[0], np.float32), np.array(limits[1], np.float32)))

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
    numbers = values / to._scale
    np.rint(numbers, numbers)
    np.add(numbers, to._zero, numbers)
    low, high = to._limits
    return numbers.clip(low, high, out=numbers).astype(to.dtype)


def dequantize(numbers: NDArray[Any], of: Quantization) -> NDArray[np.float32]:
    """Numbers of a tensor to the reals they stand for."""
    if of.is_float:
        return numbers.astype(np.float32, copy=False)
    if of.zero_point:
        numbers = np.subtract(numbers, of._zero, dtype=np.float32)
    return np.multiply(numbers, of._scale, dtype=np.float32)
