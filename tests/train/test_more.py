"""`kws-train --more`: one's own recordings, sorted, among the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_runtime.corpus import WORDS
from kws_runtime.errors import AudioError, DataError
from kws_runtime.kept import KEPT_SAMPLES
from kws_train.data import Material, load_material
from kws_train.more import MORE_TIMES, add_more
from kws_train.rundir import RunDir
from kws_train.session import _digest
from kws_train.sounds import Sounds
from tests.conftest import Run, assert_fault, tone

RATE = 16_000
KEPT_NAME = "20261125T101112.345Z_3.81s_0.96.wav"


def write(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return path


def as_kept(word_end: float) -> np.ndarray:
    """Two seconds of a loud room: a word that ends at `word_end`, and louder sounds at the start and the end."""
    samples = 0.02 * np.random.default_rng(0).standard_normal(KEPT_SAMPLES)
    for first, last, level in ((0.0, 0.4, 0.5), (word_end - 0.4, word_end, 0.4), (1.6, 2.0, 0.5)):
        at = np.arange(int(first * RATE), int(last * RATE))
        samples[at] += level * np.sin(2 * np.pi * 440 * at / RATE)
    return samples


def test_words_and_noise_join_those_of_the_training_part(corpus: Path, tmp_path: Path) -> None:
    """The words by their names, other words and noise as what is none of the words; hidden ones are left out."""
    write(tmp_path / "words" / "yes" / "mine.wav", tone(500))
    write(tmp_path / "words" / "jarvis" / "mine.wav", tone(600))
    write(tmp_path / "noise" / "kitchen" / "door.wav", tone(700))
    write(tmp_path / "words" / "_later" / "hidden.wav", tone(500))
    write(tmp_path / "words" / "yes" / ".hidden.wav", tone(500))
    material, before = load_material(corpus, "training"), load_material(corpus, "training")
    add_more(material, tmp_path, WORDS)
    assert len(material.words["yes"]) > len(before.words["yes"])
    assert len(material.words["no"]) == len(before.words["no"])
    assert {name: len(found) for name, found in material.others.items() if name not in before.others} == {
        "jarvis": 1,
        "_noise_": 1,
    }
    assert material.names[len(before.names) :] == [
        "words/jarvis/mine.wav",
        "words/yes/mine.wav",
        "noise/kitchen/door.wav",
    ]


@pytest.mark.parametrize(("own", "others", "times"), [(1, 300, MORE_TIMES), (20, 300, 5), (200, 300, 1), (2, 0, 1)])
def test_a_recording_of_a_word_counts_as_several_but_not_beyond_a_quarter_of_all(
    tmp_path: Path, own: int, others: int, times: int
) -> None:
    """A few of one's own are heard among thousands, and many do not drown them."""
    for number in range(own):
        write(tmp_path / "words" / "yes" / f"{number}.wav", tone(500, 0.1 * 8))
    corpus = [np.zeros(1, np.int16)] * others
    material = load_nothing()
    material.words["yes"] = corpus
    add_more(material, tmp_path, WORDS)
    assert len(material.words["yes"]) == others + own * times


def load_nothing() -> Material:
    return Material(words={}, others={})


def test_the_word_in_a_kept_recording_is_found_in_the_second_before_its_event(tmp_path: Path, corpus: Path) -> None:
    """Whatever else is loud in the two seconds: its end decides when it is to be named."""
    write(tmp_path / "words" / "yes" / KEPT_NAME, as_kept(word_end=1.35))
    write(tmp_path / "noise" / KEPT_NAME, as_kept(word_end=1.35))
    material = load_material(corpus, "training")
    add_more(material, tmp_path, WORDS)
    sounds = Sounds(material, WORDS, 0, rooms=0)
    start, end = sounds.bounds(material.words["yes"][-1])
    assert start == pytest.approx((0.95 - 0.5) * RATE, abs=400)
    assert end == pytest.approx((1.35 - 0.5) * RATE, abs=400)
    (noise,) = material.others["_noise_"]
    assert len(noise) == KEPT_SAMPLES - RATE // 2


def test_a_recording_that_was_not_kept_by_the_listener_is_taken_whole(tmp_path: Path) -> None:
    """Another name, or another length."""
    write(tmp_path / "words" / "yes" / "two-seconds.wav", as_kept(1.35))
    write(tmp_path / "words" / "no" / KEPT_NAME, as_kept(1.35)[: RATE + 1])
    material = load_nothing()
    add_more(material, tmp_path, WORDS)
    assert len(material.words["yes"][0]) == KEPT_SAMPLES
    assert len(material.words["no"][0]) == RATE + 1


def test_what_was_found_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A word that is written wrongly is seen; a faulty recording is named."""
    write(tmp_path / "words" / "yes" / "a.wav", tone(500))
    write(tmp_path / "words" / "Yes" / "a.wav", tone(500))
    write(tmp_path / "noise" / "a.wav", tone(500))
    (tmp_path / "noise" / "b.wav").write_text("no sound")
    add_more(load_nothing(), tmp_path, WORDS)
    skipped, found = capsys.readouterr().err.splitlines()
    assert skipped.startswith(f"skipped: {tmp_path}/noise/b.wav: unreadable")
    assert found == f"{tmp_path}: 1 yes, 1 Yes (another word), 1 noise"
    with pytest.raises(AudioError, match=r"b\.wav"):
        add_more(load_nothing(), tmp_path, WORDS, strict=True)


def test_a_folder_that_is_not_yet_sorted_is_an_error(tmp_path: Path) -> None:
    """What lies in heard/ is not known to be right."""
    write(tmp_path / "heard" / "yes" / KEPT_NAME, tone(500))
    with pytest.raises(DataError, match="no recordings; expected"):
        add_more(load_nothing(), tmp_path, WORDS)


def test_a_run_is_trained_with_it_and_resumed_with_it_only(corpus: Path, tmp_path: Path, run_command: Run) -> None:
    """It stands in run.json, and in the digest of the recordings."""
    more, run = tmp_path / "more", tmp_path / "run"
    write(more / "words" / "yes" / KEPT_NAME, as_kept(1.35))
    write(more / "noise" / KEPT_NAME, as_kept(1.35))
    begun = {"architecture": "gru", "size": "s", "recipe": "stream", "labels": "words", "epochs": 1, "chunks": 1}
    begun |= {"seed": 0, "from": None, "qat": None, "more": str(more)}
    run.mkdir()
    RunDir(run).write_json({"arguments": begun})  # as a kill in the first epoch leaves it
    command = ["gru", "--data", corpus, "--size", "s", "--epochs", "1", "--chunks", "1", "--out", run, "--resume"]
    assert_fault(run_command("kws-train", *command), f"was begun with more={more}")
    done = run_command("kws-train", *command, "--more", more)
    assert done.returncode == 0, done.stderr
    assert f"{more}: 1 yes, 1 noise" in done.stderr
    materials = [load_material(corpus, part) for part in ("training", "validation")]
    without = _digest(*materials)
    add_more(materials[0], more, WORDS)
    description = RunDir(run).read_json()
    assert description["arguments"]["more"] == str(more)
    assert description["data_digest"] == _digest(*materials) != without
