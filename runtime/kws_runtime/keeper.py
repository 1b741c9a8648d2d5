"""Recordings of what was heard, and of what nearly was: `kws-listen --save`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_runtime.audio import Chunk, Gap
from kws_runtime.detector import Event
from kws_runtime.frontend import SAMPLE_RATE
from kws_runtime.kept import AFTER_SAMPLES, BEFORE_SAMPLES, HEARD, KEPT_SAMPLES, NEAR, KeptRecordings
from kws_runtime.listener import Decision
from kws_runtime.modelfile import ModelInfo
from kws_runtime.near_miss import CALM_SECONDS, NearMiss, NearMisses
from kws_runtime.notice import Notice, Notify
from kws_runtime.outputs import Output

HELD_SAMPLES = BEFORE_SAMPLES + int((CALM_SECONDS + 0.5) * SAMPLE_RATE)  # until a near miss is known to be one
NOTICE_SECONDS = 60.0  # faults of the disk are told at most this often


@dataclass(frozen=True)
class _Waiting:
    """A recording whose last half second is yet to come."""

    kind: str
    what: Event | NearMiss
    stamp_ms: int
    at: int  # the sample of its event, from the last gap


class Keeper(Output):
    """Saves 1.5 s before and 0.5 s after each event and each near miss; nothing that its disk does ends the listening.

    Takes a stream from its first chunk on. Beyond a gap, and beyond the stream's ends, a recording holds silence.
    """

    def __init__(self, folder: Path, limit_bytes: int, info: ModelInfo, notify: Notify) -> None:
        """`limit_bytes` bounds all recordings together. Raises DataError where the folder cannot be written."""
        self._recordings = KeptRecordings(folder, limit_bytes)
        self._near_misses = NearMisses(info.labels, info.detection)
        self._trouble = _Trouble(folder, notify)
        self._began = 0.0  # seconds of the stream at the last gap
        self._begin()

    def _begin(self) -> None:
        self._near_misses.reset()
        self._waiting: list[_Waiting] = []
        self._samples = 0  # since the last gap
        self._held: list[NDArray[np.int16]] = []  # the last of them
        self._held_samples = 0

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        if isinstance(chunk, Gap):
            self._finish(chunk.seconds)
            self._began += self._samples / SAMPLE_RATE + chunk.seconds
            self._begin()
            return
        if len(chunk):
            self._hold(np.rint(chunk * 32768).clip(-32768, 32767).astype(np.int16))
        for decision in decisions:
            near_miss = self._near_misses.process(decision)
            if decision.event:
                self._wait(HEARD, decision.event)
            if near_miss:
                self._wait(NEAR, near_miss)
        if self._waiting:
            self._save_until(self._samples)

    def close(self) -> None:
        """Save what still waits."""
        self._finish()

    def _hold(self, pcm: NDArray[np.int16]) -> None:
        self._held.append(pcm)
        self._held_samples += len(pcm)
        self._samples += len(pcm)
        if self._held_samples >= len(pcm) + 2 * HELD_SAMPLES:  # joined now and then: cheaper than at each chunk
            self._held = [np.concatenate(self._held)[-len(pcm) - HELD_SAMPLES :].copy()]
            self._held_samples = len(self._held[0])

    def _wait(self, kind: str, what: Event | NearMiss, gap_seconds: float = 0.0) -> None:
        at = round((what.time - self._began) * SAMPLE_RATE)
        stamp_ms = self._recordings.stamp((self._samples - at) / SAMPLE_RATE + gap_seconds)
        self._waiting.append(_Waiting(kind, what, stamp_ms, at))

    def _save_until(self, samples: int) -> None:
        """Save those whose last sample is among the first `samples`."""
        still = []
        for one in self._waiting:
            if one.at + AFTER_SAMPLES <= samples:
                self._save(one)
            else:
                still.append(one)
        self._waiting = still

    def _finish(self, gap_seconds: float = 0.0) -> None:
        """The stream ends here, or has a gap that has just ended."""
        near_miss = self._near_misses.finish()
        if near_miss:
            self._wait(NEAR, near_miss, gap_seconds)
        self._save_until(self._samples + AFTER_SAMPLES)

    def _save(self, one: _Waiting) -> None:
        name = f"{one.what.time:.2f}s_{one.what.score:.2f}"
        try:
            self._recordings.save(one.kind, one.what.label, one.stamp_ms, name, self._around(one.at))
        except OSError as error:
            self._trouble.failed(error)
        else:
            self._trouble.worked()

    def _around(self, at: int) -> NDArray[np.int16]:
        """The recording (KEPT_SAMPLES,) around a sample."""
        held = np.concatenate(self._held)
        first = at - BEFORE_SAMPLES - (self._samples - len(held))  # in `held`
        heard = held[max(0, first) : max(0, first + KEPT_SAMPLES)]
        recording = np.zeros(KEPT_SAMPLES, np.int16)
        recording[max(0, -first) :][: len(heard)] = heard
        return recording


class _Trouble:
    """Tells of a disk that fails, and that it works again, but not of each recording."""

    def __init__(self, folder: Path, notify: Notify) -> None:
        self._folder, self._notify = folder, notify
        self._lost = 0  # recordings, since the last that was saved after a fault was told
        self._told = False
        self._told_at = -np.inf

    def failed(self, error: OSError) -> None:
        """A recording could not be saved."""
        self._lost += 1
        now = time.monotonic()
        if now - self._told_at >= NOTICE_SECONDS:
            self._told, self._told_at = True, now
            problem = error.strerror or str(error)
            self._tell(f"{problem}; recordings not saved: {self._lost}; still listening", problem)

    def worked(self) -> None:
        """A recording was saved."""
        if self._told:
            self._tell(f"saving again; recordings not saved: {self._lost}", None)
            self._told, self._lost = False, 0

    def _tell(self, text: str, problem: str | None) -> None:
        values = {"folder": str(self._folder), "problem": problem, "lost": self._lost}
        self._notify(Notice("save", f"{self._folder}: {text}", values))
