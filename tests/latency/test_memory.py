"""What runs for months may not grow by a byte an hour."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from kws_runtime.frontend import Samples
from kws_runtime.listener import Listener
from kws_runtime.timing import HOPS_A_SECOND, hops_of

WARM_UP_HOPS = 100 * HOPS_A_SECOND  # the scene twice: all of its words were heard, so everything was allocated once
HOPS = 10_000
MOST_BLOCKS = 50  # of Python's memory: one that stays in 200 hops
MOST_BYTES = 256 * 1024  # of the process: 26 bytes a hop. The kernel counts in pages and now and then gives some more


def held() -> tuple[int, int]:
    """Blocks that Python holds, and bytes of the process that lie in memory (VmRSS)."""
    gc.collect()
    (kib,) = (line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS:" in line)
    return sys.getallocatedblocks(), int(kib) * 1024


def push(listener: Listener, pieces: list[Samples], hops: int) -> None:
    for hop in range(hops):
        listener.decisions(pieces[hop % len(pieces)])


def test_nothing_stays_of_a_hop(listener: Listener, audio: Samples, figures: dict[str, str]) -> None:
    """Neither Python's blocks nor the process grow in thousands of hops, with words in them."""
    pieces = hops_of(audio)
    push(listener, pieces, WARM_UP_HOPS)
    blocks, size = held()
    push(listener, pieces, HOPS)
    more_blocks, more_bytes = (now - before for now, before in zip(held(), (blocks, size), strict=True))
    told = f"{more_blocks} blocks of Python, {more_bytes / 1024:.0f} KiB of the process in {HOPS:,} hops"
    figures["  grown"] = told
    assert more_blocks <= MOST_BLOCKS, f"the hot path keeps what it allocates: {told}"
    assert more_bytes <= MOST_BYTES, f"the hot path keeps what it allocates: {told}"
