"""Speech Commands as it is laid out on disk: `words/<word>/<speaker>_nohash_<n>.wav`.

The official parts (Warden, arXiv 1804.03209) follow from a hash of the speaker's name, so that a speaker
is in one part only, whatever is added later.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kws_runtime.errors import DataError

WORDS = ("down", "go", "left", "no", "right", "stop", "up", "yes")
BACKGROUND = "_background_"
UNKNOWN, SILENCE = "_unknown_", "_silence_"
LABELS = (BACKGROUND, *WORDS)
# The task of the literature (Warden, arXiv 1804.03209, section 7): ten words, any other word, and silence.
TWELVE_LABELS = (UNKNOWN, SILENCE, "down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
LABEL_SETS = {"words": LABELS, "twelve": TWELVE_LABELS}
PARTS = ("training", "validation", "testing")

VALIDATION_PERCENT = 10.0
TESTING_PERCENT = 10.0
LIST_SPLIT_PERCENT = (80, 90)  # where the training and the validation part of a list end
_HASH_BUCKETS = 2**27 - 1  # the official script's MAX_NUM_WAVS_PER_CLASS


@dataclass(frozen=True, order=True)
class Clip:
    """A recording of one word."""

    path: Path
    word: str


def words_of(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels that are words; the others begin with `_`."""
    return tuple(label for label in labels if not label.startswith("_"))


def part_of(name: str | Path) -> str:
    """The official part of a clip, 'training', 'validation' or 'testing', from its file name."""
    speaker = re.sub(r"_nohash_.*$", "", Path(name).name)
    percent = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % (_HASH_BUCKETS + 1) * 100.0 / _HASH_BUCKETS
    if percent < VALIDATION_PERCENT:
        return "validation"
    if percent < VALIDATION_PERCENT + TESTING_PERCENT:
        return "testing"
    return "training"


def clips_in(folder: Path, part: str | None = None, words: tuple[str, ...] | None = None) -> list[Clip]:
    """The clips of `folder/<word>/*.wav`, sorted; of one part, of some words, or all.

    Folders that begin with `_` (background noise) hold no words. Raises DataError where nothing is found.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of words")
    found = [
        Clip(path, place.name)
        for place in sorted(folder.iterdir())
        if place.is_dir() and not place.name.startswith("_") and (words is None or place.name in words)
        for path in sorted(place.glob("*.wav"))
        if part is None or part_of(path) == part
    ]
    if not found:
        what = f" of the {part} part" if part else ""
        raise DataError(f"{folder}: no clips{what}; expected {folder}/<word>/<speaker>_nohash_<n>.wav")
    return found


def clips_listed(list_file: Path, folder: Path, part: str | None = None) -> list[Clip]:
    """The clips that a list file (a path relative to `folder`, `.../word/name.wav`, a line) names; of one part, or all.

    A list has parts of its own, as in TensorFlow's tutorial: a random 80 / 10 / 10 % of its clips (seed 0), so a
    speaker can be in several. Raises DataError where the list is unreadable or names what is not there.
    """
    try:
        lines = list_file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{list_file}: cannot read this list of clips: {error}") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError(f"{list_file}: an empty list of clips")
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise DataError(f"{list_file}: {len(absent)} of its {len(names)} clips are not in {folder}, first {absent[0]}")
    if part:
        order = np.random.default_rng(0).permutation(len(names))
        first, second = (len(names) * percent // 100 for percent in LIST_SPLIT_PERCENT)
        places = {"training": order[:first], "validation": order[first:second], "testing": order[second:]}[part]
        names = [names[place] for place in sorted(places)]
    return [Clip(folder / name, Path(name).parent.name) for name in names]
