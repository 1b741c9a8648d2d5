"""The training loop: epochs over streams, a checkpoint after each, the best weights kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from kws_train.batches import Batch, Batches, Plan
from kws_train.distributed import Team
from kws_train.objective import Tensors, objective_of, step_losses
from kws_train.rundir import RunDir, pack, unpack


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn."""

    epochs: int = 60
    steps_an_epoch: int = 200
    learning_rate: float = 2.5e-3  # at its highest; it falls to a hundredth by half a cosine
    warmup_share: float = 0.02
    weight_decay: float = 1e-3
    clip_norm: float = 1.0


class Trainer:
    """A model, its optimizer and the compiled steps that bring batches to them."""

    def __init__(self, model: keras.Model, schedule: Schedule, plan: Plan, team: Team | None = None) -> None:
        self.model, self.team = model, team or Team()
        self._objective = objective_of(model, plan)
        self._first_word = plan.first_word
        total = schedule.epochs * schedule.steps_an_epoch
        warmup = max(1, int(schedule.warmup_share * total))
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=schedule.learning_rate / warmup,
            decay_steps=max(1, total - warmup),
            alpha=0.01,
            warmup_target=schedule.learning_rate,
            warmup_steps=warmup,
        )
        self.optimizer = keras.optimizers.AdamW(
            rate, weight_decay=schedule.weight_decay, global_clipnorm=schedule.clip_norm
        )
        self.optimizer.build(model.trainable_variables)
        self._learn = tf.function(self._learn_eagerly)
        self._follow = tf.function(self._follow_eagerly)

    def _learn_eagerly(
        self, frames: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, fresh: tf.Tensor, states: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        states = self._objective.renew(states, fresh)
        with tf.GradientTape() as tape:
            logits, labels, weights, states = self._objective.learn(frames, labels, weights, states)
            loss = tf.reduce_mean(weights * step_losses(self.model, labels, logits))
        variables = self.model.trainable_variables
        loss, *gradients = self.team.mean([loss, *tape.gradient(loss, variables)])
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss, states

    def _follow_eagerly(self, frames: tf.Tensor, fresh: tf.Tensor, states: Tensors) -> tuple[tf.Tensor, Tensors]:
        return self._objective.follow(frames, self._objective.renew(states, fresh))

    def train_epoch(self, batches: Iterable[Batch], progress: Any) -> float:
        """Learn from an epoch's batches; returns the mean loss."""
        states, losses = None, []
        for batch in batches:
            states = states or self._objective.initial(len(batch.frames))
            loss, states = self._learn(batch.frames, batch.labels, batch.weights, batch.fresh, states)
            losses.append(loss)
            progress.update()
        # Batch normalization has moved its means by our streams only.
        self.team.average(self.model.non_trainable_weights)
        return float(np.mean(losses))

    def follow(self, batches: Iterable[Batch]) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]]:
        """Logits (n, labels), labels (n,) and weights (n,) of the evaluated steps of batches, in one stream each."""
        states, all_logits, all_labels, all_weights = None, [], [], []
        every = slice(self._objective.every - 1, None, self._objective.every)
        for batch in batches:
            states = states or self._objective.initial(len(batch.frames))
            logits, states = self._follow(batch.frames, batch.fresh, states)
            all_logits.append(logits.numpy().reshape(-1, logits.shape[-1]))
            all_labels.append(batch.labels[:, every].reshape(-1))
            all_weights.append(batch.weights[:, every].reshape(-1))
        return np.concatenate(all_logits), np.concatenate(all_labels), np.concatenate(all_weights)

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Weighted loss a step, and the share of the steps to be named at which the right word leads the words."""
        logits, labels, weights = self.follow(batches)
        loss = step_losses(self.model, labels, logits).numpy()
        named = (labels >= self._first_word) & (weights > 0)
        right = logits[named, self._first_word :].argmax(1) + self._first_word == labels[named]
        return {"val_loss": float((weights * loss).mean()), "val_word_accuracy": float(right.mean())}


def fit(trainer: Trainer, batches: Batches, validation: list[Batch], schedule: Schedule, run: RunDir) -> None:
    """Train to the last epoch. Goes on from the run's last checkpoint if there is one."""
    history = run.history()
    if history:
        restore(trainer, run)
    trainer.team.follow_chief([*trainer.model.weights, *trainer.optimizer.variables])
    best = min((row["val_loss"] for row in history), default=math.inf)
    for epoch in range(len(history), schedule.epochs):
        began = time.monotonic()
        title = f"epoch {epoch + 1}/{schedule.epochs}"
        with tqdm(total=schedule.steps_an_epoch, desc=title, unit="chunk", mininterval=1.0) as progress:
            row = {"epoch": epoch + 1.0, "loss": trainer.train_epoch(batches.epoch(), progress)}
            row |= trainer.evaluate(validation)
            row["seconds"] = round(time.monotonic() - began, 1)
            progress.set_postfix_str(
                f"loss {row['loss']:.4f}, validation {row['val_loss']:.4f}, words {row['val_word_accuracy']:.1%}"
            )
        history.append(row)
        if not trainer.team.is_chief:
            continue
        weights = pack("weight", trainer.model.variables)
        if row["val_loss"] < best:
            best = row["val_loss"]
            run.write_arrays("best.npz", weights)
        run.write_checkpoint(weights | pack("optimizer", trainer.optimizer.variables), history)


def restore(trainer: Trainer, run: RunDir) -> None:
    """Weights and optimizer of the run's last checkpoint."""
    arrays = run.read_arrays("last.npz")
    unpack("weight", arrays, trainer.model.variables, run.path / "last.npz")
    unpack("optimizer", arrays, trainer.optimizer.variables, run.path / "last.npz")
