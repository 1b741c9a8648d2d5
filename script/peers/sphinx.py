"""PocketSphinx searching for our eight words, in pieces of 30 ms, which is what its endpointer takes.

The argument says when it searches: in `speech`, which its endpointer finds (its LiveSpeech does that), or `always`.
"""

import tempfile
from collections.abc import Callable

from pocketsphinx import Decoder, Endpointer

PACKAGE, PIECE = "pocketsphinx", 480
WORDS = ("down", "go", "left", "no", "right", "stop", "up", "yes")
THRESHOLD = 1e-5  # with it, it hears about as many words as are said; it changes the cost by a few percent only


def start(when: str) -> Callable[[bytes], int]:
    """The loop of its LiveSpeech, or that of its decoder alone."""
    with tempfile.NamedTemporaryFile("w", suffix=".list") as words:
        words.writelines(f"{word} /{THRESHOLD:g}/\n" for word in WORDS)
        words.flush()
        decoder = Decoder(kws=words.name, lm=None)
    return _in_speech(decoder) if when == "speech" else _always(decoder)


def _in_speech(decoder: Decoder) -> Callable[[bytes], int]:
    endpointer, searching = Endpointer(), False

    def push(pcm: bytes) -> int:
        nonlocal searching
        speech = endpointer.process(pcm)
        if speech is None:
            return 0
        if not searching:
            decoder.start_utt()
        decoder.process_raw(speech)
        heard = decoder.hyp() is not None
        searching = endpointer.in_speech and not heard
        if not searching:
            decoder.end_utt()
        return int(heard)

    return push


def _always(decoder: Decoder) -> Callable[[bytes], int]:
    decoder.start_utt()

    def push(pcm: bytes) -> int:
        decoder.process_raw(pcm)
        heard = decoder.hyp() is not None
        if heard:
            decoder.end_utt()
            decoder.start_utt()
        return int(heard)

    return push
