"""`kws-words`: spoken words from synthesizers, for what a model must tell from its words."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.corpus import WORDS
from kws_runtime.errors import AudioError, DataError, MissingError

if TYPE_CHECKING:
    from kws_train.synthesis import Engine

EXAMPLES = """\
  kws-words DATA/synthetic                              the bundled words, by each synthesizer that is installed
  kws-words DATA/synthetic --positives 50               and 50 clips of each of the eight words an engine
  kws-words DATA/synthetic --engine piper --piper-voice en_US-joe-medium.onnx
  kws-words DATA/synthetic --words FILE --count 200     words of your own

It writes OUT/<engine>/<word>/<voice>-<n>.wav (16 kHz, at most 1.5 s). kws-train takes DATA/synthetic for its training
part: the eight words as words, all others as background. What is there already is kept, so an interrupted run goes
on; another --seed needs another folder. Synthesizers: apt-get install flite espeak-ng; pip install piper-tts."""

ENGINES = ("flite", "espeak-ng", "piper")
# They sound like one of the eight words: as background they would unteach it.
HOMOPHONES = frozenset({"know", "noh", "rite", "wright", "write"})
SKIPPED_SHOWN = 5


@dataclass(frozen=True)
class Order:
    """One clip to be made: its content follows from this and the seed alone."""

    engine: Engine
    word: str
    voice: str
    number: int
    path: Path


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("kws-words", "Synthesize spoken words for kws-train.", EXAMPLES)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write to; DATA/synthetic is where it is read")
    parser.add_argument("--words", type=Path, metavar="FILE", help="a word a line (default: a bundled list)")
    parser.add_argument(
        "--engine",
        nargs="+",
        choices=ENGINES,
        metavar="NAME",
        help=f"{', '.join(ENGINES)} (default: all that are there)",
    )
    parser.add_argument(
        "--piper-voice", type=Path, metavar="FILE", help="a voice for Piper: .onnx, FILE.json beside it"
    )
    parser.add_argument("--count", type=int, default=4, help="clips of a word an engine (default: %(default)s)")
    parser.add_argument(
        "--positives", type=int, default=0, metavar="N", help="N clips of each of the eight words an engine, too"
    )
    parser.add_argument("--seed", type=int, default=0, help="of speed and pitch (default: %(default)s)")
    args = parser.parse_args(arguments)
    if args.count < 1 or args.positives < 0 or args.seed < 0:
        parser.error("--count must be at least 1, --positives and --seed at least 0")
    if args.engine and "piper" in args.engine and not args.piper_voice:
        parser.error("--engine piper needs a voice: --piper-voice FILE.onnx")
    args.engine = args.engine or [name for name in ENGINES if name != "piper" or args.piper_voice]
    return args


def read_words(path: Path | None = None) -> list[str]:
    """The words of a list, sorted; of the bundled one without `path`.

    Raises DataError for what is no word and for what sounds as one of the eight words without being it.
    """
    where = path or files("kws_train") / "words.txt"
    try:
        lines = where.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: cannot read this list of words: {error}") from error
    words = sorted({line.strip().lower() for line in lines if line.strip()})
    if not words:
        raise DataError(f"{where}: an empty list of words")
    for word in words:
        if not re.fullmatch(r"[a-z]+", word):
            raise DataError(f"{where}: {word!r} is not a word of the letters a to z; one a line is expected")
        if word in HOMOPHONES:
            raise DataError(f"{where}: {word!r} sounds like one of the words to be heard; take it out")
    return words


def find_engines(names: list[str], piper_voice: Path | None) -> list[Engine]:
    """The synthesizers of these names. Raises MissingError where none is installed; one of several is a warning."""
    from kws_train.synthesis import EspeakNg, Flite, Piper

    makers: dict[str, Callable[[], Engine]] = {"flite": Flite, "espeak-ng": EspeakNg}
    if piper_voice:
        makers["piper"] = partial(Piper, piper_voice)
    found: list[Engine] = []
    missing: list[str] = []
    for name in dict.fromkeys(names):
        try:
            found.append(makers[name]())
        except MissingError as error:
            missing.append(str(error))
    if not found:
        raise MissingError("no synthesizer: " + "; ".join(missing))
    for line in missing:
        print(f"warning: {line}", file=sys.stderr)
    return found


def plan(out: Path, engine: Engine, word: str, count: int) -> Iterator[Order]:
    """`count` clips of a word. Each word begins with another voice; a larger count goes on behind a smaller one."""
    voices = engine.voices(word)
    first = _number(engine.name, word)
    for place in range(count):
        voice, number = voices[(first + place) % len(voices)], place // len(voices)
        yield Order(engine, word, voice, number, out / engine.name / word / f"{voice}-{number}.wav")


def _number(*names: str) -> int:
    """A number of 32 bits for these names, the same on every machine."""
    return int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:4], "big")


def make(order: Order, seed: int) -> AudioError | None:
    """Write the clip of an order; returns what was wrong if the synthesizer gave no speech."""
    import numpy as np
    import soundfile

    from kws_runtime.files import write_atomically
    from kws_runtime.frontend import SAMPLE_RATE
    from kws_train.synthesis import make_clip

    rng = np.random.default_rng([seed, _number(order.engine.name, order.word, order.voice, str(order.number))])
    try:
        clip = make_clip(*order.engine.speak(order.word, order.voice, rng))
    except AudioError as error:
        return AudioError(f"{order.path}: {error}")
    order.path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(order.path, lambda path: soundfile.write(path, clip, SAMPLE_RATE, subtype="PCM_16"))
    return None


def _speak(args: argparse.Namespace) -> None:
    try:
        from tqdm import tqdm

        engines = find_engines(args.engine, args.piper_voice)
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "words") from error
    counts = dict.fromkeys(read_words(args.words), args.count)
    if args.positives:
        counts |= dict.fromkeys(WORDS, args.positives)
    orders = [
        order for engine in engines for word, count in counts.items() for order in plan(args.out, engine, word, count)
    ]
    wanted = [order for order in orders if not order.path.exists()]
    faults: list[AudioError] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            results = pool.map(lambda order: make(order, args.seed), wanted)
            for fault in tqdm(results, total=len(wanted), desc="speaking", unit=" clips", disable=None):
                if fault:
                    faults.append(fault)
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the clips begun, not for all
    if faults and len(faults) == len(orders):
        raise DataError(f"{args.out}: none of {len(faults)} clips could be made; the first: {faults[0]}")
    for fault in faults[:SKIPPED_SHOWN]:
        print(f"skipped: {fault}", file=sys.stderr)
    print(
        f"{args.out}: {len(orders) - len(faults)} clips of {len(counts)} words by "
        f"{', '.join(engine.name for engine in engines)}: {len(wanted) - len(faults)} new, "
        f"{len(orders) - len(wanted)} were there, {len(faults)} skipped"
    )


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-words`; returns the exit code."""
    args = _parse(arguments)
    return run_command(lambda: _speak(args))
