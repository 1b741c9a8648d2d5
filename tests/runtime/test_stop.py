"""Signals end the waiting, never the handling."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from kws_runtime.audio import Chunk
from kws_runtime.stop import Stop

HOP = np.zeros(320, np.float32)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """As they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_while_a_chunk_is_handled_waits_until_that_is_done(number: int) -> None:
    """What was detected in it is handed on."""
    stop, handled = Stop(), []
    for turn, _ in enumerate(stop.each([HOP, HOP, HOP])):
        if turn == 1:
            os.kill(os.getpid(), number)
        handled.append(turn)
    assert handled == [0, 1]
    assert stop.signal == number


def test_a_signal_ends_the_waiting_for_audio_at_once() -> None:
    """A source that would never give any more."""

    def source() -> Iterator[Chunk]:
        yield HOP
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the source went on")

    stop = Stop()
    assert len(list(stop.each(source()))) == 1
    assert stop.signal == signal.SIGTERM


def test_the_first_of_two_signals_counts() -> None:
    """Ctrl-C, then a kill."""
    stop = Stop()
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert list(stop.each([HOP])) == []
    assert stop.signal == signal.SIGINT
