"""Samples in, log-mel frames out.

A frame i covers samples [hop * i, hop * i + window). What the samples of one call leave over is
kept for the next, so the size of the chunks never changes a frame.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import ModelError

Samples = NDArray[np.float32]
Frames = NDArray[np.float32]

SAMPLE_RATE = 16_000
FRAMES_AT_ONCE = 4096  # bounds the memory that a long recording needs to some 50 MB


@dataclass(frozen=True)
class LogMel:
    """Parameters of the log-mel front end; they travel in the model file."""

    kind: str = "log-mel"
    sample_rate: int = SAMPLE_RATE  # Hz
    window: int = 512  # samples, periodic Hann
    hop: int = 320  # samples: 20 ms
    fft: int = 512  # points
    bands: int = 40  # triangles of peak 1, equally wide in HTK mel
    low_hz: float = 60.0
    high_hz: float = 7600.0
    floor: float = 1e-3  # added to a band's energy before the logarithm

    @property
    def silence(self) -> float:
        """The log-mel value of digital silence."""
        return float(np.log(self.floor))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> LogMel:
        """Read what `to_json` wrote. Raises ModelError for a front end we do not have."""
        if values.get("kind") != "log-mel":
            raise ModelError(f"front end {values.get('kind')!r} is not known; this version has 'log-mel'")
        try:
            config = cls(**values)
        except TypeError as error:
            raise ModelError(f"front end 'log-mel' with parameters that are not known: {error}") from error
        config._check()
        return config

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def _check(self) -> None:
        sizes = (self.sample_rate, self.window, self.hop, self.fft, self.bands)
        if not all(isinstance(size, int) and 0 < size <= 1 << 20 for size in sizes) or self.window > self.fft:
            raise ModelError(f"front end 'log-mel' with sizes that cannot be: {self}")
        limits = (self.low_hz, self.high_hz, self.floor)
        if not all(isinstance(limit, int | float) for limit in limits):
            raise ModelError(f"front end 'log-mel' with limits that are no numbers: {self}")
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate / 2 or self.floor <= 0:
            raise ModelError(f"front end 'log-mel' with limits that cannot be: {self}")


def hz_to_mel(hz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """HTK's mel scale."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0))


class FrontEnd:
    """Streaming log-mel: `process` takes any number of samples and returns the frames they complete."""

    def __init__(self, config: LogMel | None = None) -> None:
        self.config = config or LogMel()
        window = np.arange(self.config.window) / self.config.window
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * window)).astype(np.float32)
        self._lay_out_triangles()
        self.reset()

    def _lay_out_triangles(self) -> None:
        """Each FFT bin lies between the centres of two neighbouring triangles, so in two bands.

        With `rise` its way from the lower centre to the upper, it adds `rise` of its power to the upper
        band and `1 - rise` to the lower one. So a band is the rising part of the gap before its centre
        and the falling part of the gap after it, and two sums over the gaps replace a matrix product.
        """
        config = self.config
        hz = np.arange(config.fft // 2 + 1) * config.sample_rate / config.fft
        low, high = hz_to_mel(config.low_hz), hz_to_mel(config.high_hz)
        place = (hz_to_mel(hz) - low) / (high - low) * (config.bands + 1)
        inside = (place >= 0) & (place < config.bands + 1)
        first = int(np.argmax(inside))
        gap = np.floor(place[inside]).astype(int)
        if len(np.unique(gap)) != config.bands + 1:
            raise ModelError(f"{config.bands} mel bands are too narrow for an FFT of {config.fft} points")
        self._bins = slice(first, first + len(gap))
        self._gap_starts = np.searchsorted(gap, np.arange(config.bands + 1))
        self._rise = place[inside] - gap

    def reset(self) -> None:
        """Forget the samples kept from earlier calls."""
        self._kept = np.zeros(0, np.float32)

    def process(self, samples: Samples) -> Frames:
        """Take samples (n,) in [-1, 1]; return the frames (m, bands) that they complete."""
        config = self.config
        samples = np.concatenate([self._kept, samples]) if len(self._kept) else samples
        count = max(0, (len(samples) - config.window) // config.hop + 1)
        self._kept = samples[count * config.hop :].copy()
        if count == 0:
            return np.zeros((0, config.bands), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(samples, config.window)[:: config.hop][:count]
        if count <= FRAMES_AT_ONCE:
            return self.transform(windows)
        starts = range(0, count, FRAMES_AT_ONCE)
        return np.concatenate([self.transform(windows[at : at + FRAMES_AT_ONCE]) for at in starts])

    def transform(self, windows: Samples) -> Frames:
        """Windows of samples (n, window) to log-mel frames (n, bands)."""
        spectrum = np.fft.rfft(windows * self._window, self.config.fft)[:, self._bins]
        power = spectrum.real**2 + spectrum.imag**2
        whole = np.add.reduceat(power, self._gap_starts, axis=1)
        rising = np.add.reduceat(power * self._rise, self._gap_starts, axis=1)
        energy = rising[:, :-1] + (whole - rising)[:, 1:]
        return np.log(energy + self.config.floor).astype(np.float32)


def log_mel(samples: Samples, config: LogMel | None = None) -> Frames:
    """All frames (n, bands) of a recording (samples,): the streaming front end, fed once."""
    return FrontEnd(config).process(samples)
