"""What the tests of the architectures ask of Keras, all in one process of its own (see `keras_side`)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

TINY: dict[str, dict[str, Any]] = {
    "gru": {"filters": 8, "units": 12},
    "gru2": {"filters": 8, "units": 12},
    "crnn": {"filters": 4, "projection": 8, "units": 12},
    "raw-gru": {"filters": (4, 6, 8, 10), "units": 12},
    "bc-resnet": {"channels": 4, "blocks": (1, 2, 1, 1), "mean_steps": 3},
    "trigger-gru": {"filters": 8, "units": 12},
}
STEPS = 60


def frames_for(architecture: str, model: Any) -> np.ndarray:
    """Frames (n, features) of `STEPS` steps, loud enough to move the model."""
    c, rng = model.config, np.random.default_rng(len(architecture))
    return rng.normal(0, 1, (STEPS * c.stride, c.features)).astype(np.float32)


def tiny_model(architecture: str) -> Any:
    """A model whose normalizations are not those of a model just made, so that nothing folds away unseen."""
    import keras

    from kws_train.models import build

    keras.utils.set_random_seed(1)
    model, rng = build(architecture, **TINY[architecture]), np.random.default_rng(2)
    places = {"moving_mean": (-0.5, 0.5), "moving_variance": (0.3, 2.0), "gamma": (0.5, 1.5), "beta": (-0.5, 0.5)}
    for variable in model.variables:
        name = variable.path.rsplit("/", 1)[-1]
        if name in places:
            variable.assign(rng.uniform(*places[name], variable.shape))
    return model


def sequence_and_steps(model: Any, frames: np.ndarray) -> list[float]:
    """The largest differences of logits and of each last state: at once, and a step at a time, from random states."""
    rng, stride = np.random.default_rng(0), model.config.stride
    states = [rng.uniform(-1, 1, (1, *shape)).astype(np.float32) for shape in model.state_shapes.values()]
    at_once = model(frames[None], *states)
    logits = []
    for at in range(0, len(frames), stride):
        row, *states = model.step(frames[None, at : at + stride], *states)
        logits.append(row)
    stepped = [np.stack(logits, 1), *states]
    return [float(np.abs(np.array(a) - np.array(b)).max()) for a, b in zip(at_once, stepped, strict=True)]


def random_states(model: Any) -> list[np.ndarray]:
    """States (1, ...) as no stream may ever reach them."""
    rng = np.random.default_rng(5)
    return [rng.uniform(-1, 1, (1, *shape)).astype(np.float32) for shape in model.state_shapes.values()]


def steps_from(model: Any, frames: np.ndarray, states: list[np.ndarray]) -> np.ndarray:
    """Logits (steps, labels) of Keras, a step at a time, from given states."""
    rows, carried = [], list(states)
    for at in range(0, len(frames), model.config.stride):
        row, *carried = model.step(frames[None, at : at + model.config.stride], *carried)
        rows.append(np.array(row)[0])
    return np.array(rows)


def make_all(folder: Path) -> dict[str, dict[str, Any]]:
    """For each streaming architecture: what sequence and steps differ by, frames, float logits, and its files."""
    from kws_export.main import model_info, written
    from kws_export.steps import Source, step_of
    from kws_runtime.modelfile import write_model
    from kws_train.graph.convert import graph_of
    from kws_train.graph.float_step import FloatStep
    from kws_train.graph.ranges import observe

    found = {}
    for architecture in TINY:
        model = tiny_model(architecture)
        frames, float_step = frames_for(architecture, model), FloatStep(model)
        step = graph_of(float_step)
        source = Source(step, observe(step, frames))
        labels = ["_background_", *(f"word{number}" for number in range(1, model.config.labels))]
        description = {"architecture": architecture, "labels": labels, "frontend": model.frontend.to_json()}
        exported = SimpleNamespace(description=description, float_step=float_step, taught=False)
        for scheme in ("fp32", "int8"):
            info = model_info(exported, step, scheme, "", "")
            for kind in ("tflite", "onnx"):
                content, contents = written(kind, source, step_of(source, scheme), scheme)
                info.quantization.update(contents)
                write_model(folder / f"{info.name}.{kind}", info, content)
        states = random_states(model)
        found[architecture] = {
            "differences": sequence_and_steps(model, frames),
            "frames": frames,
            "logits": np.array([logits for _, logits in float_step.follow(frames)]),
            "states": dict(zip(model.state_shapes, states, strict=True)),
            "zeros": {name: np.asarray(zero) for name, zero in step.zeros.items()},
            "scale": np.asarray(model.normalize.scale),
            "logits_from_states": steps_from(model, frames, states),
        }
    return found
