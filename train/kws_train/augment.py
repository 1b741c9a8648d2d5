"""What makes one recording sound like many. Every function takes and returns float32 samples (n,)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from kws_runtime.frontend import SAMPLE_RATE, Frames, Samples
from kws_runtime.levels import LOUDNESS_FRAME


def speech_bounds(samples: Samples, below_peak_db: float = 30.0, above_floor_db: float = 8.0) -> tuple[int, int]:
    """Start and end of the sound in a recording, in samples, by the energy of 10 ms frames.

    A frame belongs to it that lies within `below_peak_db` of the loudest and over the quietest tenth.
    """
    count = len(samples) // LOUDNESS_FRAME
    if count < 4:
        return 0, len(samples)
    energy = np.square(samples[: count * LOUDNESS_FRAME], dtype=np.float32).reshape(count, -1).mean(1)
    smooth = np.convolve(energy, np.ones(3) / 3, "same") + 1e-12
    level = 10 * np.log10(smooth)
    limit = max(level.max() - below_peak_db, min(np.percentile(level, 10) + above_floor_db, level.max() - 6))
    active = np.flatnonzero(level >= limit)
    return int(active[0]) * LOUDNESS_FRAME, min(len(samples), (int(active[-1]) + 1) * LOUDNESS_FRAME)


def change_speed(samples: Samples, factor: float) -> Samples:
    """Play `factor` times as fast; the pitch moves with it."""
    at = np.arange(int(len(samples) / factor)) * factor
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def tilt(samples: Samples, slope: float) -> Samples:
    """A first-order filter 1 + slope z^-1: a duller or a sharper microphone."""
    tilted = samples.copy()
    tilted[1:] += slope * samples[:-1]
    return tilted


def reverberate(samples: Samples, response: Samples) -> Samples:
    """What a room makes of a sound: its convolution with the room's response, cut to its length."""
    count = len(samples) + len(response) - 1
    size = next_fast_len(count, real=True)
    return np.asarray(irfft(rfft(samples, size) * rfft(response, size), size)[: len(samples)])


def coloured_noise(rng: np.random.Generator, seconds: float, exponent: float) -> Samples:
    """Noise whose power falls with frequency to the `exponent` (0 white, 1 pink, 2 brown), RMS 0.1."""
    count = int(seconds * SAMPLE_RATE)
    spectrum = rng.standard_normal(count // 2 + 1) + 1j * rng.standard_normal(count // 2 + 1)
    spectrum /= np.maximum(np.arange(count // 2 + 1), 20 * seconds) ** (exponent / 2)  # flat below 20 Hz
    noise = np.fft.irfft(spectrum, count)
    return (0.1 * noise / noise.std()).astype(np.float32)


def mask_bands(frames: Frames, rng: np.random.Generator, max_bands: int) -> None:
    """SpecAugment's frequency mask (Park et al., arXiv 1904.08779), in place: a few bands lose their shape."""
    width = int(rng.integers(1, max_bands + 1))
    low = int(rng.integers(0, frames.shape[1] - width + 1))
    frames[:, low : low + width] = frames[:, low : low + width].mean(0)


def mask_time(frames: Frames, rng: np.random.Generator, max_frames: int) -> None:
    """SpecAugment's time mask, in place: a few frames become the mean of their surroundings."""
    width = int(rng.integers(1, max_frames + 1))
    first = int(rng.integers(0, len(frames) - width + 1))
    frames[first : first + width] = frames.mean(0)


def to_float(pcm: NDArray[np.int16]) -> Samples:
    """int16 to float32 in [-1, 1)."""
    return pcm.astype(np.float32) / 32768.0
