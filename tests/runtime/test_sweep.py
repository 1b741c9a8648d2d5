"""The noise sweep, and levels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_runtime.audio import read_wav
from kws_runtime.corpus import part_of
from kws_runtime.levels import loudness, noise_under, random_piece
from kws_runtime.listen import DEMO
from kws_runtime.sweep import noisy_layer
from tests.conftest import Run, assert_fault, cut_out_the_demos_words

RNG = np.random.default_rng(0)
NOISE = RNG.standard_normal(80_000).astype(np.float32) * np.float32(0.05)
CLIP = np.sin(np.arange(16_000) / 5).astype(np.float32) * np.float32(0.2)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_noise_lies_the_wanted_distance_under_a_sound(snr_db: float) -> None:
    """In RMS under the sound's loudness, which for a steady tone is its RMS."""
    noise = noise_under(loudness(CLIP), NOISE, snr_db)
    assert loudness(CLIP) == pytest.approx(0.2 / np.sqrt(2), rel=0.01)
    assert 20 * np.log10(loudness(CLIP) / noise.std()) == pytest.approx(snr_db, abs=0.01)


def test_digital_silence_is_no_noise() -> None:
    """And no division by zero."""
    assert not noise_under(0.1, np.zeros(100, np.float32), 10.0).any()


def test_loudness_does_not_depend_on_the_pauses() -> None:
    """As long as the sound fills half of it."""
    padded = np.concatenate([np.zeros(8000, np.float32), CLIP, np.zeros(8000, np.float32)])
    assert loudness(padded) == pytest.approx(loudness(CLIP), rel=0.02)


def test_a_piece_goes_on_at_the_beginning() -> None:
    """Longer than the recording."""
    piece = random_piece(np.arange(5, dtype=np.float32), 12, np.random.default_rng(0))
    assert np.diff(piece).tolist().count(-4.0) >= 2
    assert set(np.diff(piece)) == {1.0, -4.0}


def test_an_items_noise_is_the_same_at_every_snr() -> None:
    """Only its level differs; and what would be over full scale is turned down."""
    one, two = (noisy_layer([NOISE, NOISE[::-1].copy()], snr_db) for snr_db in (20.0, 10.0))
    for _ in range(3):
        quiet, loud = one(CLIP), two(CLIP)
        tail = slice(17_000, None)  # after the clip there is noise alone (and the faint one of -70 dBFS)
        ratio = loud[tail] @ quiet[tail] / (quiet[tail] @ quiet[tail])
        assert 20 * np.log10(ratio) == pytest.approx(10, abs=0.3)
    assert np.abs(noisy_layer([NOISE], -20.0)(CLIP)).max() == pytest.approx(1.0)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's words as clips of one speaker, and a noise: three voices, backwards."""
    folder = tmp_path_factory.mktemp("spoken")
    cut_out_the_demos_words(folder)
    (folder / "noise").mkdir()
    spoken = read_wav(DEMO)[::-1]
    babble = spoken + np.roll(spoken, 20_000) + np.roll(spoken, 50_000)
    soundfile.write(folder / "noise" / "a.wav", babble / np.abs(babble).max(), 16_000)
    return folder


@pytest.mark.parametrize("noise", ["noise", "noise/a.wav"])
def test_kws_eval_sweeps_from_minus_5_db_to_clean(spoken: Path, run_command: Run, noise: str) -> None:
    """A folder or a WAV; clean is the carried accuracy of clips, and -5 dB is worse."""
    part = part_of("0000000b_nohash_0.wav")
    options = ["--data", spoken, "--part", part, "--sweep", spoken / noise, "--markdown", spoken / "a.md", "--json"]
    done = run_command("kws-eval", *options)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    rows = figures["sweep"]
    assert [row["snr_db"] for row in rows] == [-5, 0, 5, 10, 20, None]
    clean = figures["clips"]["accuracy_words_carried"]
    assert {key: rows[-1][key] for key in clean} == clean
    assert rows[0]["share"] < rows[-1]["share"]
    assert "| clean | 100.0 % [67.6, 100.0] | 8 |" in (spoken / "a.md").read_text()


def test_a_folder_without_noise_is_said(spoken: Path, tmp_path: Path, run_command: Run) -> None:
    """One line."""
    part = part_of("0000000b_nohash_0.wav")
    done = run_command("kws-eval", "--data", spoken, "--part", part, "--sweep", tmp_path)
    assert_fault(done, "no WAV with noise in it")
