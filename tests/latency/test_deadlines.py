"""Does it keep up? Each hop is pushed when a microphone would give it; `--seconds 600` does so for ten minutes."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kws_runtime.frontend import Samples
from kws_runtime.listener import Listener
from kws_runtime.timing import HOP_MS, HOP_US, HOPS_A_SECOND, Timings, measure, percentiles_us

MOST_OF_A_HOP = 0.1  # what the p99 of a hop's work may take
BUSY = "while True: pass"

pytestmark = pytest.mark.usefixtures("times_mean_something")


@pytest.fixture
def seconds(pytestconfig: pytest.Config) -> float:
    """How long to listen in real time. Ten minutes of it are no hang, which pytest would end."""
    faulthandler.cancel_dump_traceback_later()
    seconds = pytestconfig.getoption("seconds")
    assert seconds >= 1, "--seconds must be at least 1"
    return seconds


def listen(listener: Listener, audio: Samples, seconds: float) -> tuple[Timings, str]:
    """Hops in real time, and what they took in words."""
    timings = measure(listener, audio, round(seconds * HOPS_A_SECOND), paced=True)
    assert timings.late_ns is not None
    work, late = percentiles_us(timings.work_ns), percentiles_us(timings.late_ns)
    told = (
        f"p50 {work['p50']:.0f}, p99 {work['p99']:.0f}, max {work['max']:.0f} µs; "
        f"{timings.missed} of {len(timings.work_ns)} hops too late, woken {late['max']:.0f} µs late at most"
    )
    return timings, told


def test_a_hop_takes_a_tenth_of_its_time_and_none_is_late(
    listener: Listener, audio: Samples, seconds: float, figures: dict[str, str]
) -> None:
    """99 of 100 hops take at most 2 ms of 20, and each is done before the next one is complete."""
    timings, told = listen(listener, audio, seconds)
    figures[f"{listener.info.name} on {listener.interpreter}, a hop"] = told
    p99 = percentiles_us(timings.work_ns)["p99"]
    assert p99 <= MOST_OF_A_HOP * HOP_US, f"p99 over {MOST_OF_A_HOP:.0%} of a hop's {HOP_MS:g} ms: {told}"
    assert timings.missed == 0, f"hops that were done after their deadline: {told}"


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    """One that never waits, on whichever core it is given."""
    with subprocess.Popen([sys.executable, "-c", BUSY]) as process:
        try:
            yield
            assert process.poll() is None, "the busy process ended too soon"
        finally:
            process.kill()


def test_no_hop_is_late_beside_a_busy_core(
    listener: Listener, audio: Samples, seconds: float, figures: dict[str, str]
) -> None:
    """Another process that computes without end takes a core, not the listener's time."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one core only, which a busy process would take from the listener")
    with busy_process():
        timings, told = listen(listener, audio, seconds)
    figures["  beside a busy core"] = told
    assert timings.missed == 0, f"hops that were done after their deadline, beside a busy core: {told}"
