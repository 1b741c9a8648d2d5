"""Scenes over all thresholds: the posteriors are computed once, the detector is run again for each threshold.

A detection error tradeoff curve (Martin et al., Eurospeech 1997) with false accepts an hour in place of a share.
`kws-tune` finds its threshold with the same search.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.audio import stream_wav
from kws_runtime.detector import Detector, events_in
from kws_runtime.errors import DataError
from kws_runtime.frontend import SAMPLE_RATE
from kws_runtime.listener import Listener
from kws_runtime.modelfile import Detection, ModelInfo
from kws_runtime.scoring import SceneScore, Truth, score_scene, share_figure

GRID = 0.005
# Posteriors of a model that is too sure of itself crowd near 1: there the grid is finer.
NEAR_ONE = (0.996, 0.997, 0.998, 0.999, 0.9995, 0.9999, 0.99995, 0.99999)
THRESHOLDS = (*(round(place * GRID, 6) for place in range(1, round(1 / GRID))), *NEAR_ONE)
PIECE_SECONDS = 60


@dataclass(frozen=True)
class Recording:
    """A scene as a model hears it, whatever the threshold."""

    truth: Truth
    smoothed: NDArray[np.float32]  # posteriors (steps, labels)
    times: NDArray[np.float64]  # (steps,), seconds to the last sample that a step uses


def hear(listener: Listener, wav: Path, truth: Truth | None = None) -> Recording:
    """Hear a WAV from its beginning. Without a truth it is taken to hold none of the words."""
    recording = hear_in_one(listener, [wav])
    return dataclasses.replace(recording, truth=truth) if truth else recording


def hear_in_one(listener: Listener, wavs: Sequence[Path]) -> Recording:
    """Hear WAVs that hold none of the words, one after the other, as one stream.

    Raises AudioError where one cannot be read, DataError where there is no sound.
    """
    listener.reset()
    detector = Detector(listener.info.labels, listener.info.detection)
    rows, samples = [], 0
    for wav in wavs:
        with wav.open("rb") as file:
            for piece in stream_wav(file, str(wav), PIECE_SECONDS * SAMPLE_RATE):
                rows += [detector.smooth(row) for row in listener.posteriors(piece)]
                samples += len(piece)
    if not samples:
        raise DataError(f"{wavs[0]}: holds no sound")
    smoothed = np.array(rows, np.float32).reshape(-1, len(listener.info.labels))
    times = np.array([listener.info.step_end(step) for step in range(len(rows))])
    return Recording(Truth(wavs[0].stem, samples / SAMPLE_RATE, ()), smoothed, times)


def with_threshold(detection: Detection, threshold: float) -> Detection:
    """The same detection with one threshold for all words."""
    return dataclasses.replace(detection, thresholds=dict.fromkeys(detection.thresholds, threshold))


def score(recording: Recording, info: ModelInfo, threshold: float | None = None) -> SceneScore:
    """Hits and false accepts at a threshold, or at the model's operating point."""
    detection = info.detection if threshold is None else with_threshold(info.detection, threshold)
    return score_scene(events_in(recording.smoothed, recording.times, info.labels, detection), recording.truth)


def false_accepts(recordings: Sequence[Recording], info: ModelInfo) -> NDArray[np.int64]:
    """Counts (thresholds, recordings) over all THRESHOLDS."""
    return np.array(
        [[score(recording, info, threshold).false_accepts for recording in recordings] for threshold in THRESHOLDS]
    )


def lowest_place(counts: NDArray[np.int64], allowed: NDArray[np.float64]) -> int | None:
    """Where in THRESHOLDS the lowest lies from which on no recording has more than its allowed false accepts.

    `counts` (thresholds, recordings), `allowed` (recordings,). Sought from above: far below, where a posterior never
    falls under the threshold and so never rises over it, a model that says nothing would keep any budget. None where
    even the highest threshold does not do.
    """
    broken = np.flatnonzero((counts > allowed).any(1))
    place = int(broken[-1]) + 1 if len(broken) else 0
    return place if place < len(counts) else None


def det_curve(recordings: Mapping[str, Recording], info: ModelInfo, rates: Sequence[float]) -> dict[str, Any] | None:
    """FRR of the scenes with words against false accepts an hour in those without, over all thresholds.

    False accepts an hour are those of the worst of the scenes without words. `at` has for each of `rates` the lowest
    threshold that keeps it in all of these (None where none does), and the FRR there. None where scenes of either
    kind are missing.
    """
    without = {name: recording for name, recording in recordings.items() if not recording.truth.words}
    if not without or len(without) == len(recordings):
        return None
    scores = {
        name: [score(recording, info, threshold) for threshold in THRESHOLDS]
        for name, recording in recordings.items()
        if recording.truth.words
    }
    hours = np.array([recording.truth.seconds / 3600 for recording in without.values()])
    counts = false_accepts(list(without.values()), info)
    fa_per_hour = (counts / hours).max(1)
    points: list[dict[str, Any]] = []
    for rate in rates:
        place = lowest_place(counts, rate * hours)
        point: dict[str, Any] = {"fa_per_hour_at_most": rate, "threshold": None}
        if place is not None:
            at = {name: row[place] for name, row in scores.items()}
            point["threshold"] = THRESHOLDS[place]
            point["fa_per_hour"] = round(float(fa_per_hour[place]), 3)
            point["frr"] = {name: share_figure(one.words - one.hits, one.words, "words") for name, one in at.items()}
        points.append(point)
    return {
        "without_words": list(without),
        "thresholds": list(THRESHOLDS),
        "fa_per_hour": [round(float(rate), 3) for rate in fa_per_hour],
        "frr": {name: [round(one.frr, 4) for one in row] for name, row in scores.items()},
        "at": points,
    }
