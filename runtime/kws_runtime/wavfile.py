"""PCM and the header that a WAV gives it.

The standard library's `wave` reads neither floats nor, before Python 3.12, WAVE_FORMAT_EXTENSIBLE, which is what
most recorders write for 24 bits or more than two channels. The format: Microsoft's "Multiple Channel Audio Data and
WAVE Files".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import AudioError

RATES = range(4_000, 384_001)  # Hz
CHANNELS = range(1, 65)
ENCODINGS = {"u8": 1, "s16": 2, "s24": 3, "s32": 4, "f32": 4, "f64": 8}  # bytes a sample
PCM, IEEE_FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
OPEN_END = 0x7FFF0000  # sizes from here on are those of a writer to a pipe, who did not know the length
MAX_OTHER_CHUNK = 1 << 20  # no header of ours has a larger chunk before its data
S16_STEP = np.array(1 / (1 << 15), np.float32)
FMT_BYTES, EXTENSIBLE_BYTES = 16, 40


@dataclass(frozen=True)
class PcmFormat:
    """How samples lie in bytes: little-endian, the channels of a frame beside each other."""

    rate: int  # Hz
    channels: int = 1
    encoding: str = "s16"  # a key of ENCODINGS

    @property
    def frame_bytes(self) -> int:
        """The bytes of one sample of all channels."""
        return ENCODINGS[self.encoding] * self.channels

    def check(self) -> None:
        """Raise AudioError for what cannot be, or is nobody's microphone."""
        if self.encoding not in ENCODINGS:
            raise AudioError(f"samples of the kind {self.encoding!r} are not known; known are {', '.join(ENCODINGS)}")
        if self.rate not in RATES:
            raise AudioError(f"{self.rate} Hz; {RATES.start} to {RATES.stop - 1} Hz can be resampled")
        if self.channels not in CHANNELS:
            raise AudioError(f"{self.channels} channels; 1 to {CHANNELS.stop - 1} can be")

    def to_float(self, pcm: bytes) -> NDArray[np.float32]:
        """Whole frames to float32 (frames, channels) in [-1, 1]. What is no number becomes silence."""
        if self.encoding == "u8":
            values = (np.frombuffer(pcm, np.uint8).astype(np.float32) - 128) / np.float32(128)
        elif self.encoding == "s16":
            values = np.multiply(np.frombuffer(pcm, "<i2"), S16_STEP, dtype=np.float32)
        elif self.encoding == "s24":
            padded = np.zeros((len(pcm) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(pcm, np.uint8).reshape(-1, 3)
            values = padded.view("<i4")[:, 0].astype(np.float32) / np.float32(1 << 31)
        elif self.encoding == "s32":
            values = np.frombuffer(pcm, "<i4").astype(np.float32) / np.float32(1 << 31)
        else:
            floats = np.frombuffer(pcm, "<f4" if self.encoding == "f32" else "<f8")
            values = np.nan_to_num(floats, posinf=1.0, neginf=-1.0).clip(-1.0, 1.0).astype(np.float32)
        return values.reshape(-1, self.channels)


def read_header(file: BinaryIO) -> tuple[PcmFormat, int | None]:
    """Read a WAV up to its data; return the format and the data's bytes (None: up to the end of the file).

    Reads forward only, so `file` may be a pipe. Raises AudioError (without the file's name) for what is no WAV or
    holds no PCM.
    """
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise AudioError("not a WAV file that can be read (no RIFF header)")
    form = None
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise AudioError("not a WAV file that can be read (it ends before its data)")
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"data":
            break
        if size > MAX_OTHER_CHUNK:
            raise AudioError("not a WAV file that can be read (a damaged header)")
        body = file.read(size + size % 2)
        if name == b"fmt ":
            form = _format_of(body[:size])
    if form is None:
        raise AudioError("not a WAV file that can be read (its data comes before its format)")
    return form, size if 0 < size < OPEN_END else None


def _format_of(body: bytes) -> PcmFormat:
    if len(body) < FMT_BYTES:
        raise AudioError("not a WAV file that can be read (its format is too short)")
    kind, channels, rate, _, block, bits = struct.unpack("<HHIIHH", body[:FMT_BYTES])
    if kind == EXTENSIBLE and len(body) >= EXTENSIBLE_BYTES:
        kind = struct.unpack("<H", body[24:26])[0]  # the first bytes of the GUID of its kind
    encoding = {
        (PCM, 8): "u8",
        (PCM, 16): "s16",
        (PCM, 24): "s24",
        (PCM, 32): "s32",
        (IEEE_FLOAT, 32): "f32",
        (IEEE_FLOAT, 64): "f64",
    }.get((kind, bits))
    if encoding is None:
        raise AudioError(
            f"compressed or of an unknown kind (format {kind}, {bits} bit); convert it with: sox IN -b 16 OUT.wav"
        )
    form = PcmFormat(rate, channels, encoding)
    form.check()
    if block != form.frame_bytes:
        raise AudioError(f"not a WAV file that can be read (frames of {block} bytes where {form.frame_bytes} belong)")
    return form
