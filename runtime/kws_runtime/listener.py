"""Front end, step and detector joined: samples in, events out."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
from numpy.typing import NDArray

from kws_runtime.detector import Detector, Event
from kws_runtime.frontend import FrontEnd, Samples
from kws_runtime.modelfile import Detection, ModelFile, check_detection, read_model
from kws_runtime.step import Step, softmax


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
        self._front_end = FrontEnd(self.info.frontend)
        self._step = Step(file, interpreter, threads)
        self._detector = Detector(self.info.labels, self.info.detection)
        self.reset()

    @property
    def interpreter(self) -> str:
        """The name of the interpreter that runs the model."""
        return self._step.interpreter

    def reset(self) -> None:
        """Begin a new stream: forget samples, state, posteriors and events, and count time from 0."""
        self._front_end.reset()
        self._step.reset()
        self._detector.reset()
        self._frames = np.zeros((0, self.info.frontend.features), np.float32)
        self._steps_done = 0

    def posteriors(self, samples: Samples) -> NDArray[np.float32]:
        """Take samples (n,); return the posteriors (steps, labels) of the steps they complete."""
        size = self.info.frames_per_step
        frames = self._front_end.process(samples)
        if len(self._frames):
            frames = np.concatenate([self._frames, frames])
        count = len(frames) // size
        self._frames = frames[count * size :]
        self._steps_done += count
        logits = [self._step.process(frames[step * size : (step + 1) * size]) for step in range(count)]
        return softmax(np.array(logits, np.float32).reshape(count, len(self.info.labels)))

    def process(self, samples: Samples) -> list[Event]:
        """Take samples (n,); return the events they raise."""
        first = self._steps_done
        events = []
        for number, posteriors in enumerate(self.posteriors(samples)):
            event = self._detector.process(posteriors, self.info.step_end(first + number))
            if event is not None:
                events.append(event)
        return events
