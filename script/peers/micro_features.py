"""pymicro-features, which is the front end of pymicro-wakeword and no more, in the pieces of 10 ms of its README."""

from collections.abc import Callable

from pymicro_features import MicroFrontend

PACKAGE, PIECE = "pymicro-features", 160


def start(_: str) -> Callable[[bytes], int]:
    """It can hear nothing."""
    front_end = MicroFrontend()

    def push(pcm: bytes) -> int:
        front_end.process_samples(pcm)
        return 0

    return push
