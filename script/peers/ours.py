"""kws-edge, in pieces of 20 ms as a pipe gives them; the argument is a bundled model's name."""

from collections.abc import Callable

from kws_runtime import Listener
from kws_runtime.audio import HOP_SAMPLES, Converter
from kws_runtime.frontend import SAMPLE_RATE
from kws_runtime.wavfile import PcmFormat

PACKAGE, PIECE = "kws-edge", HOP_SAMPLES


def start(model: str) -> Callable[[bytes], int]:
    """Samples are converted from integers here too, as for the others."""
    listener, converter = Listener(model), Converter(PcmFormat(SAMPLE_RATE))

    def push(pcm: bytes) -> int:
        return len(listener.process(converter.process(pcm)))

    return push
