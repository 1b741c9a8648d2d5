"""How loud a recording is, and noise at a given distance below it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.frontend import Samples

LOUDNESS_FRAME = 160  # 10 ms
QUIETEST_NOISE = 1e-5  # RMS, -100 dBFS: a piece of noise that is quieter is not raised without bound
QUIETEST_DBFS = -100.0  # digital silence is called so


def dbfs(rms: float) -> float:
    """An RMS in dB of full scale, that of a square wave."""
    return max(QUIETEST_DBFS, 20 * float(np.log10(max(rms, 1e-9))))


def loudness(samples: Samples) -> float:
    """RMS of the louder half of the 10 ms frames: the level of the sound, whatever the pauses."""
    count = max(1, len(samples) // LOUDNESS_FRAME)
    energy = np.square(samples[: count * LOUDNESS_FRAME]).reshape(count, -1).mean(1)
    return float(np.sqrt(np.sort(energy)[count // 2 :].mean()) + 1e-9)


def noise_under(level: float, noise: Samples, snr_db: float) -> Samples:
    """A piece of noise (n,), scaled to an RMS of `snr_db` under `level`, a sound's loudness."""
    rms = max(float(np.sqrt(np.square(noise).mean())), QUIETEST_NOISE)
    return noise * np.float32(level / rms * 10 ** (-snr_db / 20))


def random_piece(samples: NDArray[Any], length: int, rng: np.random.Generator) -> NDArray[Any]:
    """A piece (length,) that begins anywhere and goes on at the recording's beginning where it ends."""
    at = int(rng.integers(len(samples)))
    piece = samples[at : at + length]
    while len(piece) < length:
        piece = np.concatenate([piece, samples[: length - len(piece)]])
    return piece
