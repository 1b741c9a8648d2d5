"""What the tests of the models ask of Keras, in one process of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.export.zoo_side import TINY


def sizes_and_macs() -> dict[str, dict[str, tuple[int, int, int]]]:
    """Of every preset of every architecture: parameters, multiply-accumulates of a step, and of a second."""
    from kws_train.macs import step_macs, stream_macs
    from kws_train.models import build
    from kws_train.zoo import ARCHITECTURES

    found: dict[str, dict[str, tuple[int, int, int]]] = {}
    for name, architecture in ARCHITECTURES.items():
        found[name] = {}
        for size, fields in architecture.sizes.items():
            model = build(name, **fields)
            assert model.config.stride == architecture.stride
            assert model.config.features == architecture.frontend.features
            found[name][size] = (model.count_params(), step_macs(model), stream_macs(model))
    return found


TINY_WINDOWS: dict[str, dict[str, Any]] = {
    "ds-cnn": {"filters": 8, "blocks": 1},
    "tutorial-cnn": {},
    "question-gru": {"filters": 8, "units": 8, "dropout": 0.0, "normalized": True},
}


def gru_beside_keras() -> dict[str, float]:
    """Largest differences of our GRU to Keras' with the same weights, for quiet inputs, whose products need not be
    held, and for loud ones."""
    import keras

    from kws_train.models.gru_layer import GruLayer

    keras.utils.set_random_seed(0)
    rng, found = np.random.default_rng(0), {}
    theirs = keras.layers.RNN(keras.layers.GRUCell(16), return_sequences=True, unroll=True)
    ours = GruLayer(16)
    state = rng.uniform(-1, 1, (4, 16)).astype(np.float32)
    ours(np.zeros((4, 30, 8), np.float32), state)
    theirs(np.zeros((4, 30, 8), np.float32), initial_state=state)
    ours.bias.assign(rng.normal(0, 0.1, ours.bias.shape))
    for own, other in zip(theirs.cell.trainable_variables, ours.trainable_variables, strict=True):
        own.assign(other)
    for name, level in (("quiet", 0.5), ("loud", 50.0)):
        x = rng.normal(0, level, (4, 30, 8)).astype(np.float32)
        heard = np.array(ours(x, state)[0])
        found[name] = float(np.abs(heard - np.array(theirs(x, initial_state=state))).max())
    return found


class _NoProgress:
    def update(self) -> None:
        pass


def learn_a_little(architecture: str) -> dict[str, Any]:
    """Losses of three rounds over one batch, the figures on it, and whether moving statistics moved."""
    import keras

    from kws_train.batches import Batch, Plan
    from kws_train.loop import Schedule, Trainer
    from kws_train.models import build

    keras.utils.set_random_seed(0)
    model = build(architecture, **(TINY | TINY_WINDOWS)[architecture])
    c, rng = model.config, np.random.default_rng(0)
    steps = 8
    labels = rng.integers(0, c.labels, (4, steps)).astype(np.int8)
    frames = rng.normal(0, 1, (4, steps * c.stride, c.features)).astype(np.float32)
    batch = Batch(frames, labels, np.ones(labels.shape, np.float32), np.ones(4, np.bool_))
    trainer = Trainer(model, Schedule(epochs=1, steps_an_epoch=60, learning_rate=0.02), Plan(stride=c.stride))
    moving = [variable for variable in model.variables if "moving_mean" in variable.path]
    losses = [trainer.train_epoch([batch] * 20, _NoProgress()) for _ in range(3)]
    return {
        "losses": losses,
        "figures": trainer.evaluate([batch]),
        "moved": all(np.abs(np.array(variable)).max() > 0 for variable in moving),
    }


def everything() -> tuple[dict[str, Any], dict[str, Any], list[float], dict[str, float]]:
    """Sizes and MACs; what a little learning gives for every architecture; losses of a sigmoid's step; our GRU."""
    import tensorflow as tf

    from kws_train.models import build
    from kws_train.objective import step_losses
    from kws_train.zoo import ARCHITECTURES

    learned = {name: learn_a_little(name) for name in ARCHITECTURES}
    model = build("gru", **TINY["gru"], labels=3, activation="sigmoid")
    losses = step_losses(model, tf.constant([0, 2]), tf.constant([[1.0, -2.0, 0.5], [0.0, 0.0, 3.0]]))
    return sizes_and_macs(), learned, [float(loss) for loss in losses], gru_beside_keras()
