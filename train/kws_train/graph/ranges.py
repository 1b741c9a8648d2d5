"""The range of every tensor of a step, from what the float model does on a carried stream.

The whole difference between a GRU that hears in int8 and one that does not is here: ranges seen on states that the
model reaches on a stream, not on zeros (docs/quantization.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kws_train.graph.execute import Hook, as_is, run
from kws_train.graph.ir import Graph, Tensor

MOST_STEPS = 3000  # whose values are kept: neighbours are nearly alike
TAILS = (0.0, 1e-5, 1e-4, 3e-4, 1e-3)  # share of the values cut off at either end; the least squared error wins
MOST_VALUES = 400_000  # of a tensor, that the choice looks at
BOUNDED = {"LOGISTIC": 8.0, "TANH": 4.0}  # what goes into these says no more beyond

Range = tuple[float, float]
Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class StepGraph:
    """A step's graph and how it moves along a stream."""

    graph: Graph
    states: Mapping[str, str]  # input of each state: its output
    frames_per_step: int
    window_frames: int | None = None  # a model without states sees these
    silence: float = 0.0  # what lies before the first frame of a window
    zeros: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # of a state, where it is not 0

    def initial(self, streams: int = 1) -> Arrays:
        """The states before the first frame, (streams, ...)."""
        made = {}
        for name in self.states:
            shape = self.graph.tensors[name].shape[1:]
            zero = np.broadcast_to(self.zeros.get(name, np.float32(0)), shape)
            made[name] = np.repeat(zero[None], streams, 0).astype(np.float32)
        return made

    def windows(self, frames: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """What `frames` of each step is, of a stream of frames (n, features)."""
        k, width = self.frames_per_step, self.window_frames
        if width:
            silence = np.full((width - k, frames.shape[1]), self.silence, np.float32)
            frames = np.concatenate([silence, frames])
        for first in range(0, len(frames) - (width or k) + 1, k):
            yield frames[None, first : first + (width or k)]


def follow(
    step: StepGraph,
    frames: NDArray[np.float32],
    names: tuple[str, ...] = ("logits",),
    hook: Hook = as_is,
    forced: Iterator[Arrays | None] | None = None,
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Carry the states through a stream of frames (n, features); of each step the tensors `names`.

    `forced`: states to be set before each step in place of those that were reached, where it gives any.
    """
    wanted = tuple(dict.fromkeys([*names, *step.states.values()]))

    def one(inputs: dict[str, Any]) -> dict[str, Any]:
        values = run(step.graph, inputs, {}, hook)
        return {name: values[name] for name in wanted}

    compiled, states = tf.function(one, autograph=False), step.initial()
    for taken in step.windows(frames):
        given = next(forced) if forced is not None else None
        states = states if given is None else given
        values = compiled({"frames": tf.constant(taken), **{n: tf.constant(v) for n, v in states.items()}})
        states = {name: values[out].numpy() for name, out in step.states.items()}
        yield {name: values[name].numpy() for name in names}


def logits_of(step: StepGraph, frames: NDArray[np.float32], hook: Hook = as_is) -> NDArray[np.float32]:
    """Logits (steps, labels) on a carried stream."""
    return np.concatenate([values["logits"] for values in follow(step, frames, hook=hook)])


def observe(step: StepGraph, frames: NDArray[np.float32], forced: Iterator[Arrays | None] | None = None) -> Arrays:
    """What every tensor holds along a stream: (steps, ...) by name, of evenly spread steps."""
    names = tuple(tensor.name for tensor in step.graph.activations() if tensor.dtype == "float32")
    every = max(1, len(frames) // step.frames_per_step // MOST_STEPS)
    kept = [values for number, values in enumerate(follow(step, frames, names, as_is, forced)) if number % every == 0]
    return {name: np.concatenate([values[name] for values in kept]) for name in names}


def choose_range(values: NDArray[np.float32], symmetric: bool) -> Range:
    """The range of 256 numbers with the least squared error on `values`; 0 lies in it."""
    flat = np.ravel(values)
    flat = np.sort(flat[:: max(1, len(flat) // MOST_VALUES)]).astype(np.float64)
    best, least = (0.0, 1.0), np.inf
    for tail in TAILS:
        cut = int(tail * len(flat))
        low, high = min(0.0, flat[cut]), max(0.0, flat[-1 - cut])
        if symmetric:
            high = max(-low, high)
            low = -high
        step = max((high - low) / 255, 1e-9)
        error = np.square(np.clip(np.rint(flat / step) * step, low, high) - flat).mean()
        if error < least:
            best, least = (float(low), float(high)), error
    return best


def bound_of(graph: Graph, tensor: Tensor) -> float | None:
    """The bound of a tensor that only goes into a sigmoid or a tanh."""
    kinds = {op.kind for op in graph.consumers(tensor.name)}
    return BOUNDED[kinds.pop()] if len(kinds) == 1 and kinds <= set(BOUNDED) else None
