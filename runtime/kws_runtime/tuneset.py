"""What `kws-tune` hears: noise, each with its budget, and clips of the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_runtime.audio import read_wav
from kws_runtime.clips import CLIP_SAMPLES, NOISE_DBFS, QUIET_SAMPLES
from kws_runtime.corpus import Clip, clips_in
from kws_runtime.det import Recording, hear_in_one
from kws_runtime.detector import events_in, moving_mean
from kws_runtime.errors import DataError
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.listener import Listener
from kws_runtime.modelfile import Detection, ModelInfo
from kws_runtime.scoring import Truth, Word, score_scene
from kws_runtime.thresholds import Noise

BETWEEN_CLIPS_S = 10.0  # longer than any refractory time


@dataclass(frozen=True)
class Budget:
    """Recordings without words, and how many false accepts an hour are bearable in them (None: as everywhere)."""

    place: Path  # a WAV, or a folder of WAVs
    fa_per_hour: float | None

    def wavs(self) -> list[Path]:
        """The recordings, in the order of their names. Raises DataError where there are none."""
        if self.place.is_file():
            return [self.place]
        if not self.place.exists():
            raise DataError(f"{self.place}: no such file or folder of noise")
        found = sorted(self.place.rglob("*.wav"))
        if not found:
            raise DataError(f"{self.place}: holds no WAV; give recordings in which none of the words is said")
        return found


def budget_of(text: str) -> Budget:
    """A budget as it is written: WAV, DIR, WAV=FA/h or DIR=FA/h. Raises ValueError for what is no number of FA/h."""
    place, equals, rate = text.rpartition("=")
    if not equals or Path(text).exists():
        return Budget(Path(text), None)
    if not place:
        raise ValueError(text)
    return Budget(Path(place), rate_of(rate))


def rate_of(text: str) -> float:
    """False accepts an hour. Raises ValueError for what cannot be."""
    rate = float(text)
    if not 0 <= rate < float("inf"):
        raise ValueError(text)
    return rate


def hear_noises(listener: Listener, budgets: Sequence[Budget], fa_per_hour: float) -> list[Noise]:
    """Hear them, each as one stream; `fa_per_hour` is the budget of those that have none of their own.

    All are sought before any is heard. Raises DataError where one is missing or holds no sound, AudioError where one
    cannot be read.
    """
    wavs = [budget.wavs() for budget in budgets]
    return [
        Noise(
            str(budget.place),
            hear_in_one(listener, found),
            fa_per_hour if budget.fa_per_hour is None else budget.fa_per_hour,
        )
        for budget, found in zip(budgets, wavs, strict=True)
    ]


@dataclass(frozen=True)
class WordClips:
    """Clips of words as a model hears them: one after the other, with a pause between, the state new for each."""

    recording: Recording
    peaks: dict[str, NDArray[np.float32]]  # of each of the model's words: highest smoothed posterior (clips,)

    def missed(self, info: ModelInfo, detection: Detection) -> dict[str, int]:
        """How many clips of each word raise no event of it."""
        recording = self.recording
        events = events_in(recording.smoothed, recording.times, info.labels, detection)
        heard = score_scene(events, recording.truth).heard
        missed = dict.fromkeys(self.peaks, 0)
        for word, (_, hit) in zip(recording.truth.words, heard, strict=True):
            missed[word.label] += not hit
        return missed


def word_clips_in(folder: Path, words: tuple[str, ...]) -> list[Clip]:
    """The clips of `folder/<word>/*.wav`; folders of other words are left out. Raises DataError where none is left."""
    try:
        return clips_in(folder, words=words)
    except DataError as error:
        raise DataError(f"{folder}: no clips of the model's words; expected {folder}/{words[0]}/*.wav, ...") from error


def hear_clips(listener: Listener, clips: Sequence[Clip]) -> WordClips:
    """Hear each with a new state. Raises AudioError for one that cannot be read, DataError for one without sound."""
    info, rng = listener.info, np.random.default_rng(0)
    pause = np.zeros((1, len(info.labels)), np.float32)  # nothing stays over a threshold from one clip to the next
    rows, times, words = [], [], []
    peaks: dict[str, list[np.float32]] = {word: [] for word in info.words}
    begin = 0.0
    for clip in clips:
        samples = read_wav(clip.path)
        if not len(samples):
            raise DataError(f"{clip.path}: holds no sound")
        listener.reset()
        laid = _lay(samples, rng)
        smoothed = moving_mean(listener.posteriors(laid), info.detection.smoothing_steps)
        peaks[clip.word].append(smoothed[:, info.labels.index(clip.word)].max())
        words.append(Word(clip.word, begin, begin + len(laid) / SAMPLE_RATE))
        rows += [pause, smoothed]
        times += [begin, *(begin + info.step_end(step) for step in range(len(smoothed)))]
        begin += len(laid) / SAMPLE_RATE + BETWEEN_CLIPS_S
    recording = Recording(Truth("clips", begin, tuple(words)), np.concatenate(rows), np.array(times))
    return WordClips(recording, {word: np.array(values, np.float32) for word, values in peaks.items()})


def _lay(samples: Samples, rng: np.random.Generator) -> Samples:
    """A clip of any length, centred in a second where it is shorter, and quiet behind it, over faint noise."""
    short = max(0, CLIP_SAMPLES - len(samples))
    laid = np.pad(samples, (short // 2, short - short // 2 + QUIET_SAMPLES))
    noise = 10 ** (NOISE_DBFS / 20) * rng.standard_normal(len(laid))
    return laid + noise.astype(np.float32)
