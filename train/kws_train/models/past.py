"""What a causal convolution needs of the steps before."""

from __future__ import annotations

from keras import ops


def with_past(past, x):  # type: ignore[no-untyped-def]
    """A past (B, p, ...) and what follows it (B, T, ...): both joined (B, p + T, ...), and the last p of it."""
    joined = ops.concatenate([past, x], 1)
    return joined, joined[:, -past.shape[1] :]
