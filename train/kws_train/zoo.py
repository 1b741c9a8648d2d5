"""What is known of each architecture before TensorFlow is there: its front end, its sizes, how long it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kws_runtime.frontend import FrontEndConfig, LogMel, Raw, Stft


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
        {
            "s": {"filters": 64, "units": 80},
            "m": {"filters": 96, "units": 128},
            "l": {"filters": 128, "units": 176, "dropout": 0.1},
        },
        epochs=90,
        default="l",
    ),
    "gru2": Architecture(
        "two GRUs, one behind the other",
        {"s": {"filters": 64, "units": 56}, "m": {"filters": 96, "units": 96}, "l": {"filters": 128, "units": 112}},
        epochs=60,
    ),
    "crnn": Architecture(
        "a GRU behind a Conv2D",
        {
            "s": {"filters": 16, "projection": 48, "units": 80},
            "m": {"filters": 32, "projection": 64, "units": 128},
            "l": {"filters": 48, "projection": 96, "units": 176},
        },
        epochs=60,
    ),
    "raw-gru": Architecture(
        "a GRU behind convolutions of the samples themselves, no spectrogram",
        {
            "s": {"filters": (16, 32, 48, 64), "units": 80},
            "m": {"filters": (24, 48, 64, 96), "units": 128},
            "l": {"filters": (32, 64, 96, 128), "units": 160},
        },
        epochs=60,
        frontend=Raw(),
    ),
    "bc-resnet": Architecture(
        "broadcasted residual CNN, streaming",
        {"s": {"channels": 8}, "m": {"channels": 12}, "l": {"channels": 16}},
        epochs=60,
    ),
    "trigger-gru": Architecture(
        "the trigger-word network that the question's was taken from, as meant",
        {"s": {"filters": 64, "units": 64}, "m": {"filters": 196, "units": 128}, "l": {"filters": 256, "units": 192}},
        epochs=30,
        frontend=Stft(),
        stride=4,
    ),
    "ds-cnn": Architecture(
        "MLPerf Tiny's depthwise separable CNN, on a window of 1 s",
        {"s": {"filters": 40}, "m": {"filters": 64}, "l": {"filters": 112}},
        epochs=60,
    ),
    "tutorial-cnn": Architecture(
        "the CNN of TensorFlow's tutorial simple_audio, on a window of 1 s; best with --recipe clips",
        {"m": {}},
        epochs=20,
        frontend=Stft(),
        stride=5,
    ),
    "question-gru": Architecture(
        "the GRUs that somebody put in its place (docs/cnn-to-gru.md); with --recipe clips",
        {"m": {"unrolled": True}},
        epochs=20,
        frontend=Stft(),
        stride=5,
    ),
}
