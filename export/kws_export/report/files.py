"""The figures of one exported file: accuracy, agreement, scenes, size; each from one run over everything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_export.replay import replay
from kws_export.report.streams import Streams
from kws_export.verify import compare
from kws_runtime.accuracy import accuracies
from kws_runtime.det import THRESHOLDS, Recording, false_accepts, lowest_place, score
from kws_runtime.detector import moving_mean
from kws_runtime.modelfile import ModelFile, ModelInfo
from kws_runtime.scoring import SceneScore, wilson_interval
from kws_runtime.step import posteriors_of

# What read speech and noise may cost at the operating point (docs/results.md), in false accepts an hour.
BUDGETS = {"dev-reading": 5.0, "dev-ambience": 0.5}
Z_95 = 1.959964

Logits = NDArray[np.float32]


class Heard:
    """A model file's logits on every stream of the report."""

    def __init__(self, file: ModelFile, interpreter: str, streams: Streams, agreement: NDArray[np.float32]) -> None:
        self.file, self.info = file, file.info

        def run(frames: NDArray[np.float32], new_every: int = 0) -> Logits:
            return replay(file.path, interpreter, frames, new_every)

        self.agreement = run(agreement)
        self.reset = run(streams.reset, streams.steps_a_clip)
        self.carried = run(streams.carried)
        self.scenes = {wav.stem: run(streams.scene(wav)[0]) for wav in streams.scenes}

    def smoothed(self, logits: Logits) -> Logits:
        """Smoothed posteriors (..., steps, labels)."""
        return moving_mean(posteriors_of(logits, self.info.activation), self.info.detection.smoothing_steps)


def clip_figures(heard: Heard, streams: Streams) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """`accuracy_words_reset` and `_carried`, and which of the words of the carried stream were named right."""
    info, labels = heard.info, len(heard.info.labels)
    columns = [info.labels.index(word) for word in info.words]
    reset = heard.smoothed(heard.reset.reshape(-1, streams.steps_a_clip, labels)).max(1)[:, columns]
    carried = heard.smoothed(heard.carried)
    ends = streams.carried_ends()
    scores = np.array([carried[a:b].max(0) for a, b in zip([0, *ends[:-1]], ends, strict=True)])[:, columns]
    figures = {
        "accuracy_words_reset": accuracies(reset, streams.reset_items, info.words)["words"],
        "accuracy_words_carried": accuracies(scores, streams.carried_items, info.words)["words"],
    }
    truth = [-1 if item.label is None else info.words.index(item.label) for item in streams.carried_items]
    is_word = np.array(truth) >= 0
    return figures, (scores.argmax(1) == np.array(truth))[is_word]


def difference(right: NDArray[np.bool_], right_in_float: NDArray[np.bool_]) -> dict[str, Any]:
    """Of the same clips: percentage points gained over float, with its interval, and McNemar's exact test."""
    lost, won = int((right_in_float & ~right).sum()), int((right & ~right_in_float).sum())
    total, changed = len(right), lost + won
    points = 100 * (won - lost) / total
    deviation = 100 * math.sqrt(max(changed - (won - lost) ** 2 / total, 0.0)) / total
    tail = sum(math.comb(changed, k) for k in range(min(lost, won) + 1)) / 2**changed
    interval = [round(points - Z_95 * deviation, 3), round(points + Z_95 * deviation, 3)]
    return {
        "points": round(points, 3),
        "interval": interval,
        "lost": lost,
        "won": won,
        "p": round(min(1.0, 2 * tail), 4),
    }


def agreement_figures(heard: Heard, in_float: Logits) -> dict[str, Any]:
    """Agreement over all steps and on words with their intervals."""
    found = compare(in_float, heard.agreement)
    pairs = {"agreement": (found.overall, found.steps), "agreement_on_words": (found.on_words, found.steps_with_words)}
    return {name: _share(share, steps) for name, (share, steps) in pairs.items()}


def _share(share: float, steps: int) -> dict[str, Any]:
    low, high = wilson_interval(round(share * steps), max(1, steps))
    return {"share": round(share, 5), "interval": [round(low, 5), round(high, 5)], "steps": steps}


def recordings_of(heard: Heard, streams: Streams) -> dict[str, Recording]:
    """The scenes as the file hears them."""
    made = {}
    for wav in streams.scenes:
        smoothed = heard.smoothed(heard.scenes[wav.stem])
        times = np.array([heard.info.step_end(step) for step in range(len(smoothed))])
        made[wav.stem] = Recording(streams.scene(wav)[1], smoothed, times)
    return made


def operating_point(recordings: dict[str, Recording], info: ModelInfo) -> float | None:
    """The lowest threshold that keeps the false accepts within their budgets; None without these scenes."""
    known = {name: recordings[name] for name in BUDGETS if name in recordings}
    if not known:
        return None
    allowed = np.array([BUDGETS[name] * scene.truth.seconds / 3600 for name, scene in known.items()])
    place = lowest_place(false_accepts(list(known.values()), info), allowed)
    return None if place is None else THRESHOLDS[place]


def scene_figures(recordings: dict[str, Recording], info: ModelInfo, threshold: float | None) -> dict[str, Any]:
    """FRR and false accepts an hour at a threshold (the file's own where there is none)."""
    scores: dict[str, SceneScore] = {name: score(scene, info, threshold) for name, scene in recordings.items()}
    return {name: one.to_json() for name, one in scores.items()}


def kind_of(architecture: str) -> str:
    """A network with a recurrent layer, or one without."""
    return "RNN" if architecture.endswith(("gru", "gru2", "crnn")) else "CNN"


def exported_files(run: Path) -> list[Path]:
    """The model files of a run directory."""
    found = sorted([*run.glob("*.tflite"), *run.glob("*.onnx")])
    return [
        path
        for path in found
        if "-" in path.stem and not path.stem.startswith("step") and ".unverified" not in path.name
    ]
