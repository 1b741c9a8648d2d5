"""`kws-scene`: a recording in which words are said at known times, from clips, read speech and noise.

Isolated words, other words between them, now and then a piece of read speech, each at its own loudness, over a faint
floor; with `--snr`, each under its own piece of noise. The scene is written as it grows: an hour needs no more memory
than a minute.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.corpus import LABEL_SETS, PARTS, Clip, clips_in, words_of
from kws_runtime.errors import DataError
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.levels import loudness, noise_under, random_piece
from kws_runtime.scoring import Word

EXAMPLES = """\
  kws-scene --words DATA/words --minutes 60 --out quiet.wav        an hour of words in quiet
  kws-scene --words DATA/words --speech DATA/speech/dev --noise DATA/noise/dev --snr 10 \\
            --minutes 60 --seed 1 --out noisy.wav                  among read speech, noise 10 dB below
  kws-eval --scene noisy.wav                                       what comes next

Writes SCENE.wav and beside it the truth, SCENE.json. --words holds <word>/<speaker>_nohash_<n>.wav;
the words of --labels are to be heard, all others lie between them. --speech holds WAVs with
transcripts.txt (name, tab, words); what says one of the words to be heard is left out."""

WORD_SHARE = 0.75  # of the items; the others are other words and
SPEECH_SHARE = 0.4  # of these, read speech
PIECE_S = (1.5, 5.0)  # how much of a recording is taken: clips of words are shorter
PAUSE_S = (0.7, 2.2)  # from one item's end to the next one's beginning
LOUDNESS_DBFS = (-32.0, -20.0)
FLOOR_DBFS = -70.0


@dataclass(frozen=True)
class Plan:
    """What a scene is made of."""

    words: tuple[str, ...]  # to be heard
    clips: list[Clip]  # of these, and of others
    speech: list[Path]  # without any of the words
    noise: list[Path]
    snr_db: float | None  # None: no noise
    seconds: float
    seed: int


@dataclass(frozen=True)
class Piece:
    """A stretch of a scene: an item in the middle of pauses. `word` counts from the stretch's beginning."""

    samples: Samples
    word: Word | None


class Deck:
    """Things drawn at random, each once before any comes again."""

    def __init__(self, things: list[Path], rng: np.random.Generator) -> None:
        self._things, self._rng, self._left = things, rng, list[int]()

    def draw(self) -> Path:
        """The next."""
        if not self._left:
            self._left = self._rng.permutation(len(self._things)).tolist()
        return self._things[self._left.pop()]


def pieces(plan: Plan) -> Iterator[Piece]:
    """The pieces of a scene, without end. What they hold depends on the plan only.

    Raises AudioError for a recording that cannot be read.
    """
    from kws_train.augment import speech_bounds, to_float
    from kws_train.data import read_recording

    rng = np.random.default_rng(plan.seed)
    by_word: dict[str, list[Path]] = {}
    for clip in plan.clips:
        by_word.setdefault(clip.word, []).append(clip.path)
    words = [(word, Deck(by_word[word], rng)) for word in plan.words if word in by_word]
    others = [clip.path for clip in plan.clips if clip.word not in plan.words]
    between = [Deck(paths, rng) for paths in (others, plan.speech) if paths]
    noise = Deck(plan.noise, rng)

    while True:
        label, bounds = None, (0, 0)
        if rng.random() < WORD_SHARE or not between:
            label, deck = words[int(rng.integers(len(words)))]
            item = to_float(read_recording(deck.draw()))
            bounds = speech_bounds(item)
        else:
            deck = between[-1] if rng.random() < SPEECH_SHARE else between[0]
            item = to_float(read_recording(deck.draw()))
            length = min(len(item), int(rng.uniform(*PIECE_S) * SAMPLE_RATE))
            first = int(rng.integers(len(item) - length + 1))
            item = item[first : first + length]
        level = 10 ** (rng.uniform(*LOUDNESS_DBFS) / 20)
        before, after = (rng.uniform(*PAUSE_S, 2) / 2 * SAMPLE_RATE).astype(int)
        samples = np.zeros(before + len(item) + after, np.float32)
        samples[before : before + len(item)] = item * np.float32(level / loudness(item))
        if plan.snr_db is not None:
            bed = random_piece(to_float(read_recording(noise.draw())), len(samples), rng)
            samples += noise_under(level, bed, plan.snr_db)
        samples += np.float32(10 ** (FLOOR_DBFS / 20)) * rng.standard_normal(len(samples), np.float32)
        start, end = ((before + bound) / SAMPLE_RATE for bound in bounds)
        yield Piece(np.clip(samples, -1.0, 1.0), Word(label, start, end) if label else None)


def write_scene(plan: Plan, out: Path) -> list[Word]:
    """Write the scene and its truth; return the words in it. Nothing is left under either name if it fails.

    Raises DataError where either name is taken, AudioError for a recording that cannot be read.
    """
    import soundfile

    truth = out.with_suffix(".json")
    taken = [path for path in (out, truth) if path.exists()]
    if taken:
        raise DataError(f"{taken[0]}: is there already; remove it or choose another --out")
    unfinished = [path.with_name(f".{path.name}.part") for path in (out, truth)]
    with ExitStack() as cleaning:
        for path in unfinished:
            cleaning.callback(path.unlink, missing_ok=True)
        words, seconds = [], 0.0
        with soundfile.SoundFile(unfinished[0], "w", SAMPLE_RATE, 1, "PCM_16", format="WAV") as file:
            for piece in pieces(plan):
                if seconds + len(piece.samples) / SAMPLE_RATE > plan.seconds:
                    break
                file.write(piece.samples)
                if piece.word:
                    word = piece.word
                    words.append(Word(word.label, round(seconds + word.start, 3), round(seconds + word.end, 3)))
                seconds = file.frames / SAMPLE_RATE
        if not words:
            raise DataError(f"{out}: {plan.seconds:g} s are too short for a word")
        kind = "quiet" if plan.snr_db is None else f"snr{plan.snr_db:g}"
        said = [asdict(word) for word in words]
        note = f"isolated words and others between them, {LOUDNESS_DBFS[0]:g} to {LOUDNESS_DBFS[1]:g} dBFS, kws-scene"
        about = {"name": out.stem, "kind": kind, "seconds": round(seconds, 3), "seed": plan.seed}
        text = json.dumps(about | {"words": said, "note": note}, indent=1) + "\n"
        unfinished[1].write_text(text, encoding="utf-8")
        for path, final in zip(unfinished, (out, truth), strict=True):
            os.replace(path, final)
    return words


def _make(args: argparse.Namespace) -> None:
    try:
        from kws_train.data import speech_without_words
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "train") from error

    for folder in (args.speech, args.noise):
        if folder and not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
    clips = clips_in(args.words, args.part)
    wanted = words_of(LABEL_SETS[args.labels])
    if not any(clip.word in wanted for clip in clips):
        raise DataError(f"{args.words}: no clips of any of the words {', '.join(wanted)}")
    speech = speech_without_words(args.speech, wanted) if args.speech else []
    noise = sorted(args.noise.rglob("*.wav")) if args.noise else []
    for folder, recordings in ((args.speech, speech), (args.noise, noise)):
        if folder and not recordings:
            raise DataError(f"{folder}: no WAVs that can be used")
    plan = Plan(wanted, clips, speech, noise, args.snr, 60 * args.minutes, args.seed)
    words = write_scene(plan, args.out)
    print(
        f"{args.out}  {args.minutes:g} minutes, {len(words)} words; the truth is {args.out.with_suffix('.json').name}"
    )


def _snr(text: str) -> float | None:
    return None if text == "none" else float(text)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-scene`; returns the exit code."""
    parser = command_parser("kws-scene", "Make a scene with words at known times, to be heard by kws-eval.", EXAMPLES)
    parser.add_argument("--words", type=Path, required=True, metavar="DIR", help="folder of clips (see below)")
    parser.add_argument("--part", choices=PARTS, default="validation", help="of the clips (default: %(default)s)")
    parser.add_argument(
        "--labels", choices=sorted(LABEL_SETS), default="words", help="to be heard: the eight words, or with on and off"
    )
    parser.add_argument("--speech", type=Path, metavar="DIR", help="read speech to lie between the words")
    parser.add_argument("--noise", type=Path, metavar="DIR", help="noise to lie under everything, with --snr")
    parser.add_argument("--snr", type=_snr, metavar="DB", help="words over noise, or none (default: none)")
    parser.add_argument("--minutes", type=float, default=60.0, help="length, at most (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=0, help="another one, another scene (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="SCENE.wav", help="the truth goes beside it")
    args = parser.parse_args(arguments)
    if bool(args.noise) != (args.snr is not None):
        parser.error("--noise and --snr go together")
    if not 0 < args.minutes < float("inf"):
        parser.error("--minutes must be more than 0")
    if args.seed < 0:
        parser.error("--seed must be at least 0")
    if args.out.suffix != ".wav":
        parser.error("--out must end in .wav")
    return run_command(lambda: _make(args))
