"""`kws-listen --wav` in a process of its own, watched: when the first posterior is there, and how much memory it took.

`footprint` starts it. It imports nothing that `kws-listen` does not, so that the figures are those of `kws-listen`.
"""

from __future__ import annotations

import json
import sys
import time

from kws_runtime.audio import Chunk
from kws_runtime.listen import main as listen
from kws_runtime.listener import Decision, Listener

STATUS = "/proc/self/status"
PEAK = "VmHWM:"  # in kB. `ru_maxrss` would also hold what the process that started this one had


def main() -> int:
    """Listen as `kws-listen ARGUMENTS` does, then print one line of JSON; return the exit code of listening."""
    first: dict[str, float] = {}
    decisions = Listener.decisions

    def watched(listener: Listener, chunk: Chunk) -> list[Decision]:
        decided = decisions(listener, chunk)
        if decided and not first:
            first.update(cpu_s=time.process_time(), monotonic_s=time.monotonic())
        return decided

    setattr(Listener, "decisions", watched)  # noqa: B010  (assigning it is an error to mypy)
    code = listen(sys.argv[1:])
    if code == 0:
        print(json.dumps({**first, "peak_rss_bytes": _peak_rss_bytes()}))
    return code


def _peak_rss_bytes() -> int | None:
    """The most memory that this process held at once; None where the kernel does not tell."""
    try:
        with open(STATUS) as status:
            peaks = [int(line.split()[1]) for line in status if line.startswith(PEAK)]
    except OSError:
        return None
    return peaks[0] * 1024 if peaks else None
