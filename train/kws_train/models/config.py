"""What every architecture's configuration says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelConfig:
    """The outside of a model; each architecture adds its sizes."""

    labels: int = 9
    features: int = 40  # the width of a frame
    stride: int = 2  # frames a step
    activation: str = "softmax"  # that makes posteriors of the logits: "softmax" or "sigmoid"
