"""The items of streams and clips: a word, another word, speech, noise or quiet, each made to sound new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.levels import loudness
from kws_train.augment import change_speed, reverberate, tilt, to_float
from kws_train.data import Pcm
from kws_train.recipe import Recipe
from kws_train.sounds import Sounds

FULL_SCALE_PEAK = 0.5  # voices are scaled to this peak before their gain
LONGEST_ITEM_S = 6.0
QUIET_LEVEL = 0.05  # what a bed's SNR refers to where nothing sounds


@dataclass
class Item:
    """Samples (n,); what is said in them, None for quiet and noise, '' for anything that is none of the words; and
    from where to where it is said, in samples."""

    samples: Samples
    said: str | None
    start: int = 0
    end: int = 0


class Items:
    """Draws items of one stream. What it gives depends on the sounds, the recipe and the generator only."""

    def __init__(self, sounds: Sounds, recipe: Recipe, rng: np.random.Generator) -> None:
        self._sounds, self._recipe, self._rng = sounds, recipe, rng
        self._bed_level = 0.0
        self._bed_items_left = 0

    def draw(self) -> Item:
        """Any item, by the shares of the recipe, perhaps with a pause behind it."""
        recipe, chance, material = self._recipe, self._rng.random(), self._sounds.material
        if chance < recipe.word_share:
            item = self.word()
        elif chance < (reach := recipe.word_share + recipe.other_share) and self._sounds.others:
            item = self.other()
        elif chance < (reach := reach + recipe.joined_share) and self._sounds.others:
            item = self._joined()
        elif chance < (reach := reach + recipe.speech_share) and material.speech:
            item = self._speech(recipe.speech_s)
        elif chance < (reach := reach + recipe.snippet_share) and material.speech:
            item = self._speech(recipe.snippet_s)
        elif chance < reach + recipe.noise_share:
            item = self.noise()
        else:
            item = Item(np.zeros(int(self.between(recipe.silence_s) * SAMPLE_RATE), np.float32), None)
        if self._rng.random() < recipe.pause_share:
            pause = int(self._rng.random() * recipe.pause_s * SAMPLE_RATE)
            item.samples = np.concatenate([item.samples, np.zeros(pause, np.float32)])
        return item

    def between(self, ends: tuple[float, float]) -> float:
        return float(self._rng.uniform(*ends))

    def word(self) -> Item:
        """One of the words to be heard, each as often as any other; some are broken off."""
        recipe, rng, material = self._recipe, self._rng, self._sounds.material
        word = self._sounds.words[int(rng.integers(len(self._sounds.words)))]
        clips, made = material.words[word], material.synthetic_words.get(word, [])
        weight = recipe.synthetic_word_weight * len(made)
        if made and rng.random() < weight / (weight + len(clips)):
            clips = made
        clip, start, end = self._clip(clips)
        samples, factor = self._voiced(clip, recipe.speed)
        start, end = int(start / factor), min(int(end / factor), len(samples))
        if rng.random() < recipe.cut_share:
            end = start + int((end - start) * self.between(recipe.cut_at))
            return Item(samples[:end], "", start, end)
        return Item(samples, word, start, end)

    def other(self) -> Item:
        """A word that is none of those to be heard."""
        rng, material, names = self._rng, self._sounds.material, self._sounds.others
        if material.synthetic_others and rng.random() < self._recipe.synthetic_other_share:
            clips = material.synthetic_others
        else:
            clips = material.others[names[int(rng.integers(len(names)))]]
        clip, start, end = self._clip(clips)
        samples, factor = self._voiced(clip, self._recipe.other_speed)
        return Item(samples, "", int(start / factor), min(int(end / factor), len(samples)))

    def _joined(self) -> Item:
        """Pieces of other words, end to end."""
        recipe, rng, material, names = self._recipe, self._rng, self._sounds.material, self._sounds.others
        pieces = []
        for _ in range(int(rng.integers(recipe.joined_pieces[0], recipe.joined_pieces[1] + 1))):
            clips = material.others[names[int(rng.integers(len(names)))]]
            if material.synthetic_others and rng.random() < recipe.joined_synthetic_share:
                clips = material.synthetic_others
            clip = clips[int(rng.integers(len(clips)))]
            start, end = self._sounds.bounds(clip)
            length = min(end - start, int(self.between(recipe.joined_s) * SAMPLE_RATE))
            first = start + int(rng.integers(end - start - length + 1))
            piece = to_float(clip[first : first + length])
            pieces.append(piece / (np.abs(piece).max() + np.float32(1e-3)))
        return self._spoken(np.concatenate(pieces))

    def noise(self) -> Item:
        """A stretch of noise at any level, with nothing said in it."""
        recipe = self._recipe
        count = int(self.between(recipe.noise_s) * SAMPLE_RATE)
        level = np.float32(10 ** (self.between(recipe.noise_db) / 20))
        return Item(level * self._sounds.noise(self._rng, count, recipe), None)

    def _speech(self, seconds: tuple[float, float]) -> Item:
        """A piece of read speech."""
        recordings = self._sounds.material.speech
        speech = recordings[int(self._rng.integers(len(recordings)))]
        length = min(len(speech), int(self.between(seconds) * SAMPLE_RATE))
        first = int(self._rng.integers(len(speech) - length + 1))
        return self._spoken(to_float(speech[first : first + length]))

    def _spoken(self, samples: Samples) -> Item:
        """Speech from its first sample to its last."""
        samples = self._voiced(samples, self._recipe.other_speed)[0]
        return Item(samples, "", 0, len(samples))

    def _clip(self, clips: list[Pcm]) -> tuple[Samples, int, int]:
        """One of the clips, with less of the quiet before and after its sound; and where this starts and ends."""
        clip = clips[int(self._rng.integers(len(clips)))]
        start, end = self._sounds.bounds(clip)
        before, after = (self._rng.random(2) * self._recipe.trim_s * SAMPLE_RATE).astype(int)
        first = min(int(before), start)
        return to_float(clip[first : max(len(clip) - int(after), end)]), start - first, end - first

    def _voiced(self, samples: Samples, speed: tuple[float, float]) -> tuple[Samples, float]:
        """Another speed, microphone, room and distance; and the factor of the speed."""
        recipe, rng, factor = self._recipe, self._rng, 1.0
        if rng.random() < recipe.speed_share:
            factor = self.between(speed)
            samples = change_speed(samples, factor)
        if rng.random() < recipe.tilt_share:
            samples = tilt(samples, self.between(recipe.tilt))
        if self._sounds.rooms and rng.random() < recipe.room_share:
            samples = reverberate(samples, self._sounds.rooms[int(rng.integers(len(self._sounds.rooms)))])
        peak = float(np.abs(samples).max()) + 1e-6
        gain = 10 ** (self.between(recipe.gain_db) / 20)
        return samples[: int(LONGEST_ITEM_S * SAMPLE_RATE)] * np.float32(FULL_SCALE_PEAK * gain / peak), factor

    def lay_bed(self, samples: Samples) -> None:
        """Add noise, in place. A bed lies under a few items; its level is set by the first of them."""
        recipe, rng, count = self._recipe, self._rng, len(samples)
        if self._bed_items_left == 0:
            self._bed_items_left = int(rng.integers(recipe.bed_items[0], recipe.bed_items[1] + 1))
            level = loudness(samples) if samples.any() else QUIET_LEVEL
            lies = rng.random() < recipe.bed_share
            self._bed_level = level / 10 ** (self.between(recipe.bed_snr_db) / 20) if lies else 0.0
        self._bed_items_left -= 1
        if self._bed_level:
            samples += np.float32(self._bed_level) * self._sounds.noise(rng, count, recipe)
        floor = self._sounds.floor
        at = int(rng.integers(len(floor) - count))
        samples += np.float32(10 ** (self.between(recipe.floor_db) / 20)) * floor[at : at + count]
