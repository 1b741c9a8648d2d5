"""pyopen-wakeword, in pieces of 10 ms as its README gives them; the argument is a bundled model's name."""

from collections.abc import Callable

from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures

PACKAGE, PIECE = "pyopen-wakeword", 160
THRESHOLD = 0.5  # of its README


def start(model: str) -> Callable[[bytes], int]:
    """The loop of its README."""
    word, features = OpenWakeWord.from_builtin(Model(model)), OpenWakeWordFeatures.from_builtin()

    def push(pcm: bytes) -> int:
        frames = features.process_streaming(pcm)
        return sum(score > THRESHOLD for frame in frames for score in word.process_streaming(frame))

    return push
