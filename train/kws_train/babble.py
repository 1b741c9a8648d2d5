"""Babble: several people who speak at once. Nobody can be followed, and pieces of it sound like words."""

from __future__ import annotations

import numpy as np

from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.levels import loudness
from kws_train.augment import change_speed, reverberate, to_float
from kws_train.data import Pcm

VOICES = (2, 8)
SPEED = (0.8, 1.3)
LEVEL_DB = (-12.0, 0.0)  # of a voice, below the loudest that there can be


def babble(
    rng: np.random.Generator, speech: list[Pcm], rooms: list[Samples], seconds: float, count: int
) -> list[Samples]:
    """`count` stretches (n,) of babble made of read speech, each in a room if there are any."""
    return [_stretch(rng, speech, rooms, int(seconds * SAMPLE_RATE)) for _ in range(count)]


def _stretch(rng: np.random.Generator, speech: list[Pcm], rooms: list[Samples], length: int) -> Samples:
    mixed = np.zeros(length, np.float32)
    for _ in range(int(rng.integers(VOICES[0], VOICES[1] + 1))):
        level = np.float32(10 ** (rng.uniform(*LEVEL_DB) / 20))
        mixed += level * _voice(rng, speech, length)
    return reverberate(mixed, rooms[int(rng.integers(len(rooms)))]) if rooms else mixed


def _voice(rng: np.random.Generator, speech: list[Pcm], length: int) -> Samples:
    """One recording after the other, all as if by one speaker, at loudness 1."""
    factor, heard, pieces = float(rng.uniform(*SPEED)), 0, []
    while heard < length:
        piece = change_speed(to_float(speech[int(rng.integers(len(speech)))]), factor)
        pieces.append(piece / np.float32(loudness(piece)))
        heard += len(piece)
    first = int(rng.integers(heard - length + 1))
    return np.concatenate(pieces)[first : first + length]
