"""The architectures' models by name; what is known of them without Keras is in `kws_train.zoo`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kws_runtime.errors import DataError
from kws_train.models.bc_resnet import BcResNet, BcResNetConfig
from kws_train.models.config import ModelConfig
from kws_train.models.crnn import Crnn, CrnnConfig
from kws_train.models.ds_cnn import DsCnn, DsCnnConfig
from kws_train.models.gru import Gru, GruConfig
from kws_train.models.gru2 import Gru2, Gru2Config
from kws_train.models.question_gru import QuestionGru, QuestionGruConfig
from kws_train.models.raw_gru import RawGru, RawGruConfig
from kws_train.models.trigger_gru import TriggerGru, TriggerGruConfig
from kws_train.models.tutorial_cnn import TutorialCnn, TutorialCnnConfig
from kws_train.zoo import ARCHITECTURES

MODELS: dict[str, tuple[Callable[[Any], keras.Model], type[ModelConfig]]] = {
    "gru": (Gru, GruConfig),
    "gru2": (Gru2, Gru2Config),
    "crnn": (Crnn, CrnnConfig),
    "raw-gru": (RawGru, RawGruConfig),
    "bc-resnet": (BcResNet, BcResNetConfig),
    "trigger-gru": (TriggerGru, TriggerGruConfig),
    "ds-cnn": (DsCnn, DsCnnConfig),
    "tutorial-cnn": (TutorialCnn, TutorialCnnConfig),
    "question-gru": (QuestionGru, QuestionGruConfig),
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
