"""openWakeWord, in pieces of 80 ms as its README advises; the argument is a bundled model's name."""

from collections.abc import Callable

import numpy as np
from openwakeword.model import Model

PACKAGE, PIECE = "openwakeword", 1280
THRESHOLD = 0.5  # of its examples


def start(name: str) -> Callable[[bytes], int]:
    """On tflite-runtime with one thread, which are its defaults."""
    model = Model(wakeword_models=[name])

    def push(pcm: bytes) -> int:
        return int(model.predict(np.frombuffer(pcm, np.int16))[name] > THRESHOLD)

    return push
