"""`kws-scene`: what is in a scene, where, how loud, and that nothing is left of one that fails."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_runtime.audio import read_wav
from kws_runtime.corpus import WORDS, clips_in
from kws_runtime.errors import AudioError
from kws_runtime.levels import loudness
from kws_runtime.scoring import read_truth
from kws_train.scene import Deck, Plan, pieces, write_scene
from tests.conftest import Run, assert_fault


def plan(corpus: Path, snr_db: float | None = None, seed: int = 0, seconds: float = 120.0) -> Plan:
    return Plan(
        WORDS,
        clips_in(corpus / "words", "validation"),
        sorted((corpus / "speech" / "dev").glob("*.wav")),
        sorted((corpus / "noise" / "dev").glob("*.wav")),
        snr_db,
        seconds,
        seed,
    )


def test_the_truth_says_where_the_words_are(corpus: Path, tmp_path: Path) -> None:
    """A tone of 0.4 s stands for a word: it is loud where the truth has it, and faint 0.3 s before and after."""
    out = tmp_path / "scene.wav"
    words = write_scene(plan(corpus), out)
    samples, truth = read_wav(out), read_truth(out.with_suffix(".json"))
    assert len(words) == len(truth.words) > 20
    assert {word.label for word in words} == set(WORDS)
    assert truth.seconds == pytest.approx(len(samples) / 16_000, abs=0.001)
    assert 110 < truth.seconds <= 120

    def level(first: float, last: float) -> float:
        piece = samples[int(first * 16_000) : int(last * 16_000)]
        return 10 * np.log10(np.square(piece).mean())

    for word in truth.words:
        assert word.end - word.start == pytest.approx(0.4, abs=0.05)
        assert level(word.start, word.end) > -34
        assert level(word.start - 0.3, word.start - 0.1) < -55
        assert level(word.end + 0.1, word.end + 0.3) < -55


def test_words_lie_the_wanted_distance_over_their_noise(corpus: Path) -> None:
    """The piece with noise less the same piece without."""
    for quiet, noisy in islice(zip(pieces(plan(corpus)), pieces(plan(corpus, snr_db=6.0)), strict=True), 1):
        assert quiet.word == noisy.word
        noise = noisy.samples - quiet.samples
        distance = 20 * np.log10(loudness(quiet.samples) / np.sqrt(np.square(noise).mean()))
        assert len(quiet.samples) == len(noisy.samples)
        assert 2 < distance < 8  # the piece's loudness, pauses and all, is a little under the item's


def test_the_same_seed_makes_the_same_scene_and_another_another(corpus: Path, tmp_path: Path) -> None:
    """To the bit."""
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_scene(plan(corpus, 10.0, seed, 20.0), tmp_path / f"{name}.wav")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert (tmp_path / "a.wav").read_bytes() != (tmp_path / "c.wav").read_bytes()


def test_each_thing_is_drawn_once_before_any_comes_again() -> None:
    """In another order each time."""
    deck = Deck([Path(str(number)) for number in range(20)], np.random.default_rng(0))
    first, second = ([deck.draw() for _ in range(20)] for _ in range(2))
    assert set(first) == set(second)
    assert len(set(first)) == 20
    assert first != second


def test_a_scene_that_fails_leaves_nothing(corpus: Path, tmp_path: Path) -> None:
    """Neither half a WAV nor a truth."""
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    faulty = Plan(WORDS, plan(corpus).clips, [bad], [], None, 600.0, 0)
    with pytest.raises(AudioError, match=r"bad\.wav"):
        write_scene(faulty, tmp_path / "scene.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.wav"]


def test_the_command_writes_a_scene_that_kws_eval_reads(corpus: Path, tmp_path: Path, run_command: Run) -> None:
    """And writes over nothing."""
    out = tmp_path / "scene.wav"
    arguments = ["--words", corpus / "words", "--speech", corpus / "speech" / "dev", "--minutes", "0.5", "--out", out]
    done = run_command("kws-scene", *arguments)
    assert done.returncode == 0, done.stderr
    said = json.loads(out.with_suffix(".json").read_text())["words"]
    assert f"{len(said)} words" in done.stdout
    assert soundfile.info(out).subtype == "PCM_16"
    figures = json.loads(run_command("kws-eval", "--scene", out, "--json").stdout)
    assert figures["scenes"]["scene"]["words"] == len(said)
    assert_fault(run_command("kws-scene", *arguments), "scene.wav: is there already")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--snr", "10"], 2, "go together"),
        (["--noise", "."], 2, "go together"),
        (["--minutes", "0"], 2, "more than 0"),
        (["--minutes", "0.001"], 1, "too short for a word"),
        (["--speech", "nowhere"], 1, "nowhere: no such folder"),
        (["--noise", "empty", "--snr", "10"], 1, "empty: no WAVs"),
    ],
    ids=str,
)
def test_faults_of_the_user_are_said(
    corpus: Path, tmp_path: Path, run_command: Run, arguments: list[str], code: int, says: str
) -> None:
    """In a line."""
    (tmp_path / "empty").mkdir()
    done = run_command("kws-scene", "--words", corpus / "words", "--out", "a.wav", *arguments, cwd=tmp_path)
    assert_fault(done, says, code)
    assert not list(tmp_path.glob("*a.*"))
