"""Signals that end the waiting for audio, never the handling of what was heard."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from types import FrameType

from kws_runtime.audio import Chunk


class _Stopped(Exception):  # noqa: N818 (it is no error)
    """The waiting ends here."""


class Stop:
    """Takes SIGINT and SIGTERM from now on."""

    def __init__(self) -> None:
        self.signal: int | None = None  # the first that came
        self._waiting = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number
        if self._waiting:
            self._waiting = False
            raise _Stopped

    def each(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The chunks up to the signal. One that comes while a chunk is handled waits until that is done."""
        iterator = iter(chunks)
        while True:
            try:
                self._waiting = True
                try:
                    if self.signal:
                        return
                    chunk = next(iterator)
                finally:
                    self._waiting = False
            except (StopIteration, _Stopped):
                return
            yield chunk
