"""What the tests of the architectures ask of Keras, all in one process of its own (see `keras_side`)."""

from __future__ import annotations

from pathlib import Path
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


def make_all(folder: Path) -> dict[str, dict[str, Any]]:
    """For each streaming architecture: what sequence and steps differ by, frames, float logits, and two files."""
    from kws_train.graph.convert import _convert_here
    from kws_export.main import _info
    from kws_train.graph.float_step import FloatStep
    from kws_export.verify import read_back
    from kws_runtime.modelfile import write_model

    found = {}
    for architecture in TINY:
        model = tiny_model(architecture)
        frames, step = frames_for(architecture, model), FloatStep(model)
        followed = list(step.follow(frames))
        calibration = folder / f"{architecture}.npz"
        np.savez(calibration, **{name: np.stack([taken[name] for taken, _ in followed]) for name in followed[0][0]})
        labels = ["_background_", *(f"word{number}" for number in range(1, model.config.labels))]
        description = {"architecture": architecture, "labels": labels, "frontend": model.frontend.to_json()}
        for scheme in ("fp32", "int8"):
            saved_model = folder / f"{architecture}-{scheme}"
            step.save(saved_model, quantized=scheme == "int8")
            flatbuffer = _convert_here(str(saved_model), scheme, str(calibration))
            info = _info(description, step, scheme, "", "")
            info.quantization.update(read_back(flatbuffer))
            write_model(folder / f"{info.name}.tflite", info, flatbuffer)
        found[architecture] = {
            "differences": sequence_and_steps(model, frames),
            "frames": frames,
            "logits": np.array([logits for _, logits in followed]),
        }
    return found
