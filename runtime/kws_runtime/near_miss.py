"""Near misses: moments at which a word nearly raised an event. They show what a lower threshold would hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kws_runtime.listener import Decision
from kws_runtime.modelfile import Detection

# Of a word's threshold. With 0.5 the bundled GRU has 24 an hour in reading and 23 in ambience, and of the words that it
# misses in a quiet room it keeps 72 %; with 0.3 it is 45, 44 and 79 %, with 0.7 it is 13, 13 and 56 %.
NEAR_SHARE = 0.5
CALM_SECONDS = 1.0  # without an event or a higher score, before and after; as long as an event may follow its word
LOWEST_THRESHOLD = 1e-6  # thresholds may be 0


@dataclass(frozen=True)
class NearMiss:
    """The peak of a word that was nearly heard."""

    time: float  # seconds of the stream, as in Decision
    label: str  # the word that came nearest to its threshold
    score: float  # its smoothed posterior


class NearMisses:
    """Takes decisions in order, gives near misses, each CALM_SECONDS after its peak."""

    def __init__(self, labels: Sequence[str], detection: Detection) -> None:
        thresholds = [detection.thresholds.get(label, np.inf) for label in labels]
        self._labels = tuple(labels)
        self._thresholds = np.maximum(thresholds, LOWEST_THRESHOLD).astype(np.float32)  # as the detector has them
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._peak: NearMiss | None = None
        self._peak_share = 0.0
        self._reached_at = -np.inf  # when a word last reached its threshold, whether that raised an event or not
        self._fell = True  # below NEAR_SHARE, since the last near miss or event: one rise is one near miss

    def process(self, decision: Decision) -> NearMiss | None:
        """The near miss that is now certain to be one."""
        shares = decision.scores / self._thresholds
        best = int(shares.argmax())
        share = float(shares[best])
        if share >= 1:
            self._peak, self._reached_at, self._fell = None, decision.time, False
            return None
        if share < NEAR_SHARE:
            self._fell = True
        elif self._peak is None:
            if self._fell and decision.time - self._reached_at >= CALM_SECONDS:
                self._rise(decision, best, share)
        elif share > self._peak_share:
            self._rise(decision, best, share)
        if self._peak is not None and decision.time - self._peak.time >= CALM_SECONDS:
            return self.finish()
        return None

    def finish(self) -> NearMiss | None:
        """The near miss that is still waited for, at the end of a stream."""
        peak, self._peak = self._peak, None
        return peak

    def _rise(self, decision: Decision, best: int, share: float) -> None:
        self._peak = NearMiss(decision.time, self._labels[best], float(decision.scores[best]))
        self._peak_share, self._fell = share, False
