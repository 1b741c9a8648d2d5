"""Endless streams of words, other words, speech, noise and silence, with a target for every step.

A model that carries its state for ever must be trained on what it will meet: not clips, but a stream in
which a word is a rare thing with a before and an after. The target is the word's label for a moment after
its end, where it has been heard and can be named; everything else is background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_runtime.corpus import LABELS
from kws_runtime.errors import DataError
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_train.augment import change_speed, coloured_noise, loudness, room, speech_bounds, tilt, to_float
from kws_train.data import Material, Pcm

FULL_SCALE_PEAK = 0.5  # items are scaled to this peak before their gain
LONGEST_ITEM_S = 6.0


@dataclass(frozen=True)
class Recipe:
    """How a stream is put together. Shares are of the items; pairs are the ends of a uniform choice."""

    word_share: float = 0.42
    other_share: float = 0.18
    speech_share: float = 0.20
    snippet_share: float = 0.07  # a piece of speech as short as a word
    # what remains is near silence
    speech_s: tuple[float, float] = (1.5, 5.0)
    snippet_s: tuple[float, float] = (0.2, 0.8)
    silence_s: tuple[float, float] = (0.2, 1.5)
    trim_s: float = 0.2  # a clip loses up to this much of the quiet before and after its sound
    pause_share: float = 0.5
    pause_s: float = 0.5
    cut_share: float = 0.08  # words broken off; they count as background
    cut_at: tuple[float, float] = (0.2, 0.5)  # of the word's length
    gain_db: tuple[float, float] = (-18.0, 6.0)
    speed_share: float = 0.5
    speed: tuple[float, float] = (0.88, 1.14)
    room_share: float = 0.15
    room_s: tuple[float, float] = (0.1, 0.6)
    tilt_share: float = 0.3
    tilt: tuple[float, float] = (-0.6, 0.6)
    bed_share: float = 0.7  # stretches of a few items that lie on noise
    bed_items: tuple[int, int] = (1, 5)
    bed_snr_db: tuple[float, float] = (0.0, 30.0)
    bed_coloured_share: float = 0.25
    floor_db: tuple[float, float] = (-85.0, -60.0)  # noise under everything, dBFS
    target_s: float = 0.3  # how long after its end a word is to be named
    target_weight: float = 2.0
    mask_share: float = 0.5  # of the chunks
    mask_bands: int = 6
    mask_frames: int = 4


def coloured_noises(seed: int) -> list[Samples]:
    """White, pink and brown noise, 10 s each."""
    rng = np.random.default_rng(seed)
    return [coloured_noise(rng, 10.0, exponent) for exponent in (0.0, 1.0, 2.0)]


@dataclass
class Chunk:
    """A piece of a stream: samples (n,), and for each sample the label and the weight of a step ending there."""

    samples: Samples
    labels: NDArray[np.int8]
    weights: NDArray[np.float32]


class Stream:
    """One endless stream. What it holds depends on the material, the recipe and the generator only."""

    def __init__(self, material: Material, recipe: Recipe, rng: np.random.Generator, coloured: list[Samples]) -> None:
        """`coloured` are noises beside the recorded ones. Raises DataError where there is no word to be heard."""
        if not any(material.words.values()):
            raise DataError(f"no clips of any of the words {', '.join(LABELS[1:])}")
        self._material, self._recipe, self._rng = material, recipe, rng
        self._words, self._others = sorted(material.words), sorted(material.others)
        self._coloured = coloured
        self._bed: Samples = np.zeros(0, np.float32)
        self._bed_level = 0.0
        self._bed_items_left = 0
        self._written = 0  # samples composed and not yet taken
        self._samples: Samples = np.zeros(0, np.float32)
        self._labels: NDArray[np.int8] = np.zeros(0, np.int8)
        self._weights: NDArray[np.float32] = np.zeros(0, np.float32)

    def _grow_to(self, count: int) -> None:
        """Room for `count` samples, and beyond them for one item and its target."""
        room_for = count + int((LONGEST_ITEM_S + self._recipe.target_s + 3.0) * SAMPLE_RATE)
        samples, labels = np.zeros(room_for, np.float32), np.zeros(room_for, np.int8)
        weights = np.ones(room_for, np.float32)
        kept = len(self._samples)
        samples[:kept], labels[:kept], weights[:kept] = self._samples, self._labels, self._weights
        self._samples, self._labels, self._weights = samples, labels, weights

    def take(self, count: int) -> Chunk:
        """The next `count` samples."""
        if len(self._samples) < count + (LONGEST_ITEM_S + 3.0) * SAMPLE_RATE:
            self._grow_to(count)
        while self._written < count:
            self._append_item()
        chunk = Chunk(self._samples[:count].copy(), self._labels[:count].copy(), self._weights[:count].copy())
        for buffer, blank in ((self._samples, 0), (self._labels, 0), (self._weights, 1)):
            buffer[:-count] = buffer[count:]
            buffer[-count:] = blank
        self._written -= count
        return chunk

    def _between(self, ends: tuple[float, float]) -> float:
        return float(self._rng.uniform(*ends))

    def _append_item(self) -> None:
        recipe, chance = self._recipe, self._rng.random()
        if chance < recipe.word_share:
            item = self._append_word()
        elif chance < (reach := recipe.word_share + recipe.other_share) and self._others:
            item = self._voiced(self._clip(self._material.others[self._choice(self._others)]))
        elif chance < (reach := reach + recipe.speech_share) and self._material.speech:
            item = self._voiced(self._piece(recipe.speech_s))
        elif chance < reach + recipe.snippet_share and self._material.speech:
            item = self._voiced(self._piece(recipe.snippet_s))
        else:
            item = np.zeros(int(self._between(recipe.silence_s) * SAMPLE_RATE), np.float32)
        if self._rng.random() < recipe.pause_share:
            pause = int(self._rng.random() * recipe.pause_s * SAMPLE_RATE)
            item = np.concatenate([item, np.zeros(pause, np.float32)])
        self._lay_bed(item)
        end = self._written + len(item)
        self._samples[self._written : end] = np.clip(item, -1.0, 1.0)
        self._written = end

    def _append_word(self) -> Samples:
        """A word, and its target in the buffers (which may reach past the item)."""
        recipe = self._recipe
        word = self._choice(self._words)
        samples = self._voiced(self._clip(self._material.words[word]))
        start, end = speech_bounds(samples)
        if self._rng.random() < recipe.cut_share:
            return samples[: start + int((end - start) * self._between(recipe.cut_at))]
        half, heard = self._written + (start + end) // 2, self._written + end
        until = heard + int(recipe.target_s * SAMPLE_RATE)
        self._weights[half:heard] = 0.0
        self._weights[heard:until] = recipe.target_weight
        self._labels[heard:until] = LABELS.index(word)
        return samples

    def _choice(self, names: list[str]) -> str:
        return names[int(self._rng.integers(len(names)))]

    def _clip(self, clips: list[Pcm]) -> Samples:
        """One of the clips, with less of the quiet before and after its sound."""
        samples = to_float(clips[int(self._rng.integers(len(clips)))])
        start, end = speech_bounds(samples)
        before, after = (self._rng.random(2) * self._recipe.trim_s * SAMPLE_RATE).astype(int)
        return samples[min(before, start) : max(len(samples) - after, end)]

    def _piece(self, seconds: tuple[float, float]) -> Samples:
        """A piece of read speech."""
        speech = self._material.speech[int(self._rng.integers(len(self._material.speech)))]
        length = min(len(speech), int(self._between(seconds) * SAMPLE_RATE))
        first = int(self._rng.integers(len(speech) - length + 1))
        return to_float(speech[first : first + length])

    def _voiced(self, samples: Samples) -> Samples:
        """Another speed, microphone, room and distance."""
        recipe, rng = self._recipe, self._rng
        if rng.random() < recipe.speed_share:
            samples = change_speed(samples, self._between(recipe.speed))
        if rng.random() < recipe.tilt_share:
            samples = tilt(samples, self._between(recipe.tilt))
        if rng.random() < recipe.room_share:
            samples = room(samples, rng, self._between(recipe.room_s))
        peak = float(np.abs(samples).max()) + 1e-6
        gain = 10 ** (self._between(recipe.gain_db) / 20)
        return samples[: int(LONGEST_ITEM_S * SAMPLE_RATE)] * np.float32(FULL_SCALE_PEAK * gain / peak)

    def _lay_bed(self, item: Samples) -> None:
        """Add noise, in place. A bed lies under a few items; its level is set by the first of them."""
        recipe, rng = self._recipe, self._rng
        if self._bed_items_left == 0:
            self._bed_items_left = int(rng.integers(recipe.bed_items[0], recipe.bed_items[1] + 1))
            recorded = self._material.noise
            if recorded and rng.random() >= recipe.bed_coloured_share:
                self._bed = to_float(recorded[int(rng.integers(len(recorded)))])
            else:
                self._bed = self._coloured[int(rng.integers(len(self._coloured)))]
            level = loudness(item) if item.any() else FULL_SCALE_PEAK * 0.1
            snr = 10 ** (self._between(recipe.bed_snr_db) / 20)
            lies = rng.random() < recipe.bed_share
            self._bed_level = level / snr / loudness(self._bed) if lies else 0.0
        self._bed_items_left -= 1
        if self._bed_level:
            at = int(rng.integers(len(self._bed)))
            item += np.take(self._bed, np.arange(at, at + len(item)), mode="wrap") * np.float32(self._bed_level)
        floor = 10 ** (self._between(recipe.floor_db) / 20)
        item += np.float32(floor) * rng.standard_normal(len(item), np.float32)
