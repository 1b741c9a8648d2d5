"""Samples in, frames of features out: log-mel, magnitudes of a short-time Fourier transform, or samples as they are.

A frame i covers samples [hop * i, hop * i + window). What the samples of one call leave over is kept for the
next, so the size of the chunks never changes a frame.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import ModelError

Samples = NDArray[np.float32]
Frames = NDArray[np.float32]
Transform = Callable[[Samples], Frames]  # windows of samples (n, window) to frames (n, features)

SAMPLE_RATE = 16_000
FRAMES_AT_ONCE = 4096  # bounds the memory that a long recording needs to some 50 MB


@dataclass(frozen=True)
class FrontEndConfig(ABC):
    """What every kind of front end says of itself; it travels in the model file."""

    kind: str
    sample_rate: int  # Hz
    window: int  # samples
    hop: int  # samples

    @property
    @abstractmethod
    def features(self) -> int:
        """The width of a frame."""

    @property
    @abstractmethod
    def silence(self) -> float:
        """The value that digital silence gives."""

    @abstractmethod
    def make_transform(self) -> Transform:
        """What turns windows of samples (n, window) into frames (n, features), a window at a time."""

    @staticmethod
    def from_json(values: dict[str, Any]) -> FrontEndConfig:
        """Read what `to_json` wrote, of any kind. Raises ModelError for a front end we do not have."""
        kind = values.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            known = ", ".join(repr(name) for name in KINDS)
            raise ModelError(f"front end {kind!r} is not known; this version has {known}")
        try:
            config = KINDS[kind](**values)
        except TypeError as error:
            raise ModelError(f"front end {kind!r} with parameters that are not known: {error}") from error
        config.check()
        return config

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def check(self) -> None:
        """Raise ModelError where the values cannot be."""
        self._check_sizes(self.sample_rate, self.window, self.hop)

    def _check_sizes(self, *sizes: object) -> None:
        possible = all(type(size) is int and 0 < size <= 1 << 20 for size in sizes)
        if not possible or self.hop > self.window:
            raise ModelError(f"front end {self.kind!r} with sizes that cannot be: {self}")


@dataclass(frozen=True)
class LogMel(FrontEndConfig):
    """Logarithms of the power in bands that are equally wide in mel."""

    kind: str = "log-mel"
    sample_rate: int = SAMPLE_RATE
    window: int = 512  # periodic Hann
    hop: int = 320  # 20 ms
    fft: int = 512  # points
    bands: int = 40  # triangles of peak 1, equally wide in HTK mel
    low_hz: float = 60.0
    high_hz: float = 7600.0
    floor: float = 1e-3  # added to a band's energy before the logarithm

    @property
    def features(self) -> int:
        return self.bands

    @property
    def silence(self) -> float:
        return float(np.log(self.floor))

    def make_transform(self) -> Transform:
        return LogMelTransform(self)

    def check(self) -> None:
        self._check_sizes(self.sample_rate, self.window, self.hop, self.fft, self.bands)
        if self.window > self.fft:
            raise ModelError(f"front end 'log-mel' with sizes that cannot be: {self}")
        limits = (self.low_hz, self.high_hz, self.floor)
        if not all(isinstance(limit, int | float) for limit in limits):
            raise ModelError(f"front end 'log-mel' with limits that are no numbers: {self}")
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate / 2 or not self.floor > 0:
            raise ModelError(f"front end 'log-mel' with limits that cannot be: {self}")


@dataclass(frozen=True)
class Stft(FrontEndConfig):
    """Magnitudes of a short-time Fourier transform, as in TensorFlow's tutorial simple_audio.

    That is `abs(tf.signal.stft(samples, window, hop))`. TensorFlow calls its Hann window periodic, but one of an
    odd length is symmetric there, so it is here.
    """

    kind: str = "stft"
    sample_rate: int = SAMPLE_RATE
    window: int = 255
    hop: int = 128  # 8 ms
    fft: int = 256  # points

    @property
    def features(self) -> int:
        return self.fft // 2 + 1

    @property
    def silence(self) -> float:
        return 0.0

    def make_transform(self) -> Transform:
        period = self.window - self.window % 2
        window = _hann(self.window, max(1, period))

        def transform(windows: Samples) -> Frames:
            spectrum = np.fft.rfft(windows * window, self.fft)
            return np.sqrt(spectrum.real**2 + spectrum.imag**2).astype(np.float32)

        return transform

    def check(self) -> None:
        self._check_sizes(self.sample_rate, self.window, self.hop, self.fft)
        if self.window > self.fft:
            raise ModelError(f"front end 'stft' with sizes that cannot be: {self}")


@dataclass(frozen=True)
class Raw(FrontEndConfig):
    """The samples as they are: a frame is `hop` of them."""

    kind: str = "raw"
    sample_rate: int = SAMPLE_RATE
    window: int = 320
    hop: int = 320  # 20 ms

    @property
    def features(self) -> int:
        return self.hop

    @property
    def silence(self) -> float:
        return 0.0

    def make_transform(self) -> Transform:
        return lambda windows: windows.astype(np.float32)  # a copy: windows may be the caller's samples

    def check(self) -> None:
        self._check_sizes(self.sample_rate, self.window, self.hop)
        if self.window != self.hop:
            raise ModelError(f"front end 'raw' with frames that overlap: {self}")


KINDS: dict[str, type[FrontEndConfig]] = {"log-mel": LogMel, "stft": Stft, "raw": Raw}


def _hann(length: int, period: int) -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) / period))).astype(np.float32)


def hz_to_mel(hz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """HTK's mel scale."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0))


class LogMelTransform:
    """Windows of samples (n, window) to log-mel frames (n, bands).

    Each FFT bin lies between the centres of two neighbouring triangles, so in two bands. With `rise` its way from
    the lower centre to the upper, it adds `rise` of its power to the upper band and `1 - rise` to the lower one. So
    a band is the rising part of the gap before its centre and the falling part of the gap after it, and sums over
    the gaps replace a matrix product.
    """

    def __init__(self, config: LogMel) -> None:
        self._fft, self._floor = config.fft, config.floor
        self.window = _hann(config.window, config.window)
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
        rise = place[inside] - gap
        self._rise_and_fall = np.stack([rise, 1 - rise])  # (2, bins)

    def __call__(self, windows: Samples) -> Frames:
        spectrum = np.fft.rfft(windows * self.window, self._fft)[:, self._bins]
        energy = self._energies(spectrum.real**2 + spectrum.imag**2)
        energy += self._floor
        return np.log(energy, energy).astype(np.float32)

    def _energies(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        """Power of the bins that lie in bands (n, bins) to the energy of the bands (n, bands)."""
        in_gaps = np.add.reduceat(power[:, None] * self._rise_and_fall, self._gap_starts, 2)  # (n, 2, bands + 1)
        return np.asarray(in_gaps[:, 0, :-1] + in_gaps[:, 1, 1:])

    def matrix(self) -> NDArray[np.float64]:
        """The same as a matrix (fft / 2 + 1, bands): power of all bins times it is the energy of the bands."""
        weights = np.zeros((self._fft // 2 + 1, len(self._gap_starts) - 1))
        weights[self._bins] = self._energies(np.eye(self._rise_and_fall.shape[1]))
        return weights


class FrontEnd:
    """A front end of any kind on a stream: takes any number of samples and returns the frames they complete."""

    def __init__(
        self, config: FrontEndConfig | None = None, transform: Transform | None = None, group: int = 1
    ) -> None:
        """Log-mel by default; `transform` stands in for the configuration's own, where a faster one will do.

        Frames come in groups of `group`: as many as a step takes cost little more than one, and none is of use before.
        Raises ModelError for bands that no FFT bin falls into.
        """
        self.config = config or LogMel()
        self._transform = transform or self.config.make_transform()
        self._group = group
        self._least = self.config.window + (group - 1) * self.config.hop  # samples that complete a group
        self._no_frames = np.zeros((0, self.config.features), np.float32)
        self._kept = 0  # samples, at the beginning of the buffer
        self._buffer = np.zeros(0, np.float32)
        self._make_room(2 * self._least)

    def _make_room(self, samples: int) -> None:
        """A buffer for so many samples, and the windows in it: (n, window)."""
        window, hop = self.config.window, self.config.hop
        self._buffer = np.concatenate([self._buffer[: self._kept], np.zeros(samples - self._kept, np.float32)])
        # Not sliding_window_view: a window at each sample is more than 32 bits can address, in a recording of minutes.
        frames, size = (samples - window) // hop + 1, self._buffer.itemsize
        self._windows: Samples = np.ndarray((frames, window), np.float32, self._buffer, strides=(hop * size, size))

    def reset(self) -> None:
        """Forget the samples kept from earlier calls."""
        self._kept = 0

    def process(self, samples: Samples) -> Frames:
        """Take samples (n,) in [-1, 1]; return the frames (m, features) that they complete."""
        count = self._kept + len(samples)
        if count > len(self._buffer):
            self._make_room(count)
        self._buffer[self._kept : count] = samples
        self._kept = count
        if count < self._least:
            return self._no_frames
        frames = (count - self.config.window) // self.config.hop + 1
        frames -= frames % self._group
        made = self._transform_all(frames)
        used = frames * self.config.hop
        self._kept = count - used
        self._buffer[: self._kept] = self._buffer[used:count]
        return made

    def _transform_all(self, frames: int) -> Frames:
        if frames <= FRAMES_AT_ONCE:
            return self._transform(self._windows[:frames])
        bounds = [*range(0, frames, FRAMES_AT_ONCE), frames]
        return np.concatenate([self._transform(self._windows[begin:end]) for begin, end in itertools.pairwise(bounds)])


def frames_of(samples: Samples, config: FrontEndConfig | None = None) -> Frames:
    """All frames (n, features) of a recording (samples,): the streaming front end, fed once."""
    return FrontEnd(config).process(samples)


def log_mel(samples: Samples, config: LogMel | None = None) -> Frames:
    """All log-mel frames (n, bands) of a recording (samples,)."""
    return frames_of(samples, config)
