"""A sounddevice module whose microphone does what a test wants."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kws_runtime import devices


class PortAudioError(Exception):
    """As sounddevice's."""


class Stream:
    """An open stream."""

    def __init__(self, sound: FakeSound, **settings: Any) -> None:
        self.sound, self.settings = sound, settings

    def start(self) -> None:
        self.sound.stream = self

    def abort(self) -> None:
        self.sound.stream = None

    close = abort


class FakeSound:
    """Stands in for the module `sounddevice`: devices, and a stream that gives what it is told to give."""

    PortAudioError = PortAudioError

    def __init__(self, *names: str, channels: int = 2, rate: float = 48_000.0) -> None:
        self.devices = [
            {"name": name, "max_input_channels": channels, "default_samplerate": rate} for name in names or ("usb",)
        ]
        self.default = types.SimpleNamespace(device=(0, 0))
        self.stream: Stream | None = None
        self.opened = self.refreshed = 0
        self.takes: Callable[[dict[str, Any]], bool] = lambda settings: True  # which forms the device takes

    def query_devices(self) -> list[dict[str, Any]]:
        return self.devices

    def RawInputStream(self, **settings: Any) -> Stream:  # noqa: N802 (sounddevice's name)
        if not self.takes(settings):
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        self.opened += 1
        return Stream(self, **settings)

    def _terminate(self) -> None:
        assert self.stream is None, "PortAudio was ended under an open stream"
        self.refreshed += 1

    def _initialize(self) -> None:
        pass

    def give(self, samples: np.ndarray, overflowed: bool = False) -> None:
        """A block from the device: samples (n,) or (n, channels) in [-1, 1]."""
        assert self.stream is not None
        pcm = np.round(samples * 32768).clip(-32768, 32767).astype("<i2").tobytes()
        self.stream.settings["callback"](pcm, len(samples), None, types.SimpleNamespace(input_overflow=overflowed))

    def end(self) -> None:
        """The device goes away."""
        assert self.stream is not None
        self.stream.settings["finished_callback"]()


def install(monkeypatch: pytest.MonkeyPatch, sound: FakeSound) -> FakeSound:
    """Let the runtime use it."""
    monkeypatch.setattr(devices, "load_sounddevice", lambda: sound)
    return sound
