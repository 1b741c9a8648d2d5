"""What a finished run leaves for export and for the eye: features to calibrate and to compare on, and plots."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.clips import BACKGROUND_THRESHOLD, lay_clip
from kws_runtime.detector import moving_mean
from kws_runtime.frontend import frames_of
from kws_runtime.step import posteriors_of
from kws_train.augment import to_float
from kws_train.batches import Batch, Plan, make_epoch
from kws_train.data import Material
from kws_train.loop import Trainer
from kws_train.plots import plot_confusion, plot_learning
from kws_train.recipe import Recipe
from kws_train.rundir import RunDir
from kws_train.sounds import Sounds

CALIBRATION_CHUNKS = 90  # of 4 s: 6 minutes of the training part
AGREEMENT_CHUNKS = 300  # 20 minutes of the validation part
CALIBRATION_SEED, AGREEMENT_SEED = 1001, 1002
CLIPS_AT_ONCE = 64
SMOOTHING_STEPS = 3


def one_stream(sounds: Sounds, recipe: Recipe, plan: Plan, seed: int, chunks: int) -> NDArray[np.float32]:
    """Features (frames, features) of one stream of `chunks` chunks, without masks."""
    plan = dataclasses.replace(plan, streams=1, chunks=chunks, seed=seed, masks=False)
    return np.concatenate([batch.frames[0] for batch in make_epoch(sounds, recipe, plan, 0, range(1))])


def confusion(trainer: Trainer, material: Material, plan: Plan) -> NDArray[np.int64]:
    """Counts (truth, answer) over isolated clips; the state is new before each; the answer is the word whose mean
    posterior of three steps comes highest, the first label where no word's reaches one half."""
    rng = np.random.default_rng(0)
    labels, stride, first_word = plan.labels, plan.stride, plan.first_word
    clips = [(labels.index(word), clip) for word, clips in sorted(material.words.items()) for clip in clips]
    clips += [(0, clip) for _, clips in sorted(material.others.items()) for clip in clips]
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for first in range(0, len(clips), CLIPS_AT_ONCE):
        truths, recordings = zip(*clips[first : first + CLIPS_AT_ONCE], strict=True)
        frames = np.stack([frames_of(lay_clip(to_float(recording), rng), plan.frontend) for recording in recordings])
        frames = frames[:, : len(frames[0]) // stride * stride]
        steps = (len(frames), frames.shape[1] // stride)
        batch = Batch(frames, np.zeros(steps, np.int8), np.ones(steps, np.float32), np.ones(len(frames), np.bool_))
        logits, _, _ = trainer.follow([batch])
        posteriors = posteriors_of(logits.reshape(len(frames), -1, len(labels)), trainer.model.config.activation)
        scores = moving_mean(posteriors, SMOOTHING_STEPS).max(1)[:, first_word:]
        answers = np.where(scores.max(1) >= BACKGROUND_THRESHOLD, scores.argmax(1) + first_word, 0)
        np.add.at(counts, (np.array(truths), answers), 1)
    return counts


def finish(
    trainer: Trainer, training: Sounds, validation: Sounds, recipe: Recipe, plan: Plan, run: RunDir
) -> dict[str, Any]:
    """Write features and plots of a finished run; return its figures. `plan` is of streams."""
    calibration = one_stream(training, recipe, plan, CALIBRATION_SEED, CALIBRATION_CHUNKS)
    agreement = one_stream(validation, recipe, plan, AGREEMENT_SEED, AGREEMENT_CHUNKS)
    run.write_arrays("calibration.npz", {"frames": calibration})
    run.write_arrays("agreement.npz", {"frames": agreement})
    history = run.history()
    name = run.path.name
    plot_learning(history, f"{name}: learning", run.path / "learning.png")
    counts = confusion(trainer, validation.material, plan)
    words = counts[plan.first_word :]
    accuracy = float(np.trace(words[:, plan.first_word :]) / max(1, words.sum()))
    plot_confusion(counts, list(plan.labels), f"{name}: validation clips (%)", run.path / "confusion.png")
    best = min(history, key=lambda row: row["val_loss"])
    return {
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "val_loss": round(best["val_loss"], 5),
        "val_word_accuracy_a_step": round(best["val_word_accuracy"], 4),
        "val_words_heard": round(accuracy, 4),
        "seconds_an_epoch": round(float(np.median([row["seconds"] for row in history])), 1),
    }
