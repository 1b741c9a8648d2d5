"""Audio from files and pipes: 16 kHz, mono, float32 in [-1, 1)."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kws_runtime.errors import AudioError
from kws_runtime.frontend import SAMPLE_RATE, Samples

HOP_SAMPLES = 320  # pipes are read in pieces of 20 ms
FILE_SAMPLES = 16_000  # files in pieces of a second
BYTES_PER_SAMPLE = 2


def from_pcm(pcm: bytes) -> Samples:
    """Little-endian 16-bit PCM to samples (n,); an odd byte at the end is no sample."""
    whole = len(pcm) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
    return np.frombuffer(pcm[:whole], "<i2").astype(np.float32) / np.float32(32768.0)


def read_wav(path: Path) -> Samples:
    """All samples (n,) of a WAV file. Raises AudioError that names the file and the fault."""
    with path.open("rb") as file:
        return np.concatenate([np.zeros(0, np.float32), *stream_wav(file, str(path))])


def stream_wav(file: BinaryIO, name: str, chunk: int = FILE_SAMPLES) -> Iterator[Samples]:
    """Samples of a WAV in pieces of `chunk`, from a file or a pipe (whose header need not know the length).

    The header is read at once. Raises AudioError that names the WAV where it is not 16 kHz, mono, 16 bit.
    """
    try:
        reader = wave.open(file)  # noqa: SIM115 (the caller closes `file`)
    except (wave.Error, EOFError, RuntimeError) as error:
        raise AudioError(f"{name}: not a WAV file that can be read ({str(error) or 'it ends too early'})") from error
    rate, channels, width = reader.getframerate(), reader.getnchannels(), reader.getsampwidth()
    if (rate, channels, width) != (SAMPLE_RATE, 1, BYTES_PER_SAMPLE):
        raise AudioError(
            f"{name}: {rate} Hz, {channels} channel(s), {8 * width} bit; expected {SAMPLE_RATE} Hz, 1 channel, "
            f"16 bit; convert it with: sox {name} -r {SAMPLE_RATE} -c 1 -b 16 OUT.wav"
        )
    return (from_pcm(pcm) for pcm in iter(lambda: reader.readframes(chunk), b""))


def stream_raw(file: BinaryIO, chunk: int = HOP_SAMPLES) -> Iterator[Samples]:
    """Samples of raw PCM (16 kHz, mono, signed 16-bit little-endian) in pieces of `chunk`."""
    return (from_pcm(pcm) for pcm in iter(lambda: file.read(chunk * BYTES_PER_SAMPLE), b""))
