"""Recordings on disk to arrays in memory, each faulty one reported by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from kws_runtime.corpus import WORDS, Clip, clips_in, clips_listed
from kws_runtime.errors import AudioError, DataError
from kws_runtime.frontend import SAMPLE_RATE

Pcm = NDArray[np.int16]

READERS = 2
MIN_SAMPLES = 160  # 10 ms: anything shorter holds no word


@dataclass
class Material:
    """What streams are made of: int16 recordings at 16 kHz, by what they are."""

    words: dict[str, list[Pcm]]  # the words to be heard
    others: dict[str, list[Pcm]]  # other words: background
    speech: list[Pcm] = field(default_factory=list)  # read speech without any of the words
    noise: list[Pcm] = field(default_factory=list)
    synthetic_words: dict[str, list[Pcm]] = field(default_factory=dict)  # the words again, as machines say them
    synthetic_others: list[Pcm] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # every recording used, relative to the data folder

    def groups(self) -> Iterator[list[Pcm]]:
        """All recordings, by what they are."""
        for by_word in (self.words, self.others, self.synthetic_words):
            yield from by_word.values()
        yield from (self.speech, self.noise, self.synthetic_others)


def read_recording(path: Path) -> Pcm:
    """The samples (n,) of a 16 kHz mono recording. Raises AudioError that names the file and the fault."""
    try:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path}: unreadable ({error})") from error
    if rate != SAMPLE_RATE:
        raise AudioError(f"{path}: {rate} Hz, expected {SAMPLE_RATE} Hz")
    if samples.shape[1] != 1:
        raise AudioError(f"{path}: {samples.shape[1]} channels, expected mono")
    if len(samples) < MIN_SAMPLES:
        raise AudioError(f"{path}: {len(samples)} samples, too short to hold sound")
    return np.ascontiguousarray(samples[:, 0])


def _warn(line: str) -> None:
    print(f"skipped: {line}", file=sys.stderr)


def read_all(paths: Iterable[Path], strict: bool, warn: Callable[[str], None] = _warn) -> dict[Path, Pcm]:
    """Read recordings; a faulty one is named through `warn` and left out, or, if `strict`, raised."""

    def attempt(path: Path) -> tuple[Path, Pcm | AudioError]:
        try:
            return path, read_recording(path)
        except AudioError as error:
            return path, error

    found: dict[Path, Pcm] = {}
    with ThreadPoolExecutor(READERS) as pool:
        for path, result in pool.map(attempt, paths):
            if not isinstance(result, AudioError):
                found[path] = result
            elif strict:
                raise result
            else:
                warn(str(result))
    return found


def speech_without_words(folder: Path, words: tuple[str, ...] = WORDS) -> list[Path]:
    """Read speech of `folder` in whose transcript (`transcripts.txt`: name, tab, words) no word is said."""
    transcripts = folder / "transcripts.txt"
    recordings = sorted(folder.rglob("*.wav"))
    if not transcripts.is_file():
        raise DataError(f"{transcripts}: missing; without it nobody knows where the words are said")
    said = dict(line.split("\t", 1) for line in transcripts.read_text(encoding="utf-8").splitlines() if "\t" in line)
    words_said = {Path(name).stem: set(text.lower().split()) for name, text in said.items()}
    return [path for path in recordings if path.stem in words_said and not words_said[path.stem] & set(words)]


def load_material(
    folder: Path,
    part: str,
    words: tuple[str, ...] = WORDS,
    strict: bool = False,
    list_file: Path | None = None,
) -> Material:
    """All that streams of one part are made of.

    `folder` holds `words/<word>/*.wav` and, if there, `speech/{train,dev}`, `noise/{train,dev}` and
    `synthetic/<voice>/<word>/*.wav`; the training part takes `train` and `synthetic`, the others `dev`. `list_file`
    names the words instead, and has parts of its own.
    """
    clips = clips_listed(list_file, folder, part) if list_file else clips_in(folder / "words", part)
    side = "train" if part == "training" else "dev"
    speech_folder, noise_folder = folder / "speech" / side, folder / "noise" / side
    speech = speech_without_words(speech_folder, words) if speech_folder.is_dir() else []
    noise = sorted(noise_folder.rglob("*.wav")) if noise_folder.is_dir() else []
    synthetic = synthetic_clips(folder / "synthetic") if side == "train" else []
    paths = [clip.path for clip in [*clips, *synthetic]] + speech + noise
    audio = read_all(paths, strict)
    return Material(
        words=_by_word(clips, audio, lambda word: word in words),
        others=_by_word(clips, audio, lambda word: word not in words),
        speech=[audio[path] for path in speech if path in audio],
        noise=[audio[path] for path in noise if path in audio],
        synthetic_words=_by_word(synthetic, audio, lambda word: word in words),
        synthetic_others=[audio[clip.path] for clip in synthetic if clip.word not in words and clip.path in audio],
        names=[str(path.relative_to(folder)) for path in paths if path in audio],
    )


def synthetic_clips(folder: Path) -> list[Clip]:
    """What `kws-words` wrote, `folder/<voice>/<word>/*.wav`; none where there is no such folder."""
    return [Clip(path, path.parent.name) for path in sorted(folder.glob("*/*/[!.]*.wav"))]


def _by_word(clips: list[Clip], audio: dict[Path, Pcm], wanted: Callable[[str], bool]) -> dict[str, list[Pcm]]:
    sorted_by_word: dict[str, list[Pcm]] = {}
    for clip in clips:
        if wanted(clip.word) and clip.path in audio:
            sorted_by_word.setdefault(clip.word, []).append(audio[clip.path])
    return sorted_by_word
