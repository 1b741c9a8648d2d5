"""Streams to batches of features and targets, made in worker processes.

What a batch holds depends on the seed, the epoch and its place in the epoch, not on the number of workers:
so an interrupted run goes on with the very batches that it would have seen.
"""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kws_runtime.corpus import LABELS, words_of
from kws_runtime.errors import DataError
from kws_runtime.frontend import FrontEndConfig, LogMel
from kws_train.augment import mask_bands, mask_time
from kws_train.features import training_front_end
from kws_train.recipe import Recipe
from kws_train.sounds import Sounds
from kws_train.streams import Clips, Source, Stream

AHEAD = 4  # batches that a worker may be ahead


class Store(Protocol):
    """Where whole epochs of batches can be kept."""

    def has(self, epoch: int) -> bool: ...

    def read(self, epoch: int, number: int) -> Batch: ...

    def write(self, epoch: int, number: int, batch: Batch) -> None: ...


@dataclass(frozen=True)
class Batch:
    """One chunk of every stream. The streams go on in the next batch, unless `fresh` says otherwise."""

    frames: NDArray[np.float32]  # (streams, frames, bands)
    labels: NDArray[np.int8]  # (streams, steps)
    weights: NDArray[np.float32]  # (streams, steps)
    fresh: NDArray[np.bool_]  # (streams,): the state is zeroed before this chunk


@dataclass(frozen=True)
class Plan:
    """How many streams, how they are cut, and where their randomness comes from."""

    streams: int = 64
    chunk_frames: int = 200  # 4 s of log-mel
    chunks: int = 200  # an epoch: 13 minutes of each stream
    fresh_share: float = 0.02
    seed: int = 0
    masks: bool = True
    clips: bool = False  # a clip in each chunk, and a new state before it
    stride: int = 2  # frames a step
    labels: tuple[str, ...] = LABELS
    frontend: FrontEndConfig = field(default_factory=LogMel)

    @property
    def first_word(self) -> int:
        """The first label that is a word: all before it are none, all behind it are."""
        return len(self.labels) - len(words_of(self.labels))


class StreamFeatures:
    """A stream's features and targets, chunk by chunk."""

    def __init__(self, sounds: Sounds, recipe: Recipe, plan: Plan, epoch: int, index: int) -> None:
        self._rng = np.random.default_rng([plan.seed, epoch, index])
        source = Clips if plan.clips else Stream
        self._source: Source = source(sounds, plan.labels, recipe, self._rng)
        self._front_end = training_front_end(plan.frontend)
        self._recipe, self._plan = recipe, plan
        self._lead = plan.frontend.window - plan.frontend.hop
        self._first = True

    def next_chunk(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], bool]:
        """Frames (chunk_frames, features), labels (steps,), weights (steps,), and whether the state is zeroed.

        The first chunk, and every clip, takes `window - hop` samples more, so that every chunk completes the same
        number of frames; a step's target is that of its last sample.
        """
        plan, recipe, hop = self._plan, self._recipe, self._plan.frontend.hop
        alone = self._first or plan.clips
        if alone:
            self._front_end.reset()
        chunk = self._source.take(plan.chunk_frames * hop + (self._lead if alone else 0))
        frames = self._front_end.process(chunk.samples)
        step = plan.stride * hop
        ends = slice(step + self._lead - 1 if alone else step - 1, None, step)
        if plan.masks and self._rng.random() < recipe.mask_share:
            mask_bands(frames, self._rng, recipe.mask_bands)
        if plan.masks and self._rng.random() < recipe.mask_share:
            mask_time(frames, self._rng, recipe.mask_frames)
        fresh = alone or bool(self._rng.random() < plan.fresh_share)
        self._first = False
        return frames, chunk.labels[ends], chunk.weights[ends], fresh


def make_epoch(sounds: Sounds, recipe: Recipe, plan: Plan, epoch: int, indices: range) -> Iterator[Batch]:
    """The batches of one epoch, of the streams `indices` only."""
    streams = [StreamFeatures(sounds, recipe, plan, epoch, index) for index in indices]
    for _ in range(plan.chunks):
        frames, labels, weights, fresh = zip(*(stream.next_chunk() for stream in streams), strict=True)
        yield Batch(np.stack(frames), np.stack(labels), np.stack(weights), np.array(fresh))


class Batches:
    """Batches of many epochs, made ahead by `workers` processes. A context: leaving it ends the processes.

    The processes are forked, so that all share one copy of the recordings; TensorFlow must not have been
    imported before, as its threads do not survive a fork.
    """

    def __init__(
        self,
        sounds: Sounds,
        recipe: Recipe,
        plan: Plan,
        epochs: range,
        workers: int,
        store: Store | None = None,
        indices: range | None = None,
    ) -> None:
        """Batches of `epochs`; those that `store` has are read, the others made and put there.

        Of the streams `indices` only, if given: another machine has the others.
        """
        self._plan, self._store = plan, store
        self._stored = {epoch for epoch in epochs if store and store.has(epoch)}
        self._epochs = iter(epochs)
        made = [epoch for epoch in epochs if epoch not in self._stored]
        context = multiprocessing.get_context("fork")
        indices = range(plan.streams) if indices is None else indices
        workers = min(workers, len(indices))
        bounds = np.linspace(indices.start, indices.stop, workers + 1).astype(int)
        self._queues: list[Any] = [context.Queue(AHEAD) for _ in range(workers)]
        self._workers = [
            context.Process(target=_work, args=(sounds, recipe, plan, made, range(first, last), out), daemon=True)
            for first, last, out in zip(bounds[:-1], bounds[1:], self._queues, strict=True)
        ]

    def __enter__(self) -> Batches:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.terminate()
            worker.join()

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        epoch = next(self._epochs)
        for number in range(self._plan.chunks):
            if self._store and epoch in self._stored:
                yield self._store.read(epoch, number)
                continue
            parts = [self._receive(worker) for worker in range(len(self._workers))]
            batch = Batch(
                *(np.concatenate([getattr(part, name) for part in parts]) for name in Batch.__dataclass_fields__)
            )
            if self._store:
                self._store.write(epoch, number, batch)
            yield batch

    def _receive(self, number: int) -> Batch:
        while True:
            try:
                part: Batch = self._queues[number].get(timeout=5)
                return part
            except queue.Empty:
                if not self._workers[number].is_alive():
                    raise DataError("a process that makes the training streams has died; is memory short?") from None


def _work(sounds: Sounds, recipe: Recipe, plan: Plan, epochs: list[int], indices: range, out: Any) -> None:
    try:
        for epoch in epochs:
            for batch in make_epoch(sounds, recipe, plan, epoch, indices):
                _put(batch, out)
    except KeyboardInterrupt:  # the parent says what happened
        return


def _put(batch: Batch, out: Any) -> None:
    """Wait until there is room. Where the parent was killed there will never be: end too."""
    while True:
        try:
            out.put(batch, timeout=5)
            return
        except queue.Full:
            parent = multiprocessing.parent_process()
            if parent is None or not parent.is_alive():
                out.cancel_join_thread()  # nobody reads what it holds
                raise SystemExit from None
