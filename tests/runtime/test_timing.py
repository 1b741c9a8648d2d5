"""What a hop costs: each figure is what a clock of our own says it must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kws_runtime import timing
from kws_runtime.audio import read_wav
from kws_runtime.detector import Detector
from kws_runtime.frontend import FrontEnd
from kws_runtime.listen import DEMO
from kws_runtime.listener import Listener
from kws_runtime.step import Step

MS = 1_000_000
AUDIO = np.zeros(3200, np.float32)


class Machine:
    """A clock in nanoseconds that only work, sleep and, by `tick_ns`, its reading move; a system that wakes late."""

    def __init__(self, work_ms: list[int], late_ms: int = 0, tick_ns: int = 0) -> None:
        self.ns, self.cpu_ns, self.late_ms, self.tick_ns = 0, 0, late_ms, tick_ns
        self._work = iter(work_ms)

    def perf_counter_ns(self) -> int:
        self.ns += self.tick_ns
        return self.ns

    def process_time(self) -> float:
        return self.cpu_ns / 1e9

    def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9) + self.late_ms * MS

    def decisions(self, samples: Any) -> list[str]:
        """A hop's work: a step in those that take at least 10 ms."""
        assert samples.shape == (320,)
        ms = next(self._work)
        self.ns += ms * MS
        self.cpu_ns += ms * MS
        return ["a decision"] if ms >= 10 else []

    def reset(self) -> None:
        """Nothing to forget."""

    def slowed(self, method: Callable[..., Any], ms: int) -> Callable[..., Any]:
        """A method that takes so long here."""

        def slow(*arguments: Any) -> Any:
            self.ns += ms * MS
            return method(*arguments)

        return slow


def measured(monkeypatch: pytest.MonkeyPatch, work_ms: list[int], paced: bool, late_ms: int = 0) -> timing.Timings:
    machine = Machine([1, 1, *work_ms], late_ms)
    monkeypatch.setattr(timing, "time", machine)
    monkeypatch.setattr(timing, "WARM_UP_HOPS", 2)
    return timing.measure(machine, AUDIO, len(work_ms), paced)  # type: ignore[arg-type]


def test_flat_out_each_hop_follows_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work of all, of those with a step and of those without; nothing waits."""
    timings = measured(monkeypatch, [1, 12, 2, 14], paced=False)
    assert timings.work_ns.tolist() == [1 * MS, 12 * MS, 2 * MS, 14 * MS]
    assert timings.with_step_ns.tolist() == [12 * MS, 14 * MS]
    assert timings.without_step_ns.tolist() == [1 * MS, 2 * MS]
    assert timings.late_ns is timings.done_ns is None
    assert timings.missed == 0


def test_cpu_is_told_for_an_hour_of_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the warm-up: 4 hops of 20 ms that take 40 ms are half an hour's CPU for an hour."""
    assert measured(monkeypatch, [10] * 4, paced=False).cpu_s_an_hour == pytest.approx(1800)
    assert measured(monkeypatch, [10] * 4, paced=True).cpu_s_an_hour == pytest.approx(1800)


def test_in_real_time_what_the_system_adds_is_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Woken 3 ms late; the work is what it was; done after is both."""
    timings = measured(monkeypatch, [1, 12, 1, 12], paced=True, late_ms=3)
    assert timings.work_ns.tolist() == [1 * MS, 12 * MS, 1 * MS, 12 * MS]
    assert timings.late_ns is not None
    assert timings.late_ns.tolist() == [3 * MS] * 4
    assert timings.done_ns is not None
    assert timings.done_ns.tolist() == [4 * MS, 15 * MS, 4 * MS, 15 * MS]
    assert timings.missed == 0


def test_a_hop_that_takes_too_long_makes_the_next_ones_late_and_the_system_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """50 ms: it and the next are not done by their deadlines; then it has caught up."""
    timings = measured(monkeypatch, [1, 50, 11, 1, 1], paced=True)
    assert timings.late_ns is not None
    assert timings.late_ns.tolist() == [0] * 5
    assert timings.done_ns is not None
    assert timings.done_ns.tolist() == [1 * MS, 50 * MS, 41 * MS, 22 * MS, 3 * MS]
    assert timings.missed == 3


def test_a_percentile_is_a_time_that_was_measured() -> None:
    """What so many of 100 do not exceed, in microseconds."""
    found = timing.percentiles_us(1000 * np.random.default_rng(0).permutation(np.arange(1, 1001)))
    assert found == {"p50": 500, "p95": 950, "p99": 990, "p99.9": 999, "max": 1000}
    assert set(timing.percentiles_us(np.array([7000])).values()) == {7.0}


def test_each_stage_has_its_own_time_and_the_rest_is_what_they_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the nanosecond, of which the stopwatches take `tick` in each call; afterwards the listener is as it was."""
    tick = 100
    machine, listener = Machine([], tick_ns=tick), Listener()
    takes_ms = {
        (FrontEnd, "process"): 2,
        (Step, "process"): 4,
        (Detector, "smooth"): 1,
        (Detector, "decide"): 2,
        (Listener, "_steps_of"): 7,
    }
    for (kind, method), ms in takes_ms.items():
        monkeypatch.setattr(kind, method, machine.slowed(getattr(kind, method), ms))
    monkeypatch.setattr(timing, "time", machine)
    stages = timing.measure_stages(listener, read_wav(DEMO)[:32_000], 40)
    ran = stages["step"].calls > 0
    assert ran.tolist() in ([False, True] * 20, [True, False] * 20)
    for stage, ms, calls in (("step", 4, 1), ("detector", 3, 2), (timing.REST, 7, 1)):
        assert stages[stage].ns[ran].tolist() == [ms * MS + calls * tick] * 20
        assert stages[stage].calls[ran].tolist() == [calls] * 20
    assert stages["step"].ns[~ran].sum() == 0
    assert (stages["front_end"].ns == stages["front_end"].calls * (2 * MS + tick)).all()
    assert stages["step"].s_an_hour == pytest.approx(0.0040001 * 25 * 3600)
    for part in (listener.front_end, listener.step, listener.detector):
        assert not {"process", "smooth", "decide"} & set(vars(part))


def test_a_real_listener_runs_its_model_each_second_hop() -> None:
    """And is measured over more hops than there are in the audio."""
    timings = timing.measure(Listener(), read_wav(DEMO)[:3200], 60)
    assert timings.steps.tolist() in ([0, 1] * 30, [1, 0] * 30)
    assert (timings.work_ns > 0).all()
    assert np.median(timings.with_step_ns) > np.median(timings.without_step_ns)
    assert timings.cpu_s > 0
