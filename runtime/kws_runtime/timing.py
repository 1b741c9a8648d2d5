"""What a hop costs: the whole chain, as fast as it goes or paced in real time, and each of its stages.

A hop is a push of 20 ms. The model runs in those hops alone that complete a step (every second one, where a step is
40 ms), so hops are of two kinds. Percentiles are told of all hops and of those with a step.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.audio import HOP_SAMPLES
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.listener import Listener

Nanoseconds = NDArray[np.int64]

HOP_NS = HOP_SAMPLES * 1_000_000_000 // SAMPLE_RATE
HOP_US, HOP_MS = HOP_NS / 1000, HOP_NS / 1_000_000
HOPS_A_SECOND = SAMPLE_RATE // HOP_SAMPLES
WARM_UP_HOPS = 2 * HOPS_A_SECOND  # caches, branch predictors and the governor have seen the work by then
STOPWATCH_ROUNDS, STOPWATCH_CALLS = 10, 1000  # to know what a stopwatch itself costs
SECONDS_AN_HOUR = 3600
METHODS = {  # of a listener that make up each stage: the object's name and the method's
    "front_end": (("front_end", "process"),),
    "step": (("step", "process"),),
    "detector": (("detector", "smooth"), ("detector", "decide")),
}
STAGES = tuple(METHODS)
REST = "rest"
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


@dataclass(frozen=True)
class Timings:
    """The hops of one measurement of the whole chain, warm-up left out. All times are of the wall, but `cpu_s`."""

    work_ns: Nanoseconds  # (hops,) from the push of the samples to the decisions
    steps: NDArray[np.int64]  # (hops,) how often the model ran in each
    cpu_s: float  # of all threads, in user and kernel mode, with what the clocks of the measurement take
    late_ns: Nanoseconds | None = None  # (hops,) paced: how late the operating system let the work begin
    done_ns: Nanoseconds | None = None  # (hops,) paced: from the hop's last sample to its decisions

    @property
    def with_step_ns(self) -> Nanoseconds:
        """`work_ns` of the hops in which the model ran."""
        return self.work_ns[self.steps > 0]

    @property
    def without_step_ns(self) -> Nanoseconds:
        """`work_ns` of the others."""
        return self.work_ns[self.steps == 0]

    @property
    def cpu_s_an_hour(self) -> float:
        """CPU seconds for an hour of audio."""
        return self.cpu_s * _an_hour(len(self.work_ns))

    @property
    def missed(self) -> int:
        """Paced: hops that were not done when the next one was complete."""
        return 0 if self.done_ns is None else int((self.done_ns > HOP_NS).sum())


@dataclass(frozen=True)
class StageTimings:
    """What one stage took in each hop of a measurement, warm-up left out."""

    ns: Nanoseconds  # (hops,) of the wall, of all its calls in the hop
    calls: NDArray[np.int64]  # (hops,)

    @property
    def s_an_hour(self) -> float:
        """Seconds for an hour of audio."""
        return float(self.ns.sum()) / 1e9 * _an_hour(len(self.ns))


def _an_hour(hops: int) -> float:
    """How many times so many hops are an hour."""
    return SECONDS_AN_HOUR * HOPS_A_SECOND / hops


def percentiles_us(ns: Nanoseconds) -> dict[str, float]:
    """Of times (n,), n > 0: that which so many of 100 of them do not exceed, in microseconds; each was measured."""
    found = np.quantile(ns, list(PERCENTILES.values()), method="inverted_cdf") / 1000
    return dict(zip(PERCENTILES, found.tolist(), strict=True))


def measure(listener: Listener, audio: Samples, hops: int, paced: bool = False) -> Timings:
    """Push `hops` hops of the audio (n,), n >= 320, over and over, into a listener begun anew, after a warm-up.

    Paced, hop i is pushed when its last sample would be there, 20 (i + 1) ms after the start, or when the hop before
    it is done, if that is later. `late_ns` counts from that moment, so it is the operating system's (its timers, and
    what else runs); `done_ns` counts from the last sample, so a hop before that took too long is in it too.
    """
    pieces = hops_of(audio)
    listener.reset()
    _push(listener, pieces, WARM_UP_HOPS, paced)
    cpu = time.process_time()
    start, began, ended, steps = _push(listener, pieces, hops, paced)
    cpu = time.process_time() - cpu
    if not paced:
        return Timings(ended - began, steps, cpu)
    complete = start + HOP_NS * np.arange(1, hops + 1, dtype=np.int64)  # 32 bits would not hold it
    free = np.maximum(complete, np.concatenate([[start], ended[:-1]]))
    return Timings(ended - began, steps, cpu, began - free, ended - complete)


def hops_of(audio: Samples) -> list[Samples]:
    """The audio (n,) in whole hops of 320 samples."""
    return [audio[at : at + HOP_SAMPLES] for at in range(0, len(audio) - HOP_SAMPLES + 1, HOP_SAMPLES)]


def _push(
    listener: Listener, pieces: list[Samples], hops: int, paced: bool
) -> tuple[int, Nanoseconds, Nanoseconds, NDArray[np.int64]]:
    """When it began, when each hop's work began and ended, and the steps in each. The clock counts nanoseconds."""
    clock = time.perf_counter_ns
    began, ended, steps = (np.zeros(hops, np.int64) for _ in range(3))  # so that nothing grows while it measures
    start = clock()
    for hop in range(hops):
        if paced:
            wait = start + (hop + 1) * HOP_NS - clock()
            if wait > 0:
                time.sleep(wait / 1e9)
        samples = pieces[hop % len(pieces)]
        before = clock()
        decisions = listener.decisions(samples)
        after = clock()
        began[hop], ended[hop], steps[hop] = before, after, len(decisions)
    return start, began, ended, steps


def measure_stages(listener: Listener, audio: Samples, hops: int) -> dict[str, StageTimings]:
    """Push the same hops flat out with a stopwatch on each of STAGES; REST is what they leave of a hop (checks,
    posteriors, joining), once in each hop.

    `measure` goes without stopwatches: each call of one costs some 0.2 us. That is taken off the rest again.
    """
    pieces, clock = hops_of(audio), time.perf_counter_ns
    watches = {stage: _Stopwatch() for stage in STAGES}
    ns, calls = (np.zeros((len(watches), WARM_UP_HOPS + hops), np.int64) for _ in range(2))
    chain = np.zeros(WARM_UP_HOPS + hops, np.int64)
    listener.reset()
    with contextlib.ExitStack() as watched:
        for stage, watch in watches.items():
            for part, method in METHODS[stage]:
                watched.enter_context(_watched(getattr(listener, part), method, watch))
        for hop in range(WARM_UP_HOPS + hops):
            samples = pieces[hop % len(pieces)]
            before = clock()
            listener.decisions(samples)
            chain[hop] = clock() - before
            for row, watch in enumerate(watches.values()):
                ns[row, hop], calls[row, hop] = watch.take()
    measured = slice(WARM_UP_HOPS, None)
    timings = {stage: StageTimings(ns[row, measured], calls[row, measured]) for row, stage in enumerate(watches)}
    rest = (chain - ns.sum(0) - calls.sum(0) * _stopwatch_ns())[measured]
    return {**timings, REST: StageTimings(np.maximum(rest, 0), np.ones(hops, np.int64))}


class _Stopwatch:
    """Adds up what the calls of a stage take."""

    def __init__(self) -> None:
        self._ns, self._calls = 0, 0

    def on(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, timed."""
        clock = time.perf_counter_ns

        def timed(*arguments: Any) -> Any:
            before = clock()
            result = method(*arguments)
            self._ns += clock() - before
            self._calls += 1
            return result

        return timed

    def take(self) -> tuple[int, int]:
        """Nanoseconds and calls since the last time."""
        taken = self._ns, self._calls
        self._ns, self._calls = 0, 0
        return taken


def _stopwatch_ns() -> int:
    """What a stopwatch costs beside what it tells, on a method that does nothing: the least of some rounds, for what
    else runs only adds to it."""
    watch, clock = _Stopwatch(), time.perf_counter_ns
    method, found = watch.on(lambda: None), []
    for _ in range(STOPWATCH_ROUNDS):
        before = clock()
        for _ in range(STOPWATCH_CALLS):
            method()
        found.append((clock() - before - watch.take()[0]) // STOPWATCH_CALLS)
    return min(found)


@contextlib.contextmanager
def _watched(part: Any, method: str, watch: _Stopwatch) -> Iterator[None]:
    """The method of this one object under the stopwatch."""
    setattr(part, method, watch.on(getattr(part, method)))
    try:
        yield
    finally:
        delattr(part, method)  # the class's own is there again
