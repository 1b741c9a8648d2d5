"""Care for the samples before they are heard: an automatic gain for people who speak from afar.

What it is worth, and why there is no remover of DC here, docs/care.md has in figures.
"""

from __future__ import annotations

import numpy as np

from kws_runtime.audio import Chunk, Gap
from kws_runtime.frontend import SAMPLE_RATE

BLOCK_SAMPLES = 320  # 20 ms
TARGET = 10 ** (-36 / 20)  # RMS of the loud blocks of the quietest words in training; what is quieter is raised to it
MOST_GAIN = 10 ** (30 / 20)  # beyond it the microphone's own noise is what would be raised
RELEASE_DB_S = 1.5  # how fast the level falls while somebody speaks more quietly
OVER_NOISE = 10 ** (10 / 20)  # a block so far over the noise is a sound; the others change nothing
NOISE_RISE_DB_S = 1.0  # the noise is the quietest block of late
MOST_OFFSET = 0.5  # that DC may be raised to: more would leave no room for the waves on top of it
QUIETEST_NOISE = 1e-5  # RMS, -100 dBFS: digital silence is no noise to measure by


def _a_block(db_a_second: float) -> float:
    return float(10 ** (db_a_second * BLOCK_SAMPLES / SAMPLE_RATE / 20))


class GainControl:
    """Raises quiet speech by up to 30 dB. What is as loud as in training it leaves as it is.

    The level follows loud blocks at once and falls slowly, in blocks that are sounds only: in a silent room the gain
    stays where it was, or the first word after a silence would come out far too loud. The size of the chunks never
    changes a sample, and none is held back: the gain of a block is known from those before it.
    """

    def __init__(self) -> None:
        self._release, self._noise_rise = _a_block(-RELEASE_DB_S), _a_block(NOISE_RISE_DB_S)
        self.reset()

    def reset(self) -> None:
        """Begin anew, without gain."""
        self._level, self._noise = TARGET, TARGET
        self._gains = [1.0, 1.0]  # at the beginning and the end of the block that is not whole yet
        self._kept = np.zeros(0, np.float32)  # what that block has of samples

    def process(self, chunk: Chunk) -> Chunk:
        """Take samples (n,) in [-1, 1]; return as many. A gap is handed on: the speaker has not moved in it."""
        if isinstance(chunk, Gap):
            return chunk
        samples = np.concatenate([self._kept, chunk])
        count = len(samples) // BLOCK_SAMPLES
        blocks = samples[: count * BLOCK_SAMPLES].reshape(count, BLOCK_SAMPLES)
        waves, offsets = blocks.std(1).tolist(), np.abs(blocks.mean(1)).tolist()
        gains = [*self._gains, *map(self._gain_after, waves, offsets)]
        self._gains, self._kept = gains[-2:], samples[count * BLOCK_SAMPLES :].copy()
        block, place = np.divmod(np.arange(len(samples)), BLOCK_SAMPLES)
        starts, steps = np.array(gains)[block], np.diff(gains)[block]
        raised = samples * (starts + steps * (place / BLOCK_SAMPLES))
        return raised[len(samples) - len(chunk) :].clip(-1, 1).astype(np.float32)

    def _gain_after(self, rms: float, offset: float) -> float:
        """What is to be reached when the next block ends, after one of this RMS around this offset."""
        self._noise = max(min(self._noise * self._noise_rise, rms), QUIETEST_NOISE)
        if rms > self._noise * OVER_NOISE:
            self._level *= self._release
        self._level = max(self._level, rms, TARGET / MOST_GAIN)
        return max(1.0, min(TARGET / self._level, MOST_OFFSET / max(offset, MOST_OFFSET / MOST_GAIN)))
