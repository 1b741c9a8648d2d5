"""Streams to batches of features and targets, made in worker processes.

What a batch holds depends on the seed, the epoch and its place in the epoch, not on the number of workers:
so an interrupted run goes on with the very batches that it would have seen.
"""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import DataError
from kws_runtime.frontend import FrontEnd, LogMel, Samples
from kws_train.augment import mask_bands, mask_time
from kws_train.data import Material
from kws_train.streams import Recipe, Stream, coloured_noises

FRAMES_PER_STEP = 2
AHEAD = 4  # batches that a worker may be ahead


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
    chunk_frames: int = 200  # 4 s
    chunks: int = 200  # an epoch: 13 minutes of each stream
    fresh_share: float = 0.02
    seed: int = 0
    masks: bool = True


class StreamFeatures:
    """A stream's features and targets, chunk by chunk."""

    def __init__(
        self, material: Material, recipe: Recipe, plan: Plan, coloured: list[Samples], epoch: int, index: int
    ) -> None:
        self._rng = np.random.default_rng([plan.seed, epoch, index])
        self._stream = Stream(material, recipe, self._rng, coloured)
        self._front_end = FrontEnd(LogMel())
        self._recipe, self._plan = recipe, plan
        self._lead = self._front_end.config.window - self._front_end.config.hop
        self._first = True

    def next_chunk(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], bool]:
        """Frames (chunk_frames, bands), labels (steps,), weights (steps,), and whether the state is zeroed.

        The first chunk takes `window - hop` samples more, so that every chunk completes the same number of
        frames; a step's target is that of its last sample.
        """
        plan, recipe, hop = self._plan, self._recipe, self._front_end.config.hop
        chunk = self._stream.take(plan.chunk_frames * hop + (self._lead if self._first else 0))
        frames = self._front_end.process(chunk.samples)
        step = FRAMES_PER_STEP * hop
        ends = slice(step + self._lead - 1 if self._first else step - 1, None, step)
        if plan.masks and self._rng.random() < recipe.mask_share:
            mask_bands(frames, self._rng, recipe.mask_bands)
        if plan.masks and self._rng.random() < recipe.mask_share:
            mask_time(frames, self._rng, recipe.mask_frames)
        fresh = self._first or bool(self._rng.random() < plan.fresh_share)
        self._first = False
        return frames, chunk.labels[ends], chunk.weights[ends], fresh


def make_epoch(material: Material, recipe: Recipe, plan: Plan, epoch: int, indices: range) -> Iterator[Batch]:
    """The batches of one epoch, of the streams `indices` only."""
    coloured = coloured_noises(plan.seed)
    streams = [StreamFeatures(material, recipe, plan, coloured, epoch, index) for index in indices]
    for _ in range(plan.chunks):
        frames, labels, weights, fresh = zip(*(stream.next_chunk() for stream in streams), strict=True)
        yield Batch(np.stack(frames), np.stack(labels), np.stack(weights), np.array(fresh))


class Batches:
    """Batches of many epochs, made ahead by `workers` processes. A context: leaving it ends the processes.

    The processes are forked, so that all share one copy of the recordings; TensorFlow must not have been
    imported before, as its threads do not survive a fork.
    """

    def __init__(self, material: Material, recipe: Recipe, plan: Plan, epochs: range, workers: int) -> None:
        self._plan, self._epochs = plan, epochs
        context = multiprocessing.get_context("fork")
        bounds = np.linspace(0, plan.streams, workers + 1).astype(int)
        self._queues: list[Any] = [context.Queue(AHEAD) for _ in range(workers)]
        self._workers = [
            context.Process(target=_work, args=(material, recipe, plan, epochs, range(first, last), out), daemon=True)
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
        for _ in range(self._plan.chunks):
            parts = [self._receive(number) for number in range(len(self._workers))]
            yield Batch(
                *(np.concatenate([getattr(part, name) for part in parts]) for name in Batch.__dataclass_fields__)
            )

    def _receive(self, number: int) -> Batch:
        while True:
            try:
                part: Batch = self._queues[number].get(timeout=5)
                return part
            except queue.Empty:
                if not self._workers[number].is_alive():
                    raise DataError("a process that makes the training streams has died; is memory short?") from None


def _work(material: Material, recipe: Recipe, plan: Plan, epochs: range, indices: range, out: Any) -> None:
    try:
        for epoch in epochs:
            for batch in make_epoch(material, recipe, plan, epoch, indices):
                out.put(batch)
    except KeyboardInterrupt:  # the parent says what happened
        return
