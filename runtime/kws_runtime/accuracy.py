"""Accuracy on isolated clips: the state reset before each, and carried through all of them as one stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.audio import read_wav
from kws_runtime.clips import BACKGROUND_THRESHOLD, lay_clip
from kws_runtime.corpus import clips_in
from kws_runtime.detector import moving_mean
from kws_runtime.frontend import Samples
from kws_runtime.listener import Listener
from kws_runtime.scoring import share_figure

NOISE_SEED = ORDER_SEED = 0

Lay = Callable[[Samples], Samples]  # a clip of any length to an item (clips.ITEM_SAMPLES,)


@dataclass(frozen=True)
class Item:
    """A clip to be heard: a word's label, or None for one that is none of the words."""

    path: Path
    label: str | None


def items_in(folder: Path, part: str, words: tuple[str, ...]) -> list[Item]:
    """All clips of the words of a part; with the testing part also the canonical background clips."""
    items = [Item(clip.path, clip.word) for clip in clips_in(folder / "words", part, words)]
    if part == "testing":
        for kind in ("_unknown_", "_silence_"):
            items += [Item(path, None) for path in sorted((folder / "canonical" / kind).glob("*.wav"))]
    return items


def in_stream_order(items: list[Item], folder: Path) -> list[Item]:
    """The order of the carried stream: random, always the same for the same clips."""
    by_path = sorted(items, key=lambda item: str(item.path.relative_to(folder)))
    order = np.random.default_rng(ORDER_SEED).permutation(len(by_path))
    return [by_path[place] for place in order]


def clip_layer() -> Lay:
    """Lays clips as the figures define it; the noise under them depends on their order only."""
    rng = np.random.default_rng(NOISE_SEED)
    return lambda samples: lay_clip(samples, rng)


def hear_items(
    listener: Listener, items: list[Item], carried: bool, lay: Lay | None = None
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """For each item its posteriors and its smoothed posteriors, both (steps, labels).

    Reset: everything is new before each item. Carried: the items are one stream, never reset.
    """
    lay = lay or clip_layer()
    size = listener.info.detection.smoothing_steps
    recent = np.zeros((0, len(listener.info.labels)), np.float32)  # the last posteriors of the item before
    listener.reset()
    for item in items:
        if not carried:
            listener.reset()
            recent = recent[:0]
        posteriors = listener.posteriors(lay(read_wav(item.path)))
        window = np.concatenate([recent, posteriors])
        yield posteriors, moving_mean(window, size)[len(recent) :]
        recent = window[max(0, len(window) - (size - 1)) :]


def word_scores(listener: Listener, items: list[Item], carried: bool, lay: Lay | None = None) -> NDArray[np.float32]:
    """For each item the maximum of each word's smoothed posterior, (items, words)."""
    columns = [listener.info.labels.index(word) for word in listener.info.words]
    scores = np.zeros((len(items), len(columns)), np.float32)
    for number, (_, smoothed) in enumerate(hear_items(listener, items, carried, lay)):
        scores[number] = smoothed[:, columns].max(0)
    return scores


def accuracies(scores: NDArray[np.float32], items: list[Item], words: tuple[str, ...]) -> dict[str, Any]:
    """`words`: the right word leads, over the clips of words. `all`: with background, over all clips."""
    truth = np.array([-1 if item.label is None else words.index(item.label) for item in items])
    leading = scores.argmax(1)
    answer = np.where(scores.max(1) >= BACKGROUND_THRESHOLD, leading, -1)
    is_word = truth >= 0
    figures = {"words": share_right(leading[is_word] == truth[is_word])}
    if not is_word.all():
        figures["all"] = share_right(answer == truth)
    return figures


def share_right(right: NDArray[np.bool_]) -> dict[str, Any]:
    """The share of clips that are right, with its interval."""
    return share_figure(int(right.sum()), len(right), "clips")


def evaluate_clips(listener: Listener, folder: Path, part: str) -> dict[str, Any]:
    """The four accuracies of the design. The carried stream holds the clips in a random, fixed order."""
    words = listener.info.words
    items = items_in(folder, part, words)
    reset = accuracies(word_scores(listener, items, carried=False), items, words)
    stream = in_stream_order(items, folder)
    carried = accuracies(word_scores(listener, stream, carried=True), stream, words)
    named = {"words": "accuracy_words", "all": "accuracy"}
    return {
        f"{named[kind]}_{state}": figures[kind]
        for kind in named
        for state, figures in (("reset", reset), ("carried", carried))
        if kind in figures
    }
