"""What the tests of ONNX ask of TensorFlow, in a process of its own (see `keras_side`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.export.zoo_side import TINY as STREAMING

TINY: dict[str, dict[str, Any]] = STREAMING | {"ds-cnn": {"filters": 8, "blocks": 2}}
SCHEMES = {architecture: ("int8",) for architecture in TINY} | {"gru": ("int8", "int8-narrow", "int16x8")}
STEPS = 60
RANGES = {"moving_mean": (-0.5, 0.5), "moving_variance": (0.3, 2.0), "gamma": (0.5, 1.5), "beta": (-0.5, 0.5)}
RANGES |= {"bias": (-0.5, 0.5), "mean": (-0.5, 0.5), "scale": (0.5, 1.5)}


def make_models(folder: Path) -> dict[str, dict[str, Any]]:
    """For each architecture `<architecture>-<scheme>.onnx` in the folder, and what Keras and the graphs say to the
    same frames: logits of each scheme; and from random states, the logits and the states after them."""
    from kws_export.onnx_graph import to_onnx, to_onnx_dynamic
    from kws_train.graph.float_step import FloatStep
    from kws_train.graph.quantize import quantize, with_integers
    from kws_train.graph.ranges import logits_of, observe

    found = {}
    for architecture in TINY:
        model = _tiny_model(architecture)
        step, rng = _graph_here(model), np.random.default_rng(len(architecture))
        frames = rng.normal(0, 1, (STEPS * model.config.stride, model.config.features)).astype(np.float32)
        keras = np.array([logits for _, logits in FloatStep(model).follow(frames)])
        logits = {"fp32": keras, "graph": logits_of(step, frames)}
        _write(folder, architecture, "fp32", model, step, to_onnx(step))
        _write(folder, architecture, "dynamic", model, step, to_onnx_dynamic(step))
        for scheme in SCHEMES[architecture]:
            quantized = quantize(step, observe(step, frames), scheme)
            integers = replace(quantized, graph=with_integers(quantized.graph))
            logits[scheme] = _rounded_logits(quantized, integers, frames)
            _write(folder, architecture, scheme, model, step, to_onnx(integers))
        found[architecture] = {"frames": frames, "logits": logits, "random": _from_random_states(step, frames)}
    return found


def bundled_as_onnx(folder: Path, name: str) -> Path:
    """A bundled float TFLite model as an ONNX file with the same description."""
    from kws_export.onnx_graph import to_onnx
    from kws_runtime.modelfile import read_model, write_model
    from kws_train.graph.ir import read_graph
    from kws_train.graph.ranges import StepGraph

    file = read_model(name)
    states = {state.input: state.output for state in file.info.states}
    step = StepGraph(read_graph(file.flatbuffer), states, file.info.frames_per_step, file.info.window_frames)
    write_model(folder / f"{name}.onnx", file.info, to_onnx(step))
    return folder / f"{name}.onnx"


def _tiny_model(architecture: str) -> Any:
    """A model with no weight at the value that a new one has, so that nothing folds away unseen."""
    import keras

    from kws_train.models import build

    keras.utils.set_random_seed(1)
    model, rng = build(architecture, **TINY[architecture]), np.random.default_rng(2)
    for variable in model.variables:
        name = variable.path.rsplit("/", 1)[-1]
        if name in RANGES:
            variable.assign(rng.uniform(*RANGES[name], variable.shape))
    return model


def _graph_here(model: Any) -> Any:
    """The step as a graph, without a process for each conversion."""
    from kws_train.graph import convert
    from kws_train.graph.float_step import FloatStep

    convert._convert = lambda saved_model, out: convert._convert_here(str(saved_model))
    return convert.graph_of(FloatStep(model))


def _write(folder: Path, architecture: str, scheme: str, model: Any, step: Any, content: bytes) -> None:
    from kws_runtime.modelfile import Detection, ModelInfo, State, write_model

    labels = ("_background_", *(f"word{number}" for number in range(1, model.config.labels)))
    states = []
    for name, out in step.states.items():
        zero = tuple(float(number) for number in step.zeros[name]) if name in step.zeros else 0.0
        states.append(State(name, out, step.graph.tensors[name].shape, zero))
    info = ModelInfo(
        name=f"{architecture}-{scheme}",
        labels=labels,
        frontend=model.frontend,
        frames_per_step=step.frames_per_step,
        detection=Detection(dict.fromkeys(labels[1:], 0.5)),
        states=tuple(states),
        activation=model.config.activation,
        window_frames=step.window_frames,
    )
    write_model(folder / f"{info.name}.onnx", info, content)


def _rounded_logits(quantized: Any, integers: Any, frames: np.ndarray) -> np.ndarray:
    """Logits of the quantized graph where each activation is rounded as `execute.rounded` does, and the constants stand
    for what their integers say."""
    from kws_train.graph.execute import rounded
    from kws_train.graph.ir import constant
    from kws_train.graph.ranges import logits_of

    graph = quantized.graph.copy()
    for name, tensor in integers.graph.tensors.items():
        if tensor.data is not None and tensor.quantized is not None:
            shape = [1] * tensor.data.ndim
            if len(tensor.quantized.scale) > 1:
                shape[tensor.quantized.axis] = -1
            numbers = tensor.data.astype(np.float64) - tensor.quantized.zero_point
            graph.put(constant(name, (numbers * tensor.quantized.scale.reshape(shape)).astype(np.float32)))
    return logits_of(replace(quantized, graph=graph), frames, rounded)


def _from_random_states(step: Any, frames: np.ndarray) -> dict[str, Any]:
    from kws_train.graph.ranges import follow

    rng = np.random.default_rng(3)
    begin = {name: rng.uniform(-1, 1, step.graph.tensors[name].shape[1:]) for name in step.states}
    followed = list(follow(replace(step, zeros=begin), frames, ("logits", *step.states.values())))
    return {
        "begin": {name: state[None].astype(np.float32) for name, state in begin.items()},
        "logits": np.concatenate([values["logits"] for values in followed]),
        "end": {name: followed[-1][out] for name, out in step.states.items()},
        "windows": list(step.windows(frames)),
    }
