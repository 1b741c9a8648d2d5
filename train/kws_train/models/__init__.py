"""The architectures' models by name; what is known of them without Keras is in `kws_train.zoo`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kws_runtime.errors import DataError
from kws_train.models.ds_cnn import DsCnn, DsCnnConfig
from kws_train.models.gru import Gru, GruConfig
from kws_train.zoo import ARCHITECTURES

MODELS: dict[str, tuple[Callable[[Any], keras.Model], type[Any]]] = {
    "gru": (Gru, GruConfig),
    "ds-cnn": (DsCnn, DsCnnConfig),
}


def build(architecture: str, **sizes: Any) -> keras.Model:
    """A new model with its weights; `sizes` are the fields of its configuration. Raises DataError for a name we lack.

    Its `frontend` is the one that it hears through.
    """
    if architecture not in MODELS:
        raise DataError(f"architecture {architecture!r} is not known; there are {', '.join(MODELS)}")
    make, config = MODELS[architecture]
    model = make(config(**sizes))
    model.frontend = ARCHITECTURES[architecture].frontend
    c = model.config
    if hasattr(model, "state_shapes"):
        states = [keras.ops.zeros((1, *shape)) for shape in model.state_shapes.values()]
        model(keras.ops.zeros((1, 2 * c.stride, c.features)), *states)
    else:
        model(keras.ops.zeros((1, c.window_frames, c.features)))
    return model
