"""From the audio callback to the reader: a queue with a bound, in which the newest audio replaces the oldest."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """PCM as the device gave it."""

    pcm: bytes
    arrived: float  # s, of a clock that goes on while the machine sleeps
    overflowed: bool = False  # the device lost audio just before it


class BlockQueue:
    """`put` never waits, so that a reader that stalls costs old audio and never memory.

    A signal may end the reader's waiting by an exception at any moment. `threading.Condition` does not outlive that:
    its lock may be gone when the exception leaves it. A lock alone, released when there is something new, does.
    """

    def __init__(self, blocks: int) -> None:
        self._blocks: deque[Block] = deque()
        self._bound = blocks
        self._dropped_bytes = 0
        self._ended = False
        self._lock = threading.Lock()
        self._news = threading.Lock()  # held as long as nothing was put since the reader last waited
        self._news.acquire()

    def put(self, block: Block) -> None:
        """Add the newest block; where the queue is full the oldest goes."""
        with self._lock:
            if len(self._blocks) == self._bound:
                self._dropped_bytes += len(self._blocks.popleft().pcm)
            self._blocks.append(block)
            self._tell()

    def end(self) -> None:
        """No more blocks will come."""
        with self._lock:
            self._ended = True
            self._tell()

    def _tell(self) -> None:
        if self._news.locked():
            self._news.release()

    @property
    def ended(self) -> bool:
        """No more blocks will come, and all were taken."""
        with self._lock:
            return self._ended and not self._blocks

    def get(self, timeout: float) -> tuple[Block | None, int]:
        """The oldest block, or None where none came in `timeout` seconds or will; and the bytes dropped before it."""
        until = time.monotonic() + timeout
        while not (self._blocks or self._ended):
            left = until - time.monotonic()
            if left <= 0 or not self._news.acquire(timeout=left):
                break
        with self._lock:
            if not self._blocks:
                return None, 0
            dropped, self._dropped_bytes = self._dropped_bytes, 0
            return self._blocks.popleft(), dropped
