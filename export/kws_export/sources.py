"""From a run directory to what is exported: the float step, its ranges, and what the files are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_export.steps import Source
from kws_runtime.errors import DataError
from kws_train.graph.convert import graph_of
from kws_train.graph.float_step import FloatStep, is_taught, load_run
from kws_train.graph.ranges import Arrays, StepGraph, logits_of, observe
from kws_train.qat import read_taught
from kws_train.rundir import RunDir

CLIP_STEPS = 25  # a second: then the state is new
LEAST_STEPS = 100  # of a calibration stream


class Exported:
    """What a run holds, read and checked. Raises DataError where a part is missing, damaged or of another model."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.description, model = load_run(run)
        self.float_step = FloatStep(model)
        self.taught = is_taught(self.description)
        if self.taught:
            self.step, self.taught_step = read_taught(run, self.float_step)
        else:
            self.step = graph_of(self.float_step)
        self.calibration = self._frames("calibration.npz")
        self.stream = self._frames("agreement.npz")

    def _frames(self, name: str) -> NDArray[np.float32]:
        arrays, config = self.run.read_arrays(name), self.float_step.model.config
        frames = arrays.get("frames", np.zeros(0))
        if frames.ndim != 2 or frames.shape[1] != config.features or not np.isfinite(frames).all():
            raise DataError(f"{self.run.path / name}: holds no frames of {config.features} features; train again")
        if len(frames) < LEAST_STEPS * config.stride:
            raise DataError(f"{self.run.path / name}: {len(frames)} frames are too few; train again")
        return frames

    def source(self, calibration: str = "stream") -> Source:
        """What `schemes` needs; states as `calibration` says while the ranges are looked for."""
        seen = observe(self.step, self.calibration, _states(self.step, calibration))
        return Source(self.step, seen, self.taught_step if self.taught else None)

    def reference(self) -> NDArray[np.float32]:
        """Logits (steps, labels) of the float model over the agreement stream: of Keras, or of the float step that was
        taught beside the int8 one."""
        if self.taught:
            return logits_of(self.step, self.stream)
        return np.array([logits for _, logits in self.float_step.follow(self.stream)])


def _states(step: StepGraph, calibration: str) -> Iterator[Arrays | None] | None:
    """For each step the states to set before it; None: go on from those that were reached."""
    if calibration == "stream":
        return None
    return _forced(step, calibration)


def _forced(step: StepGraph, calibration: str) -> Iterator[Arrays | None]:
    initial, rng = step.initial(), np.random.default_rng(0)
    number = 0
    while True:
        if calibration == "random":
            yield {name: zero + rng.uniform(-1, 1, zero.shape).astype(np.float32) for name, zero in initial.items()}
        else:
            yield initial if calibration == "zero" or number % CLIP_STEPS == 0 else None
        number += 1


def zeros_of(step: StepGraph) -> dict[str, Any]:
    """What `kws.json` says of each state's zero: a number, or one for each feature."""
    return {
        name: tuple(float(value) for value in step.zeros[name]) if name in step.zeros else 0.0 for name in step.states
    }
