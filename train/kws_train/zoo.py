"""What is known of each architecture before TensorFlow is there: its front end, its sizes, how long it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kws_runtime.frontend import FrontEndConfig, LogMel


@dataclass(frozen=True)
class Architecture:
    """How an architecture hears, steps and is trained; `sizes` are fields of its configuration by preset."""

    about: str
    sizes: Mapping[str, Mapping[str, Any]]
    epochs: int
    frontend: FrontEndConfig = field(default_factory=LogMel)
    stride: int = 2  # frames a step
    default: str = "m"

    def chunk_frames(self, seconds: float) -> int:
        """The frames of a chunk of about that length: whole steps."""
        return int(seconds * self.frontend.sample_rate / (self.stride * self.frontend.hop)) * self.stride


ARCHITECTURES: dict[str, Architecture] = {
    "gru": Architecture(
        "one GRU behind a strided Conv1D",
        {"s": {"filters": 64, "units": 80}, "m": {"filters": 96, "units": 128}, "l": {"filters": 128, "units": 176}},
        epochs=90,
        default="l",
    ),
    "ds-cnn": Architecture(
        "MLPerf Tiny's depthwise separable CNN on a window of 1 s",
        {"s": {"filters": 40}, "m": {"filters": 64}, "l": {"filters": 112}},
        epochs=40,
    ),
}
