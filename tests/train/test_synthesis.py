"""What makes a clip of a synthesizer's sound, and the real synthesizers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from kws_runtime import Listener, read_model
from kws_runtime.clips import lay_clip
from kws_runtime.errors import AudioError
from kws_train.synthesis import Flite, between_pauses, make_clip


def installed(command: str) -> None:
    """Skip without a real synthesizer, but never in CI."""
    if not shutil.which(command):
        if os.environ.get("CI"):
            pytest.fail(f"{command} is not installed in CI")
        pytest.skip(f"needs {command}: apt-get install {command}")


def test_a_sound_becomes_a_clip_of_16_khz_without_its_quiet() -> None:
    """The tone keeps its pitch and length."""
    sound = np.zeros(3 * 22_050, np.float32)
    sound[22_050 : 22_050 + 11_025] = 0.02 * np.sin(2 * np.pi * 1000 * np.arange(11_025) / 22_050)
    clip = make_clip(sound, 22_050).astype(float)
    assert 0.62 * 16_000 < len(clip) < 0.70 * 16_000
    assert np.abs(np.fft.rfft(clip, 16_000)).argmax() == 1000
    for nothing in (np.zeros(16_000, np.float32), np.zeros(0, np.float32)):
        with pytest.raises(AudioError, match="silence"):
            make_clip(nothing, 16_000)


def bursts(*seconds: float) -> np.ndarray:
    """Sound and pause by turns."""
    pieces = [
        (1.0 if place % 2 == 0 else 0.0) * np.ones(round(length * 16_000)) for place, length in enumerate(seconds)
    ]
    return np.concatenate(pieces).astype(np.float32)


def test_a_word_is_cut_from_between_the_longest_pauses() -> None:
    """The gap inside of a stop consonant is none of them."""
    word = between_pauses(bursts(0.3, 0.2, 0.25, 0.06, 0.1, 0.2, 0.3), 16_000)
    assert len(word) / 16_000 == pytest.approx(0.41 + 0.05, abs=0.02)
    with pytest.raises(AudioError, match="no pauses"):
        between_pauses(bursts(0.3, 0.02, 0.3, 0.2, 0.3), 16_000)
    with pytest.raises(AudioError, match="no pauses"):
        between_pauses(np.zeros(16_000, np.float32), 16_000)


def test_flite_says_what_the_bundled_model_hears(tmp_path: Path) -> None:
    """Each voice, "left" and "no"."""
    installed("flite")
    listener, engine = Listener(read_model()), Flite()
    for word in ("left", "no"):
        for voice in engine.voices(word):
            clip = make_clip(*engine.speak(word, voice, np.random.default_rng(0)))
            listener.reset()
            item = lay_clip(clip.astype(np.float32) / 32768, np.random.default_rng(0))
            assert [event.label for event in listener.process(item)] == [word], voice
