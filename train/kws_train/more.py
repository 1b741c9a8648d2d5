"""One's own recordings beside the data: `kws-train --more DIR`, a folder that `kws-listen --save` has begun."""

from __future__ import annotations

import sys
from pathlib import Path

from kws_runtime.errors import DataError
from kws_runtime.frontend import SAMPLE_RATE
from kws_runtime.kept import BEFORE_SAMPLES, was_kept
from kws_train.data import Material, Pcm, read_all

# A word lies in the second before its event. By the energy of this second its end is off by more than 0.2 s in 9 % of
# the words of a quiet scene and in 18 % of those in noise of 10 dB; by that of the two seconds, in 15 % and in 64 %.
WORD_SAMPLES = SAMPLE_RATE
MORE_TIMES = 10  # a recording of a word counts as so many others: it is of the very voices, room and microphone
MOST_SHARE = 1 / 4  # of a word's recordings, that those which count more than once make up
NOISE = "_noise_"  # among the other words


def add_more(material: Material, folder: Path, words: tuple[str, ...], strict: bool = False) -> None:
    """Add `folder/words/<word>/*.wav` and `folder/noise/**/*.wav` to the material of the training part.

    What is none of `words` joins the other words, and so does what `noise` holds, as if it were one more of them. The
    parts by speaker do not matter: all are learned from. Raises DataError where there is nothing.
    """
    said = sorted(path for path in (folder / "words").glob("[!_.]*/[!.]*.wav"))
    noise = sorted((folder / "noise").rglob("[!.]*.wav"))
    audio = read_all([*said, *noise], strict)
    if not audio:
        raise DataError(f"{folder}: no recordings; expected {folder}/words/<word>/*.wav or {folder}/noise/*.wav")
    own: dict[str, list[Pcm]] = {}
    for path in said:
        if path in audio:
            own.setdefault(path.parent.name, []).append(_word_of(path, audio[path]))
    if found := [_noise_of(path, audio[path]) for path in noise if path in audio]:
        own[NOISE] = found
    for name, recordings in own.items():
        by_name = material.words if name in words else material.others
        others = by_name.get(name, [])
        by_name[name] = others + recordings * (_times(len(recordings), len(others)) if name in words else 1)
    material.names += [str(path.relative_to(folder)) for path in audio]
    _tell(folder, own, words)


def _times(own: int, others: int) -> int:
    """How often each of one's own recordings of a word counts."""
    return max(1, min(MORE_TIMES, int(others * MOST_SHARE / (1 - MOST_SHARE)) // own))


def _word_of(path: Path, recording: Pcm) -> Pcm:
    """The part of a recording that holds its word. Where it is known, whatever else can be heard does not matter."""
    if was_kept(path, recording):
        return recording[BEFORE_SAMPLES - WORD_SAMPLES : BEFORE_SAMPLES]
    return recording


def _noise_of(path: Path, recording: Pcm) -> Pcm:
    """A recording from where that begins which was taken for a word."""
    return recording[BEFORE_SAMPLES - WORD_SAMPLES :] if was_kept(path, recording) else recording


def _tell(folder: Path, own: dict[str, list[Pcm]], words: tuple[str, ...]) -> None:
    """Say what was found: a folder that is named wrongly would teach a word as background."""
    counts = [f"{len(found)} {name}" for name, found in own.items() if name in words]
    counts += [f"{len(found)} {name} (another word)" for name, found in own.items() if name not in (*words, NOISE)]
    counts += [f"{len(own[NOISE])} noise"] if NOISE in own else []
    print(f"{folder}: {', '.join(counts)}", file=sys.stderr)
