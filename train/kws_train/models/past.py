"""What a causal convolution needs of the steps before."""

from __future__ import annotations

from typing import Any

from keras import ops


def with_past(past: Any, x: Any) -> tuple[Any, Any]:
    """A past (B, p, ...) and x (B, T, ...) to both joined (B, p + T, ...) and the last p of these, the new past."""
    joined = ops.concatenate([past, x], 1)
    return joined, joined[:, -past.shape[1] :]
