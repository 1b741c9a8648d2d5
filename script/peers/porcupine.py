"""Porcupine, in frames of the length that it wants (32 ms); the argument is its keywords, with commas between.

As in its demo, a frame is a tuple of integers unpacked from PCM: that is the cheapest thing for its `process`, which
unpacks what it is given into C integers again.
"""

import struct
from collections.abc import Callable

import pvporcupine

PACKAGE, PIECE = "pvporcupine", 512


def start(keywords: str) -> Callable[[bytes], int]:
    """The loop of its README."""
    engine = pvporcupine.create(keywords=keywords.split(","))
    unpack = struct.Struct(f"{engine.frame_length}h").unpack

    def push(pcm: bytes) -> int:
        return int(engine.process(unpack(pcm)) >= 0)

    return push
