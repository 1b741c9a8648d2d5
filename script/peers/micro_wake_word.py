"""pymicro-wakeword, in pieces of 10 ms as its README gives them; the argument is a bundled model's name."""

from collections.abc import Callable

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

PACKAGE, PIECE = "pymicro-wakeword", 160


def start(model: str) -> Callable[[bytes], int]:
    """The loop of its README."""
    word, features = MicroWakeWord.from_builtin(Model(model)), MicroWakeWordFeatures()

    def push(pcm: bytes) -> int:
        return sum(bool(word.process_streaming(frame)) for frame in features.process_streaming(pcm))

    return push
