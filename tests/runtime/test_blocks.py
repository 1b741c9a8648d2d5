"""The queue between the audio callback and the reader."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType

import pytest

from kws_runtime.blocks import Block, BlockQueue

INTERRUPTIONS = 20_000  # of which a queue on threading.Condition did not outlive four
SHORTEST_S, STEP_S, STEPS = 50e-6, 0.2e-6, 1000  # until each comes, so that it falls on any of the reader's steps


class InterruptionError(Exception):
    """What a signal raises."""


def test_the_oldest_goes_and_is_counted_and_the_end_ends_the_waiting() -> None:
    """Two bytes a block; three blocks where two fit."""
    queue = BlockQueue(2)
    assert queue.get(0.01) == (None, 0)
    for arrived in (1.0, 2.0, 3.0):
        queue.put(Block(b"ab", arrived))
    assert queue.get(0) == (Block(b"ab", 2.0), 2)
    assert queue.get(0) == (Block(b"ab", 3.0), 0)
    threading.Timer(0.05, queue.end).start()
    began = time.monotonic()
    assert queue.get(10) == (None, 0)
    assert time.monotonic() - began < 5
    assert queue.ended


def test_what_was_put_and_taken_before_does_not_shorten_the_waiting() -> None:
    """Nothing came for the whole time."""
    queue = BlockQueue(2)
    queue.put(Block(b"ab", 1.0))
    queue.get(0)
    began = time.monotonic()
    assert queue.get(0.1) == (None, 0)
    assert time.monotonic() - began >= 0.1


def test_a_signal_may_interrupt_the_reader_at_any_moment() -> None:
    """The exception comes out as it is, and the queue goes on."""
    queue, ended, armed = BlockQueue(10), threading.Event(), False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise InterruptionError

    def feed() -> None:
        while not ended.is_set():
            queue.put(Block(b"ab", 0.0))
            time.sleep(0.0001)

    def read(seconds: float) -> None:
        nonlocal armed
        armed = True
        signal.setitimer(signal.ITIMER_REAL, seconds)
        while True:
            queue.get(0.01)

    before, feeder = signal.signal(signal.SIGALRM, interrupt), threading.Thread(target=feed)
    feeder.start()
    try:
        for number in range(INTERRUPTIONS):
            with pytest.raises(InterruptionError):
                read(SHORTEST_S + STEP_S * (number % STEPS))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        ended.set()
        feeder.join()
    queue.put(Block(b"ab", 1.0))
    assert queue.get(1)[0] is not None
