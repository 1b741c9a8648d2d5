"""The architectures that `kws-train` knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kws_runtime.errors import DataError
from kws_train.models.ds_cnn import DsCnn, DsCnnConfig
from kws_train.models.gru import Gru, GruConfig

ARCHITECTURES: dict[str, tuple[Callable[[Any], keras.Model], type[Any]]] = {
    "gru": (Gru, GruConfig),
    "ds-cnn": (DsCnn, DsCnnConfig),
}


def build(architecture: str, **sizes: Any) -> keras.Model:
    """A new model with its weights; `sizes` are the fields of its configuration."""
    if architecture not in ARCHITECTURES:
        raise DataError(f"architecture {architecture!r} is not known; there are {', '.join(ARCHITECTURES)}")
    model_class, config_class = ARCHITECTURES[architecture]
    model = model_class(config_class(**sizes))
    c = model.config
    if hasattr(model, "state_shapes"):
        states = [keras.ops.zeros((1, *shape)) for shape in model.state_shapes.values()]
        model(keras.ops.zeros((1, 2 * c.stride, c.features)), *states)
    else:
        model(keras.ops.zeros((1, c.window_frames, c.features)))
    return model


__all__ = ["ARCHITECTURES", "build"]
