"""The clips of docs/cnn-to-gru.md as arrays: made once for each kind of features and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_runtime.clips import CLIP_SAMPLES
from kws_runtime.corpus import PARTS, WORDS, clips_listed
from kws_runtime.errors import DataError
from kws_runtime.frontend import Frames, LogMel, Samples, Stft, frames_of
from kws_train.augment import to_float
from kws_train.data import Pcm, read_all

FLOOR = 1e-3  # added to a power before the logarithm, as in log-mel


def _log_stft(samples: Samples) -> Frames:
    return np.log(frames_of(samples, Stft()) ** 2 + np.float32(FLOOR))


FEATURES: dict[str, Callable[[Samples], Frames]] = {
    "stft": lambda samples: frames_of(samples, Stft()),  # (124, 129)
    "log-stft": _log_stft,  # (124, 129)
    "log-mel": lambda samples: frames_of(samples, LogMel()),  # (49, 40)
}


@dataclass(frozen=True)
class Part:
    """Features (clips, frames, features) and labels (clips,) of one part of the list."""

    frames: NDArray[np.float32]
    labels: NDArray[np.int32]


def _pad(clip: Pcm) -> Samples:
    """A clip as the tutorial lays it: from the start of a second, zeros after it."""
    samples = np.zeros(CLIP_SAMPLES, np.float32)
    clip = clip[:CLIP_SAMPLES]
    samples[: len(clip)] = to_float(clip)
    return samples


class ListedClips:
    """The clips of a list in its random 80 / 10 / 10 % parts."""

    def __init__(self, folder: Path, list_file: Path) -> None:
        """Read all clips. Raises DataError for a word that is none of the eight, AudioError for a faulty clip."""
        self._clips: dict[str, list[Pcm]] = {}
        self._labels: dict[str, NDArray[np.int32]] = {}
        for part in PARTS:
            clips = clips_listed(list_file, folder, part)
            strange = [clip.path for clip in clips if clip.word not in WORDS]
            if strange:
                raise DataError(f"{list_file}: {strange[0]} is none of {', '.join(WORDS)}")
            audio = read_all([clip.path for clip in clips], strict=True)
            self._clips[part] = [audio[clip.path] for clip in clips]
            self._labels[part] = np.array([WORDS.index(clip.word) for clip in clips], np.int32)
            if not clips:
                raise DataError(f"{list_file}: too short to have a {part} part")
        self._parts: dict[tuple[str, str], Part] = {}

    def counts(self) -> dict[str, int]:
        """Clips of each part."""
        return {part: len(labels) for part, labels in self._labels.items()}

    def part(self, part: str, features: str) -> Part:
        """One part as one kind of features."""
        if (part, features) not in self._parts:
            frames = np.stack([FEATURES[features](_pad(clip)) for clip in self._clips[part]])
            self._parts[part, features] = Part(frames, self._labels[part])
        return self._parts[part, features]
