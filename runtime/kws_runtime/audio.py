"""Audio as everything here takes it: chunks of samples, 16 kHz, mono, float32 in [-1, 1), and gaps between them.

`Converter` makes it of PCM of any other form. Files and pipes are read here too.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import AudioError, MissingError
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.wavfile import PcmFormat, read_header

HOP_SAMPLES = 320  # pipes are read in pieces of 20 ms
FILE_SAMPLES = 16_000  # files in pieces of a second
RESAMPLER_QUALITY = "HQ"  # of soxr: flat to 7.3 kHz; it holds 36 ms of 48 kHz back, and their time stays right


@dataclass(frozen=True)
class Gap:
    """Audio that is missing between two chunks; what follows does not join what went before."""

    seconds: float
    reason: str  # "overflow", "stalled", "lost" or "suspended"


Chunk = Samples | Gap


class Converter:
    """PCM bytes of any form in, samples (n,) of 16 kHz mono out. The size of the chunks never changes a sample."""

    def __init__(self, form: PcmFormat, channel: int | None = None) -> None:
        """`channel` counts from 1; None mixes all. Raises AudioError for a form that cannot be, MissingError where it
        takes a resampler and none is installed."""
        form.check()
        if channel is not None and not 1 <= channel <= form.channels:
            raise AudioError(f"there is no channel {channel} of {form.channels}")
        self._form, self._channel = form, channel
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._kept = b""
        self._resampler = None if self._form.rate == SAMPLE_RATE else _resampler(self._form.rate)

    def process(self, pcm: bytes) -> Samples:
        """Take any number of bytes; return the samples (n,) that they complete."""
        pcm = self._kept + pcm
        whole = len(pcm) // self._form.frame_bytes * self._form.frame_bytes
        self._kept = pcm[whole:]
        return self._resample(self._mono(self._form.to_float(pcm[:whole])))

    def finish(self) -> Samples:
        """The last samples (n,), which the resampler held back. Part of a frame is no sample."""
        self._kept = b""
        return self._resample(np.zeros(0, np.float32), last=True)

    def _mono(self, frames: NDArray[np.float32]) -> Samples:
        if self._form.channels == 1:
            return frames[:, 0]
        return frames.mean(1, dtype=np.float32) if self._channel is None else frames[:, self._channel - 1]

    def _resample(self, samples: Samples, last: bool = False) -> Samples:
        if self._resampler is None:
            return samples
        resampled: Samples = self._resampler.resample_chunk(np.ascontiguousarray(samples), last)
        return resampled


def _resampler(rate: int) -> Any:
    """soxr's stream from `rate` to 16 kHz, one channel."""
    try:
        soxr = importlib.import_module("soxr")
    except ModuleNotFoundError as error:
        raise MissingError(
            f"audio of {rate} Hz needs soxr; install it with: pip install soxr; or give {SAMPLE_RATE} Hz"
        ) from error
    return soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32", RESAMPLER_QUALITY)


def read_wav(path: Path) -> Samples:
    """All samples (n,) of a WAV file. Raises AudioError that names the file and the fault."""
    with path.open("rb") as file:
        return np.concatenate([np.zeros(0, np.float32), *stream_wav(file, str(path))])


def stream_wav(file: BinaryIO, name: str, chunk: int = FILE_SAMPLES, channel: int | None = None) -> Iterator[Samples]:
    """Samples of a WAV in pieces of about `chunk`, from a file or a pipe (whose header need not know the length).

    The header is read at once. Any rate, any number of channels (mixed, or one of them, from 1), integers of 8 to 32
    bits and floats. Raises AudioError that names the WAV where it is no such thing.
    """
    try:
        form, data_bytes = read_header(file)
        converter = Converter(form, channel)
    except AudioError as error:
        raise AudioError(f"{name}: {error}") from error
    return _converted(file, converter, chunk * form.rate // SAMPLE_RATE * form.frame_bytes, data_bytes)


def _converted(file: BinaryIO, converter: Converter, piece: int, data_bytes: int | None) -> Iterator[Samples]:
    left = data_bytes
    while left is None or left > 0:
        pcm = file.read(piece if left is None else min(piece, left))
        if not pcm:
            break
        if left is not None:
            left -= len(pcm)
        yield converter.process(pcm)
    yield converter.finish()


def stream_raw(file: BinaryIO, chunk: int = HOP_SAMPLES) -> Iterator[Samples]:
    """Samples of raw PCM (16 kHz, mono, signed 16-bit little-endian) in pieces of `chunk`."""
    form = PcmFormat(SAMPLE_RATE)
    return _converted(file, Converter(form), chunk * form.frame_bytes, None)
