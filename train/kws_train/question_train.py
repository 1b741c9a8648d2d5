"""One row of docs/cnn-to-gru.md, trained with one seed as the tutorial trains: Keras' fit, Adam, batches of 64."""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from kws_train.models.gru import Gru
from kws_train.models.tutorial_cnn import TutorialCnn
from kws_train.question_data import ListedClips
from kws_train.question_rows import Row, build

BATCH = 64
PATIENCE = 2
CLIPS_TO_ADAPT = 2000  # of the training part, for mean and deviation


class Pupil(keras.Model):
    """A row's network as the loss sees it: scores (B, steps, labels) of all steps, or (B, labels) of the last."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row, self.network = row, build(row.config)

    def call(self, frames, training=False):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Frames (B, frames, features) to scores."""
        scores = self._logits(frames, training)
        if getattr(self.row.config, "activation", "softmax") == "sigmoid":
            # The question's fault: the tutorial's loss takes its softmax itself, of logits. Keras hangs the logits
            # on the result of a sigmoid and takes them in its stead; TimeDistributed loses them, and so does this.
            scores = 1.0 * ops.sigmoid(scores)
        return scores

    def _logits(self, frames: Any, training: bool) -> Any:
        network = self.network
        if isinstance(network, TutorialCnn):
            return network(frames, training=training)
        if isinstance(network, Gru):
            stride = network.config.stride
            frames = frames[:, : frames.shape[1] // stride * stride]
            batch = ops.shape(frames)[0]
            states = [ops.zeros((batch, *shape)) for shape in network.state_shapes.values()]
            return network(frames, *states)[0][:, -1]
        return network(frames, training=training, all_steps=self.row.every_step)


def clip_accuracy(labels, scores):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether the last step names the clip's label."""
    if len(scores.shape) == 3:
        labels, scores = labels[:, -1], scores[:, -1]
    return ops.equal(ops.argmax(scores, -1), ops.cast(ops.reshape(labels, (-1,)), "int64"))


class _Clock(keras.callbacks.Callback):
    """Processor time of the training half of each epoch: it does not count what other programs take."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._training = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begun, self._training = time.process_time(), True

    def on_test_begin(self, logs: Any = None) -> None:
        if self._training:
            self.seconds.append(time.process_time() - self._begun)
            self._training = False


def _targets(labels: NDArray[np.int32], row: Row, steps: int) -> NDArray[np.int32]:
    return np.repeat(labels[:, None], steps, 1) if row.every_step else labels


def _answers(pupil: Pupil, frames: NDArray[np.float32]) -> NDArray[np.int64]:
    """The label that leads: (clips, steps) or (clips,)."""
    batches = [pupil(frames[at : at + BATCH]) for at in range(0, len(frames), BATCH)]
    return np.concatenate([np.asarray(scores).argmax(-1) for scores in batches])


class _Stopped(keras.callbacks.Callback):
    """The weights that EarlyStopping(patience=2) would have left, kept while the training goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs = 0
        self.weights: list[NDArray[np.float32]] = []
        self._best, self._waited = float("inf"), 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._waited >= PATIENCE:
            return
        self.epochs, self.weights = epoch + 1, self.model.get_weights()
        improved = logs["val_loss"] < self._best
        self._best, self._waited = min(self._best, logs["val_loss"]), 0 if improved else self._waited + 1


def train_row(row: Row, seed: int, epochs: int, clips: ListedClips) -> list[dict[str, Any]]:
    """Train one row with one seed; return its figures on the testing part, its history and its cost.

    Where the row before it is the same run stopped early (`stopped_is`), that row's come first.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    training, validation, testing = (clips.part(part, row.features) for part in ("training", "validation", "testing"))
    pupil = Pupil(row)
    steps = pupil(training.frames[:1]).shape[1]
    some = np.random.default_rng(0).permutation(len(training.frames))[:CLIPS_TO_ADAPT]
    pupil.network.normalize.adapt(training.frames[some])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    pupil.compile("adam", loss, metrics=[clip_accuracy], jit_compile=False)
    if row.stops_early:
        stopping = keras.callbacks.EarlyStopping(patience=PATIENCE)
    else:
        stopping = keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
    clock, stopped = _Clock(), _Stopped()
    history = pupil.fit(
        training.frames,
        _targets(training.labels, row, steps),
        batch_size=BATCH,
        epochs=epochs,
        validation_data=(validation.frames, _targets(validation.labels, row, steps)),
        callbacks=[clock, stopped, stopping],
        verbose=0,
    ).history

    def result(name: str, epochs: int) -> dict[str, Any]:
        answers = _answers(pupil, testing.frames)
        last = answers[:, -1] if row.every_step else answers
        return {
            "row": name,
            "seed": seed,
            "parameters": pupil.count_params(),
            "accuracy": float(np.mean(last == testing.labels)),
            "accuracy_a_step": float(np.mean(answers == testing.labels[:, None])) if row.every_step else None,
            "epochs": epochs,
            "cpu_seconds_an_epoch": float(np.median(clock.seconds[1:] or clock.seconds)),  # the first one compiles
            "history": {
                name: [round(float(value), 5) for value in values[:epochs]] for name, values in history.items()
            },
        }

    results = [result(row.name, len(clock.seconds))]
    if row.stopped_is:
        pupil.set_weights(stopped.weights)
        results.insert(0, result(row.stopped_is, stopped.epochs))
    return results
