"""The microphone: an iterator of samples that outlives overflows, unplugging, sound servers and sleep."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np

from kws_runtime.audio import Chunk, Converter, Gap
from kws_runtime.blocks import Block, BlockQueue
from kws_runtime.devices import BLOCK_SECONDS, Device, find_again, find_device, look_again, open_stream
from kws_runtime.errors import AudioError, KwsError
from kws_runtime.notice import Notice, Notify
from kws_runtime.wavfile import PcmFormat

QUEUE_SECONDS = 10  # of audio that a stalled reader finds waiting; what is older is dropped
TICK_SECONDS = 0.25  # a reader gets control this often, whether audio comes or not
FIRST_BLOCK_SECONDS = 5.0  # a fresh sound server gives its first block after up to 2 s
SILENT_SECONDS = 2.0  # no block for so long: the device is gone, whatever PortAudio says
FIRST_WAIT_SECONDS = 0.1  # before the first attempt to open the device again; then twice as long each time
LONGEST_WAIT_SECONDS = 2.0
SLEPT_SECONDS = 0.5  # the clock that counts sleep went on by so much more than the one that does not
NOTICE_SECONDS = 10.0  # overflows are told at most this often


def _clock() -> float:
    """Seconds of a clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Microphone:
    """A context and an iterator: `with Microphone() as chunks: for chunk in chunks: listener.process(chunk)`.

    A chunk is samples (n,) of 16 kHz, none of them where nothing came for a moment, or a `Gap` where audio was lost. A
    device that goes away is opened again when it is back. Other programs' devices are not touched, but a process can
    have only one Microphone at a time.
    """

    device: Device  # that is open, or was last
    form: PcmFormat  # in which it gives its audio

    def __init__(
        self,
        device: str | int | None = None,
        channel: int | None = None,
        notify: Notify = lambda notice: None,
    ) -> None:
        """`device` is a number, a name or a part of one (see `kws-listen --list-devices`), or None for the default one.

        `channel` counts from 1; None mixes all. `notify` hears of losses and returns while the iterator runs.
        """
        self._wanted, self._channel, self._notify = device, channel, notify
        self._stream: Any = None
        self.overflows = 0  # how often audio was lost while the device was there
        self.seconds_lost = 0.0  # in these

    def __enter__(self) -> Microphone:
        """Open the device. Raises AudioError where it cannot be had, MissingError without PortAudio."""
        self._open(find_device(self._wanted))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _open(self, device: Device) -> None:
        queue = BlockQueue(round(QUEUE_SECONDS / BLOCK_SECONDS))
        self._stream, self.form = open_stream(
            device,
            self._channel,
            on_audio=lambda pcm, overflowed: queue.put(Block(pcm, _clock(), overflowed)),
            on_end=queue.end,
        )
        self.device, self._queue = device, queue
        try:
            self._converter = Converter(self.form, self._channel)
        except KwsError:
            self._close()
            raise
        self._heard(_clock(), FIRST_BLOCK_SECONDS)
        self._slept = _seconds_slept()

    def _heard(self, at: float, patience: float = SILENT_SECONDS) -> None:
        """Audio came; the next must come before `patience` seconds of wakefulness are over."""
        self._heard_at, self._lost_after = at, time.monotonic() + patience

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.abort()
            self._stream.close()
            self._stream = None

    def __iter__(self) -> Iterator[Chunk]:
        """Chunks as they come, for ever."""
        told_at = -np.inf
        while True:
            block, dropped_bytes = self._queue.get(TICK_SECONDS)
            if block is None:
                if self._queue.ended or time.monotonic() > self._lost_after:
                    yield from self._return()
                else:
                    yield np.zeros(0, np.float32)
                continue
            gap = self._gap_before(block, dropped_bytes)
            if gap is not None:
                yield self._converter.finish()
                self._converter.reset()
                yield gap
                if gap.reason == "suspended":
                    self._notify(Notice("suspended", f"the machine slept for {gap.seconds:.0f} s", _values(gap)))
                else:
                    self.overflows += 1
                    self.seconds_lost += gap.seconds
                    if block.arrived - told_at >= NOTICE_SECONDS:
                        told_at = block.arrived
                        self._notify(self._overflow_notice())
            self._heard(block.arrived)
            yield self._converter.process(block.pcm)

    def _gap_before(self, block: Block, dropped_bytes: int) -> Gap | None:
        slept = _seconds_slept() - self._slept
        if slept > SLEPT_SECONDS:
            self._slept += slept
            return Gap(slept, "suspended")
        bytes_a_second = self.form.rate * self.form.frame_bytes
        if dropped_bytes:
            return Gap(dropped_bytes / bytes_a_second, "stalled")
        if block.overflowed:
            late = block.arrived - self._heard_at - len(block.pcm) / bytes_a_second
            return Gap(max(0.0, late), "overflow")
        return None

    def _overflow_notice(self) -> Notice:
        values = {"count": self.overflows, "seconds": round(self.seconds_lost, 2)}
        times = "time" if self.overflows == 1 else "times"
        return Notice(
            "overflow",
            f"audio was lost {self.overflows} {times}, {self.seconds_lost:.2f} s in all: the machine is too busy",
            values,
        )

    def _return(self) -> Iterator[Chunk]:
        """Wait until the lost device gives audio again, then the gap and the first samples after it."""
        lost_at = self._heard_at
        yield self._converter.finish()
        self._close()
        name = self.device.name
        text = f"microphone {name!r} was lost (unplugged, or the sound server has ended); waiting for it"
        self._notify(Notice("lost", text, {"device": name}))
        wait = FIRST_WAIT_SECONDS
        while True:
            yield from _idle(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            try:
                look_again()
                self._open(find_again(self.device, self._wanted))
            except AudioError:
                continue
            while not self._queue.ended and time.monotonic() < self._lost_after:
                block, _ = self._queue.get(TICK_SECONDS)
                if block is not None:
                    gap = Gap(max(0.0, block.arrived - lost_at), "lost")
                    self._notify(Notice("back", f"microphone {name!r} is back after {gap.seconds:.1f} s", _values(gap)))
                    self._heard(block.arrived)
                    yield gap
                    yield self._converter.process(block.pcm)
                    return
                yield np.zeros(0, np.float32)
            self._close()


def _seconds_slept() -> float:
    """How long the machine has slept since it was started."""
    return _clock() - time.monotonic()


def _values(gap: Gap) -> dict[str, Any]:
    return {"seconds": round(gap.seconds, 2)}


def _idle(seconds: float) -> Iterator[Chunk]:
    """Nothing, for a while."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, TICK_SECONDS))
        yield np.zeros(0, np.float32)
