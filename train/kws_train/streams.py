"""Endless streams of words, other words, speech, noise and silence, with a target for every step; and clips.

A model that carries its state for ever must be trained on what it will meet: not clips, but a stream in
which a word is a rare thing with a before and an after. The target is the word's label for a moment after
its end, where it has been heard and can be told from what only begins like it; everything else is background.
Clips, one at a time, are what keyword spotters are usually trained on: here for the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kws_runtime.clips import CLIP_SAMPLES
from kws_runtime.corpus import SILENCE
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_train.items import LONGEST_ITEM_S, Item, Items
from kws_train.recipe import Recipe
from kws_train.sounds import Sounds


@dataclass
class Chunk:
    """A piece of a stream: samples (n,), and for each sample the label and the weight of a step ending there."""

    samples: Samples
    labels: NDArray[np.int8]
    weights: NDArray[np.float32]


class Source(Protocol):
    """What gives chunks."""

    def take(self, count: int) -> Chunk:
        """The next `count` samples."""


class Stream:
    """One endless stream. What it holds depends on the sounds, the recipe and the generator only."""

    def __init__(self, sounds: Sounds, labels: tuple[str, ...], recipe: Recipe, rng: np.random.Generator) -> None:
        self._items = Items(sounds, recipe, rng)
        self._labels_known, self._recipe = labels, recipe
        self._quiet = labels.index(SILENCE) if SILENCE in labels else 0  # the label of where nothing is said
        self._written = 0  # samples composed and not yet taken
        self._samples: Samples = np.zeros(0, np.float32)
        self._labels: NDArray[np.int8] = np.zeros(0, np.int8)
        self._weights: NDArray[np.float32] = np.zeros(0, np.float32)

    def take(self, count: int) -> Chunk:
        """The next `count` samples."""
        self._make_room(count)
        while self._written < count:
            self._append(self._items.draw())
        chunk = Chunk(self._samples[:count].copy(), self._labels[:count].copy(), self._weights[:count].copy())
        for buffer, blank in ((self._samples, 0), (self._labels, self._quiet), (self._weights, 1)):
            buffer[:-count] = buffer[count:]
            buffer[-count:] = blank
        self._written -= count
        return chunk

    def _make_room(self, count: int) -> None:
        """Room for `count` samples, and beyond them for one item and its target."""
        wanted = count + int((LONGEST_ITEM_S + self._recipe.pause_s + self._recipe.target_s + 1.0) * SAMPLE_RATE)
        kept = len(self._samples)
        if kept >= wanted:
            return
        samples, labels = np.zeros(wanted, np.float32), np.full(wanted, self._quiet, np.int8)
        weights = np.ones(wanted, np.float32)
        samples[:kept], labels[:kept], weights[:kept] = self._samples, self._labels, self._weights
        self._samples, self._labels, self._weights = samples, labels, weights

    def _append(self, item: Item) -> None:
        """Write an item, and its target (which may reach past it)."""
        recipe, first, end = self._recipe, self._written, self._written + len(item.samples)
        self._items.lay_bed(item.samples)
        self._samples[first:end] = np.clip(item.samples, -1.0, 1.0)
        spoken = self._labels[first + item.start : first + item.end]
        spoken[spoken == self._quiet] = 0  # none of the words, yet
        if item.said:
            heard = first + item.end + int(recipe.target_delay_s * SAMPLE_RATE)
            until = heard + int(recipe.target_s * SAMPLE_RATE)
            self._weights[first + (item.start + item.end) // 2 : heard] = 0.0
            self._weights[heard:until] = recipe.target_weight
            self._labels[heard:until] = label_of(item, self._labels_known)
        self._written = end


class Clips:
    """Items one at a time, each in the middle of what is taken; only its last steps are to name it."""

    def __init__(self, sounds: Sounds, labels: tuple[str, ...], recipe: Recipe, rng: np.random.Generator) -> None:
        self._items = Items(sounds, recipe, rng)
        self._labels_known, self._recipe, self._rng = labels, recipe, rng

    def take(self, count: int) -> Chunk:
        """One clip in `count` samples."""
        recipe = self._recipe
        item = self._item()
        samples = np.zeros(count, np.float32)
        shift = int(self._rng.uniform(-1, 1) * recipe.clip_shift_s * SAMPLE_RATE)
        sound = item.samples[:count]
        first = min(max(0, (count - len(sound)) // 2 + shift), count - len(sound))
        samples[first : first + len(sound)] = sound
        self._items.lay_bed(samples)
        weights = np.zeros(count, np.float32)
        weights[-int(recipe.clip_target_s * SAMPLE_RATE) :] = 1.0
        labels = np.full(count, label_of(item, self._labels_known), np.int8)
        return Chunk(np.clip(samples, -1.0, 1.0), labels, weights)

    def _item(self) -> Item:
        recipe, rng = self._recipe, self._rng
        if rng.random() >= recipe.clip_background_share:
            return self._items.word()
        if rng.random() < 0.5:
            return self._items.other()
        item = self._items.noise()
        return Item(item.samples[:CLIP_SAMPLES], None)


def label_of(item: Item, labels: tuple[str, ...]) -> int:
    """The label of an item: its word's, silence's where the set has it, else that of what is no word."""
    if item.said:
        return labels.index(item.said)
    return labels.index(SILENCE) if item.said is None and SILENCE in labels else 0
