"""Front end, step and detector joined: samples in, events out."""

from __future__ import annotations

import dataclasses
import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kws_runtime.audio import Chunk, Gap
from kws_runtime.detector import Detector, Event
from kws_runtime.errors import AudioError
from kws_runtime.frontend import FrontEnd, Samples
from kws_runtime.interpreter import INTERPRETERS
from kws_runtime.melgraph import graph_transform
from kws_runtime.modelfile import Detection, ModelFile, check_detection, read_model
from kws_runtime.step import Step, posteriors_of

LOUDEST_RMS = 10.0  # a resampler overshoots 1 a little; integers as floats lie far beyond


class Decision(NamedTuple):
    """What was heard at one step."""

    time: float  # seconds from the first sample of the stream to the last sample used
    scores: NDArray[np.float32]  # smoothed posteriors (labels,)
    event: Event | None


class Listener:
    """Hears the words of a model in a stream of samples of 16 kHz.

    >>> listener = Listener()                    # the bundled int8 GRU
    >>> for event in listener.process(samples):  # float32 (n,) in [-1, 1], any n
    ...     print(event.time, event.label, event.score)
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | ModelFile | None = None,
        detection: Detection | None = None,
        interpreter: str | None = None,
        threads: int = 1,
    ) -> None:
        """`model` is a path, a bundled model's name or None for the default one; `detection` overrides the file's.

        Raises ModelError for a faulty file, MissingError where no interpreter is installed.
        """
        file = model if isinstance(model, ModelFile) else read_model(model)
        self.info = dataclasses.replace(file.info, detection=detection) if detection else file.info
        check_detection(self.info.detection, self.info.words)
        self.step = Step(file, interpreter, threads)
        self.front_end = self._make_front_end()
        self.detector = Detector(self.info.labels, self.info.detection)
        self.reset()

    def _make_front_end(self) -> FrontEnd:
        config, frames = self.info.frontend, self.info.frames_per_step
        transform = None
        if self.interpreter in INTERPRETERS:
            transform = graph_transform(config, frames, self.interpreter, self.step.quantization)
        return FrontEnd(config, transform, frames)

    @property
    def interpreter(self) -> str:
        """The name of the interpreter that runs the model."""
        return self.step.interpreter

    def reset(self) -> None:
        """Begin a new stream: forget samples, state, posteriors and events, and count time from 0."""
        self._begin_at(0.0)

    def _begin_at(self, seconds: float) -> None:
        self.front_end.reset()
        self.step.reset()
        self.detector.reset()
        self._began, self._samples, self._steps = seconds, 0, 0

    @property
    def seconds(self) -> float:
        """The time in the stream up to which samples were taken, gaps included."""
        return self._began + self._samples / self.info.frontend.sample_rate

    def posteriors(self, samples: Samples) -> NDArray[np.float32]:
        """Take samples (n,); return the posteriors (steps, labels) of the steps they complete.

        Raises AudioError for samples of another kind.
        """
        made = [posteriors for _, posteriors in self._steps_of(samples)]
        return np.array(made, np.float32).reshape(len(made), len(self.info.labels))

    def _steps_of(self, samples: Samples) -> list[tuple[int, NDArray[np.float32]]]:
        """The number and the posteriors (labels,) of each step that the samples complete."""
        _check(samples)
        self._samples += len(samples)
        found = []
        frames, size = self.front_end.process(samples), self.info.frames_per_step
        for first in range(0, len(frames), size):
            logits = self.step.process(frames[first : first + size])
            found.append((self._steps, posteriors_of(logits, self.info.activation)))
            self._steps += 1
        return found

    def decisions(self, chunk: Chunk) -> list[Decision]:
        """Take samples (n,) or a gap; return what was heard at each step that the samples complete.

        After a gap nothing of what went before is known any more; its seconds count as time of the stream.
        """
        if isinstance(chunk, Gap):
            self._begin_at(self.seconds + chunk.seconds)
            return []
        found = []
        for step, posteriors in self._steps_of(chunk):
            time = self._began + self.info.step_end(step)
            scores = self.detector.smooth(posteriors)
            found.append(Decision(time, scores, self.detector.decide(scores, time)))
        return found

    def process(self, chunk: Chunk) -> list[Event]:
        """Take samples (n,) or a gap; return the events they raise."""
        return [decision.event for decision in self.decisions(chunk) if decision.event]


def _check(samples: Samples) -> None:
    """Raise AudioError for what is no audio: one NaN would stay in the state for ever."""
    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise AudioError(f"expected samples (n,) of float32 in [-1, 1], not {samples.shape} of {samples.dtype}")
    energy = float(np.vdot(samples, samples))  # not finite where a sample is not, cheap, and without a warning
    if not energy <= LOUDEST_RMS**2 * len(samples):
        raise AudioError(f"samples of an RMS of {np.sqrt(energy / len(samples)):g}; they must lie in [-1, 1]")
