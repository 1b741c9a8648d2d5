"""Isolated clips as the figures define them: centred in a second, followed by quiet, over faint noise."""

from __future__ import annotations

import numpy as np

from kws_runtime.frontend import Samples

CLIP_SAMPLES = 16_000
QUIET_SAMPLES = 6_400  # a word may be named a little after its end
ITEM_SAMPLES = CLIP_SAMPLES + QUIET_SAMPLES  # 35 steps of 40 ms: items of a stream begin with a step
NOISE_DBFS = -70.0
BACKGROUND_THRESHOLD = 0.5  # a clip in which no word's score reaches this is heard as background


def lay_clip(samples: Samples, rng: np.random.Generator) -> Samples:
    """A clip of any length, centred in a second (longer ones lose both ends), as an item (ITEM_SAMPLES,)."""
    noise_rms = 10 ** (NOISE_DBFS / 20)
    item = (noise_rms * rng.standard_normal(ITEM_SAMPLES)).astype(np.float32)
    surplus = max(0, len(samples) - CLIP_SAMPLES)
    samples = samples[surplus // 2 : surplus // 2 + CLIP_SAMPLES]
    first = (CLIP_SAMPLES - len(samples)) // 2
    item[first : first + len(samples)] += samples
    return item
