"""A fixed amount of work of one peer, for counters of instructions: `work.py SITE ADAPTER ARGUMENT STREAM BLOCKS`.

SITE is a folder of packages; the others are as for `measure.py`. A block is 0.96 s, the least that whole pieces of all
lengths here fill. What a block costs is the difference between two numbers of them: start-up falls out.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

BLOCK = 15_360  # samples
SAMPLE_BYTES = 2


def work(adapter_name: str, argument: str, stream: str, blocks: int) -> None:
    """Feed so many blocks of the stream."""
    if adapter_name == "porcupine":
        # It asks `cat` which processor this is; a program that an emulated one starts is not emulated.
        with open("/proc/cpuinfo", "rb") as file:
            cpuinfo = file.read()
        subprocess.check_output = lambda _: cpuinfo
    adapter = import_module(adapter_name)
    push = adapter.start(argument)
    with open(stream, "rb") as file:
        for _ in range(blocks * BLOCK // adapter.PIECE):
            push(file.read(adapter.PIECE * SAMPLE_BYTES))


if __name__ == "__main__":
    site, *words, blocks = sys.argv[1:]
    sys.path.append(site)  # at the end: Porcupine brings an old `enum`
    work(*words, int(blocks))
