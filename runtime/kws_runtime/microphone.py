"""The microphone, through PortAudio: an iterator of samples."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from kws_runtime.audio import HOP_SAMPLES, from_pcm
from kws_runtime.errors import AudioError, MissingError
from kws_runtime.frontend import SAMPLE_RATE, Samples

QUEUE_SECONDS = 10  # what a stalled reader may leave waiting; then the newest audio is dropped and counted


def _sounddevice() -> Any:
    """The sounddevice module. Raises MissingError with the package to install."""
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise MissingError("sounddevice is not installed; install it with: pip install sounddevice") from error
    except OSError as error:  # sounddevice's way to say that it found no PortAudio
        raise MissingError(
            "the PortAudio library is not installed; install it with: sudo apt install libportaudio2"
        ) from error
    return sounddevice


def device_list() -> str:
    """A line for each sound device that can record. Raises AudioError where there is none."""
    sounddevice = _sounddevice()
    lines = [
        f"{number:3}  {device['name']}  ({device['max_input_channels']} in, {device['default_samplerate']:.0f} Hz)"
        for number, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]
    if not lines:
        raise AudioError("no microphone found; connect one, or listen to a file with --wav FILE")
    return "\n".join(lines)


class Microphone:
    """A context and an iterator: `with Microphone() as chunks: for samples in chunks: ...`.

    The callback of PortAudio only queues; the queue is bounded. `overflows` counts what was lost.
    """

    def __init__(self, device: str | int | None = None) -> None:
        """`device` is a number of `device_list`, a part of a name, or None for the default one."""
        self._device = device
        self._queue: queue.Queue[bytes | None] = queue.Queue(QUEUE_SECONDS * SAMPLE_RATE // HOP_SAMPLES)
        self.overflows = 0

    def __enter__(self) -> Microphone:
        """Open the device. Raises AudioError where it cannot be had, MissingError without PortAudio."""
        sounddevice = _sounddevice()
        try:
            self._stream = sounddevice.RawInputStream(
                samplerate=SAMPLE_RATE,
                blocksize=HOP_SAMPLES,
                device=self._device,
                channels=1,
                dtype="int16",
                callback=self._receive,
                finished_callback=lambda: self._put(None),
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            which = "the default microphone" if self._device is None else f"microphone {self._device!r}"
            raise AudioError(
                f"cannot open {which}: {error}; `kws-listen --list-devices` names those there are"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def _receive(self, data: Any, frames: int, time: Any, status: Any) -> None:
        if status.input_overflow:
            self.overflows += 1
        self._put(bytes(data))

    def _put(self, item: bytes | None) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.overflows += 1

    def __iter__(self) -> Iterator[Samples]:
        """Samples (n,) as they come. Raises AudioError when the device is lost."""
        while True:
            try:
                data = self._queue.get(timeout=1.0)
            except queue.Empty:
                if self._stream.active:
                    continue
                data = None
            if data is None:
                raise AudioError("the microphone was lost (unplugged, or the sound server has ended)")
            yield from_pcm(data)
