"""Posteriors in, events out: smoothing, a threshold for each word, and refractory times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.modelfile import Detection


@dataclass(frozen=True)
class Event:
    """A word was heard."""

    time: float  # seconds from the first sample of the stream to the last sample used for the decision
    label: str
    score: float  # smoothed posterior

    def to_json(self) -> dict[str, Any]:
        return {"event": "detection", "time": round(self.time, 3), "label": self.label, "score": round(self.score, 3)}


class Detector:
    """Raises an event when a word's smoothed posterior rises over its threshold, unless one was just raised."""

    def __init__(self, labels: Sequence[str], config: Detection) -> None:
        self.config = config
        self._labels = tuple(labels)
        # what is no word never reaches an infinite threshold
        self.thresholds = np.array([config.thresholds.get(label, np.inf) for label in labels], np.float32)
        self._steps = np.array(config.smoothing_steps, np.float32)
        self._ones = np.ones(config.smoothing_steps, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the posteriors and the events before."""
        steps = self.config.smoothing_steps
        self._recent = np.zeros((steps, len(self._labels)), np.float32)
        self._place = 0
        self._was_over = [False] * len(self._labels)
        self._last: Event | None = None

    def smooth(self, posteriors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take one step's posteriors (labels,); return the mean of the last steps. Before the first lie zeros."""
        self._recent[self._place] = posteriors
        self._place = (self._place + 1) % len(self._recent)
        return self._ones.dot(self._recent) / self._steps  # a sum over the first axis, in fewer instructions

    def process(self, posteriors: NDArray[np.float32], time: float) -> Event | None:
        """Take one step's posteriors (labels,), whose last sample lies at `time`; return the event it raises."""
        return self.decide(self.smooth(posteriors), time)

    def decide(self, smoothed: NDArray[np.float32], time: float) -> Event | None:
        """The event that one step's smoothed posteriors raise. The highest score wins."""
        over = (smoothed >= self.thresholds).tolist()
        if not any(over):
            self._was_over = over
            return None
        return self._rise(over, smoothed.tolist(), time)

    def _rise(self, over: list[bool], scores: list[float], time: float) -> Event | None:
        risen = [label for label, is_over in enumerate(over) if is_over and not self._was_over[label]]
        self._was_over = over
        if not risen:
            return None
        best = max(risen, key=scores.__getitem__)
        label = self._labels[best]
        if self._last is not None:
            same = label == self._last.label
            wait = self.config.refractory_same_s if same else self.config.refractory_other_s
            if time - self._last.time < wait:
                return None
        self._last = Event(time, label, scores[best])
        return self._last


def moving_mean(posteriors: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Smoothed posteriors (..., steps, labels) of whole streams; before the first step lie zeros, as in `Detector`."""
    before = np.zeros((*posteriors.shape[:-2], size - 1, posteriors.shape[-1]), posteriors.dtype)
    padded = np.concatenate([before, posteriors], -2)
    return np.lib.stride_tricks.sliding_window_view(padded, size, -2).mean(-1)


def events_in(
    smoothed: NDArray[np.float32], times: NDArray[np.float64], labels: Sequence[str], config: Detection
) -> list[Event]:
    """The events of a whole stream of smoothed posteriors (steps, labels): the detector, run where it matters.

    Only steps at which something is or was just over a threshold can change the detector, so the rest is left
    out: that makes a search for thresholds quick.
    """
    detector = Detector(labels, config)
    over = (smoothed >= detector.thresholds).any(1)
    near = over.copy()
    near[1:] |= over[:-1]
    found = (detector.decide(smoothed[step], float(times[step])) for step in np.flatnonzero(near))
    return [event for event in found if event is not None]
