"""The recordings and what is made of them once for all streams: rooms, noises, babble, bounds and levels."""

from __future__ import annotations

import numpy as np

from kws_runtime.errors import DataError
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.levels import loudness, random_piece
from kws_train.augment import coloured_noise, speech_bounds, to_float
from kws_train.babble import babble
from kws_train.data import Material, Pcm
from kws_train.recipe import Recipe
from kws_train.rooms import room_responses

ROOMS = 200
FLOOR_S = 60.0
BABBLES, BABBLE_S = 40, 15.0


class Sounds:
    """Material, and beside it what depends on the material and the seed only, kept where it is wanted again."""

    def __init__(self, material: Material, words: tuple[str, ...], seed: int, rooms: int = ROOMS) -> None:
        """Raises DataError where a word has no recording."""
        missing = [word for word in words if not material.words.get(word)]
        if missing:
            raise DataError(f"no clips of {', '.join(missing)}")
        rng = np.random.default_rng(seed)
        self.material, self.words = material, words
        self.others = sorted(material.others)
        self.coloured = [coloured_noise(rng, 10.0, exponent) for exponent in (0.0, 1.0, 2.0)]  # white, pink, brown
        self.floor = rng.standard_normal(int(FLOOR_S * SAMPLE_RATE), np.float32)
        self.rooms = room_responses(rng, rooms)
        self.babble = babble(rng, material.speech, self.rooms, BABBLE_S, BABBLES) if material.speech else []
        self._bounds: dict[int, tuple[int, int]] = {}
        self._levels: dict[int, float] = {}

    def bounds(self, clip: Pcm) -> tuple[int, int]:
        """Start and end of the sound in a clip of the material, in samples."""
        if id(clip) not in self._bounds:
            self._bounds[id(clip)] = speech_bounds(to_float(clip))
        return self._bounds[id(clip)]

    def noise(self, rng: np.random.Generator, count: int, recipe: Recipe) -> Samples:
        """`count` samples of a noise, recorded, coloured or babble, of loudness 1."""
        chance = rng.random()
        noises: list[Pcm] | list[Samples]
        if self.babble and chance < recipe.babble_share:
            noises = self.babble
        elif self.material.noise and chance >= recipe.babble_share + recipe.coloured_share:
            noises = self.material.noise
        else:
            noises = self.coloured
        noise = noises[int(rng.integers(len(noises)))]
        return random_piece(noise, count, rng).astype(np.float32) / np.float32(self._level(noise))

    def _level(self, noise: Pcm | Samples) -> float:
        if id(noise) not in self._levels:
            self._levels[id(noise)] = loudness(noise.astype(np.float32))
        return self._levels[id(noise)]
