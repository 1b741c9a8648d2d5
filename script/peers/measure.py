"""Measure one peer, in a process and a Python of its own: `measure.py ADAPTER ARGUMENT STREAM STARTED`.

An adapter is a module of this folder. It has `PACKAGE`, whose version is told; `PIECE`, the number of samples that it
takes at a time; and `start(ARGUMENT)`, which gives a function that takes a piece of 16-bit PCM and returns how often
something was heard in it. STREAM is a file of 16 kHz mono, 16 bit; STARTED is the monotonic clock, in ns, of the moment
at which this process was started. A line of JSON comes out. What is loaded here counts as the peer's, in memory and
start-up, so almost nothing is before the figures are there.
"""

from __future__ import annotations

import sys
import time
from array import array
from importlib import import_module

RATE, SAMPLE_BYTES = 16_000, 2
WARM_UP_SECONDS = 10  # not measured: buffers fill, caches warm
CPU_SECONDS = 300  # without a look at the clock in between
LATENCY_SECONDS = 120  # each push by the clock
SECONDS = WARM_UP_SECONDS + CPU_SECONDS + LATENCY_SECONDS
READ_BYTES = 1 << 16


def status(name: str) -> int:
    """A number of /proc/self/status. `VmHWM` is the peak RSS in KiB; getrusage's may be that of the parent."""
    with open("/proc/self/status") as lines:
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def measure(adapter_name: str, argument: str, stream: str, started: int) -> dict[str, float]:
    """Feed the stream as fast as it goes; the figures of this process."""
    adapter = import_module(adapter_name)
    push, piece = adapter.start(argument), adapter.PIECE
    size, rate = piece * SAMPLE_BYTES, RATE // piece  # pushes a second; the rest of a second does not matter
    with open(stream, "rb", READ_BYTES) as file:
        for _ in range(rate):
            push(file.read(size))
        start_cpu, start_wall = time.process_time(), time.monotonic_ns() - started
        for _ in range(rate * (WARM_UP_SECONDS - 1)):
            push(file.read(size))

        heard, pushes = 0, CPU_SECONDS * RATE // piece
        before = time.process_time()
        for _ in range(pushes):
            heard += push(file.read(size))
        cpu = time.process_time() - before
        peak_kib, threads = status("VmHWM"), status("Threads")

        took = array("q")
        for _ in range(LATENCY_SECONDS * RATE // piece):
            pcm = file.read(size)
            before_push = time.perf_counter_ns()
            push(pcm)
            took.append(time.perf_counter_ns() - before_push)
    p50, p99 = (sorted(took)[len(took) * percent // 100] / 1e3 for percent in (50, 99))
    return {
        "piece_ms": 1e3 * piece / RATE,
        "cpu_s_per_hour": cpu * 3600 / CPU_SECONDS,
        "p50_us": p50,
        "p99_us": p99,
        "start_cpu_s": start_cpu,
        "start_wall_s": start_wall / 1e9,
        "rss_mib": peak_kib / 1024,
        "threads": threads,
        "heard": heard,
    }


def main() -> None:
    """Read the arguments, measure, print."""
    name, argument, stream, started = sys.argv[1:]
    figures = measure(name, argument, stream, int(started))
    import json
    from importlib.metadata import version

    print(json.dumps({"version": version(import_module(name).PACKAGE), **figures}))


if __name__ == "__main__":
    main()
