"""Frames in, posteriors out, one step at a time; the state is an array that this object holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import ModelError
from kws_runtime.frontend import Frames
from kws_runtime.interpreter import make_interpreter
from kws_runtime.modelfile import ModelFile
from kws_runtime.quantization import Quantization, dequantize, quantize


class _Tensor:
    """An input or output of the interpreter: where it is and what its numbers mean."""

    def __init__(self, details: dict[str, Any]) -> None:
        scale, zero_point = details["quantization"]
        self.index = int(details["index"])
        self.shape = tuple(int(size) for size in details["shape"])
        self.quantization = Quantization(np.dtype(details["dtype"]), float(scale), int(zero_point))


class Step:
    """The streaming step of a model: `process` takes the frames of one step, `reset` forgets."""

    def __init__(self, model: ModelFile, interpreter: str | None = None, threads: int = 1) -> None:
        """Raises ModelError where the file's tensors are not what its kws.json says."""
        self.info = info = model.info
        try:
            self.interpreter, self._runner = make_interpreter(model.flatbuffer, interpreter, threads)
            inputs = {details["name"]: _Tensor(details) for details in self._runner.get_input_details()}
            outputs = {details["name"]: _Tensor(details) for details in self._runner.get_output_details()}
            self._frames, self._logits = inputs[info.frames_input], outputs[info.logits_output]
            self._states = [(inputs[state.input], outputs[state.output]) for state in info.states]
            self._pass = [into.quantization.same_as(out.quantization) for into, out in self._states]
        except ModelError as error:
            raise ModelError(f"{model.path}: {error}") from error
        except KeyError as error:
            raise ModelError(f"{model.path}: has no tensor {error} that its kws.json names") from error
        self._check_shapes(model)
        self.reset()

    def _check_shapes(self, model: ModelFile) -> None:
        info = self.info
        expected = [
            (self._frames, (1, info.window_frames or info.frames_per_step, info.frontend.features)),
            (self._logits, (1, len(info.labels))),
        ]
        for state, tensors in zip(info.states, self._states, strict=True):
            expected += [(tensor, state.shape) for tensor in tensors]
        for tensor, shape in expected:
            if tensor.shape != shape:
                raise ModelError(f"{model.path}: a tensor of shape {tensor.shape} where its kws.json says {shape}")

    @property
    def quantization(self) -> Quantization:
        """What the numbers of the frames mean that the model takes."""
        return self._frames.quantization

    def reset(self) -> None:
        """Back to the beginning: each state to the value that stands for zero, the window to silence."""
        info = self.info
        self._state_arrays = [
            quantize(np.full(state.shape, state.zero, np.float32), tensor.quantization)
            for state, (tensor, _) in zip(info.states, self._states, strict=True)
        ]
        silence = np.full(self._frames.shape, info.frontend.silence, np.float32)
        self._window = quantize(silence, self._frames.quantization)

    def states(self) -> dict[str, NDArray[np.float32]]:
        """Each state as it is now, in real numbers, by the name of its input."""
        tensors = zip(self.info.states, self._states, self._state_arrays, strict=True)
        return {state.input: dequantize(array[0], tensor.quantization) for state, (tensor, _), array in tensors}

    def set_states(self, values: dict[str, NDArray[np.float32]]) -> None:
        """Go on from these states, real numbers by the names of their inputs."""
        self._state_arrays = [
            quantize(values[state.input].reshape(state.shape), tensor.quantization)
            for state, (tensor, _) in zip(self.info.states, self._states, strict=True)
        ]

    def process(self, frames: Frames) -> NDArray[np.float32]:
        """Take the new frames (frames_per_step, features) of one step, real numbers or the model's own; return its
        logits (labels,)."""
        runner = self._runner
        numbers: NDArray[Any] = frames
        if frames.dtype != self._frames.quantization.dtype:
            numbers = quantize(frames, self.quantization)
        runner.set_tensor(self._frames.index, self._taken(numbers))
        for (tensor, _), array in zip(self._states, self._state_arrays, strict=True):
            runner.set_tensor(tensor.index, array)
        runner.invoke()
        for number, (into, out) in enumerate(self._states):
            array = runner.get_tensor(out.index)
            if not self._pass[number]:
                array = quantize(dequantize(array, out.quantization), into.quantization)
            self._state_arrays[number] = array
        return dequantize(runner.get_tensor(self._logits.index)[0], self._logits.quantization)

    def _taken(self, new: NDArray[Any]) -> NDArray[Any]:
        """What the model takes: the new frames (1, frames_per_step, features), or the window that ends with them."""
        if self.info.window_frames is None:
            return new[None]
        self._window[0, : -len(new)] = self._window[0, len(new) :]
        self._window[0, -len(new) :] = new
        return self._window


def posteriors_of(logits: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    """Logits (..., labels) to posteriors, by the activation that the model's file names."""
    return sigmoid(logits) if activation == "sigmoid" else softmax(logits)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits to posteriors, each label by itself; no logit is too large."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits), np.float32)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (..., labels) to posteriors that sum to 1."""
    if logits.ndim == 1:  # a few labels take numpy's calls longer than Python's own
        numbers = logits.tolist()
        largest = max(numbers)
        powers = [math.exp(number - largest) for number in numbers]
        total = sum(powers)
        return np.array([power / total for power in powers], np.float32)
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)
