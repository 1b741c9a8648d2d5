"""The architectures that `kws-train` knows, by name, each in three sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from kws_runtime.errors import DataError
from kws_runtime.frontend import FrontEndConfig, LogMel, Raw, Stft
from kws_train.models.bc_resnet import BcResNet, BcResNetConfig
from kws_train.models.config import ModelConfig
from kws_train.models.crnn import Crnn, CrnnConfig
from kws_train.models.ds_cnn import DsCnn, DsCnnConfig
from kws_train.models.gru import Gru, GruConfig
from kws_train.models.gru2 import Gru2, Gru2Config
from kws_train.models.raw_gru import RawGru, RawGruConfig
from kws_train.models.trigger_gru import TriggerGru, TriggerGruConfig


@dataclass(frozen=True)
class Architecture:
    """How a model is made, what it hears through, and its sizes: fields of its configuration by preset."""

    model: Callable[[Any], keras.Model]
    config: type[ModelConfig]
    frontend: FrontEndConfig
    sizes: dict[str, dict[str, Any]]  # "s", "m" and "l"
    default: str = "m"


ARCHITECTURES: dict[str, Architecture] = {
    "gru": Architecture(
        Gru,
        GruConfig,
        LogMel(),
        {"s": {"filters": 64, "units": 80}, "m": {"filters": 96, "units": 128}, "l": {"filters": 128, "units": 176}},
    ),
    "gru2": Architecture(
        Gru2,
        Gru2Config,
        LogMel(),
        {"s": {"filters": 64, "units": 56}, "m": {"filters": 96, "units": 96}, "l": {"filters": 128, "units": 112}},
    ),
    "crnn": Architecture(
        Crnn,
        CrnnConfig,
        LogMel(),
        {
            "s": {"filters": 16, "projection": 48, "units": 80},
            "m": {"filters": 32, "projection": 64, "units": 128},
            "l": {"filters": 48, "projection": 96, "units": 176},
        },
    ),
    "raw-gru": Architecture(
        RawGru,
        RawGruConfig,
        Raw(),
        {
            "s": {"filters": (16, 32, 48, 64), "units": 80},
            "m": {"filters": (24, 48, 64, 96), "units": 128},
            "l": {"filters": (32, 64, 96, 128), "units": 160},
        },
    ),
    "bc-resnet": Architecture(
        BcResNet,
        BcResNetConfig,
        LogMel(),
        {"s": {"channels": 8}, "m": {"channels": 12}, "l": {"channels": 16}},
    ),
    "trigger-gru": Architecture(
        TriggerGru,
        TriggerGruConfig,
        Stft(),
        {"s": {"filters": 64, "units": 64}, "m": {"filters": 196, "units": 128}, "l": {"filters": 256, "units": 192}},
    ),
    "ds-cnn": Architecture(
        DsCnn,
        DsCnnConfig,
        LogMel(),
        {"s": {"filters": 40}, "m": {"filters": 64}, "l": {"filters": 112}},
    ),
}


def build(architecture: str, **sizes: Any) -> keras.Model:
    """A new model with its weights; `sizes` are the fields of its configuration. Raises DataError for a name we lack.

    Its `frontend` is the one that it hears through.
    """
    if architecture not in ARCHITECTURES:
        raise DataError(f"architecture {architecture!r} is not known; there are {', '.join(ARCHITECTURES)}")
    chosen = ARCHITECTURES[architecture]
    model = chosen.model(chosen.config(**sizes))
    model.frontend = chosen.frontend
    c = model.config
    if hasattr(model, "state_shapes"):
        states = [keras.ops.zeros((1, *shape)) for shape in model.state_shapes.values()]
        model(keras.ops.zeros((1, 2 * c.stride, c.features)), *states)
    else:
        model(keras.ops.zeros((1, c.window_frames, c.features)))
    return model


__all__ = ["ARCHITECTURES", "Architecture", "build"]
