"""The noise sweep: how many words are right as recorded noise comes nearer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kws_runtime.accuracy import Lay, accuracies, clip_layer, in_stream_order, items_in, word_scores
from kws_runtime.audio import read_wav
from kws_runtime.errors import DataError
from kws_runtime.frontend import Samples
from kws_runtime.levels import loudness, noise_under, random_piece
from kws_runtime.listener import Listener

SNRS_DB = (-5.0, 0.0, 5.0, 10.0, 20.0, None)  # None: no noise but the faint one under every clip
SWEEP_SEED = 0


def noise_recordings(path: Path) -> list[Samples]:
    """A WAV, or all WAVs in a folder and below it. Raises DataError where there is none, AudioError for a bad one."""
    paths = sorted(path.rglob("*.wav")) if path.is_dir() else [path]
    recordings = [samples for samples in map(read_wav, paths) if len(samples)]
    if not recordings:
        raise DataError(f"{path}: no WAV with noise in it")
    return recordings


def noisy_layer(noises: list[Samples], snr_db: float) -> Lay:
    """Lays clips with noise under the whole item, `snr_db` below the clip's loudness.

    The noise is a piece of a recording drawn at random, the same for an item at every SNR. What would be louder than
    full scale is turned down, noise and clip.
    """
    lay, rng = clip_layer(), np.random.default_rng(SWEEP_SEED)

    def lay_in_noise(samples: Samples) -> Samples:
        item = lay(samples)
        noise = random_piece(noises[int(rng.integers(len(noises)))], len(item), rng)
        item = item + noise_under(loudness(samples), noise, snr_db)
        return item / max(np.float32(1.0), np.abs(item).max())

    return lay_in_noise


def evaluate_sweep(listener: Listener, folder: Path, part: str, noise: Path) -> list[dict[str, Any]]:
    """Words right at each SNR, from the worst to none (`snr_db` None), in one carried stream for each."""
    noises = noise_recordings(noise)
    words = listener.info.words
    items = [item for item in items_in(folder, part, words) if item.label is not None]
    stream = in_stream_order(items, folder)
    rows = []
    for snr_db in SNRS_DB:
        lay = clip_layer() if snr_db is None else noisy_layer(noises, snr_db)
        scores = word_scores(listener, stream, carried=True, lay=lay)
        rows.append({"snr_db": snr_db, **accuracies(scores, stream, words)["words"]})
    return rows
