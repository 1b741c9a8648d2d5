"""What `kws-listen` costs before it hears, and the memory it takes."""

from __future__ import annotations

import platform

import pytest

from kws_runtime.footprint import Footprint
from kws_runtime.listener import Listener

MIB = 1 << 20
MOST_CPU_S = {"x86_64": 0.40}
MOST_CPU_S_ELSEWHERE = 5.0  # a core that is ten times as slow, as a Raspberry Pi Zero's is
MOST_PEAK_MIB = {"tflite-runtime": 45}  # the other interpreters bring larger libraries, which nobody here can mend


@pytest.mark.usefixtures("times_mean_something")
def test_the_first_posterior_is_there_soon(cost: Footprint, figures: dict[str, str]) -> None:
    """From the start of the process on, in CPU time."""
    told = f"{cost.startup_cpu_s:.2f} s of CPU, {cost.startup_wall_s:.2f} s by the clock"
    figures["  start-up to the first posterior"] = told
    limit = MOST_CPU_S.get(platform.machine(), MOST_CPU_S_ELSEWHERE)
    assert cost.startup_cpu_s <= limit, f"start-up takes more than {limit:.2f} s: {told}"


def test_a_listener_is_small(cost: Footprint, listener: Listener, figures: dict[str, str]) -> None:
    """Its peak, with the interpreter of the base install."""
    if cost.peak_rss_bytes is None:
        pytest.skip("the kernel does not tell the peak of the memory (VmHWM)")
    peak = cost.peak_rss_bytes / MIB
    figures["  peak RSS"] = f"{peak:.1f} MiB"
    limit = MOST_PEAK_MIB.get(listener.interpreter)
    if limit is None:
        pytest.skip(f"there is no limit for {listener.interpreter}; it takes {peak:.1f} MiB")
    assert peak <= limit, f"the listener took {peak:.1f} MiB at its peak; it may take {limit}"
