"""Scoring over all labels: a model with `_unknown_` and `_silence_`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_runtime import read_model
from kws_runtime.audio import read_wav
from kws_runtime.canonical import answer
from kws_runtime.listen import DEMO
from kws_runtime.modelfile import write_model
from kws_runtime.scoring import read_truth
from tests.conftest import Run, assert_fault

LABELS = ("_unknown_", "_silence_", "yes", "no")


@pytest.mark.parametrize(
    ("highest", "label"),
    [
        ([0.9, 0.9, 0.6, 0.3], "yes"),  # a word that reaches one half wins
        ([0.9, 0.9, 0.5, 0.7], "no"),  # the highest of two
        ([0.85, 0.9, 0.4, 0.4], "_unknown_"),  # something was said
        ([0.7, 0.2, 0.49, 0.0], "_silence_"),  # nothing that can be told from noise
    ],
)
def test_the_answer_is_a_word_then_unknown_then_silence(highest: list[float], label: str) -> None:
    """The first that reaches its threshold, in this order, at any step."""
    assert answer(np.array([np.zeros(4), highest, np.zeros(4)], np.float32), LABELS) == label


@pytest.fixture(scope="module")
def set_of_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model with other names for its first two labels, and a list of six words and a silence."""
    folder = tmp_path_factory.mktemp("canonical")
    bundled = read_model()
    labels = ("_silence_", "_unknown_", *bundled.info.labels[2:])
    info = dataclasses.replace(bundled.info, labels=labels)
    write_model(folder / "model.tflite", info, bundled.flatbuffer)
    samples, names = read_wav(DEMO), []
    for word in read_truth(DEMO.with_suffix(".json")).words:
        if word.label in labels:
            names.append(f"words/{word.label}/0000000b_nohash_0.wav")
            clip = samples[int(word.start * 16_000) - 2000 : int(word.end * 16_000) + 2000]
            (folder / names[-1]).parent.mkdir(parents=True)
            soundfile.write(folder / names[-1], clip, 16_000)
    names.append("canonical/_silence_/1.wav")
    (folder / names[-1]).parent.mkdir(parents=True)
    soundfile.write(folder / names[-1], np.zeros(16_000), 16_000)
    (folder / "list.txt").write_text("\n".join(names) + "\n")
    return folder


def test_a_list_is_scored_over_all_labels_reset_and_carried(set_of_labels: Path, run_command: Run) -> None:
    """Each with its interval; the clips of words that the model knows are scored as ever beside it."""
    folder = set_of_labels
    options = ["--data", folder, "--canonical", folder / "list.txt", "--part", "testing", "--json"]
    from kws_runtime.corpus import part_of

    options[options.index("testing")] = part_of("0000000b_nohash_0.wav")
    done = run_command("kws-eval", folder / "model.tflite", *options)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    count = len((folder / "list.txt").read_text().split())
    assert count == 8
    for state in ("reset", "carried"):
        figure = figures["canonical"][f"accuracy_canonical_{state}"]
        assert figure["clips"] == count
        assert figure["share"] >= 0.75
        assert figure["interval"][0] <= figure["share"] <= figure["interval"][1]
    assert figures["clips"]["accuracy_words_reset"]["clips"] == count - 1


def test_a_model_without_such_labels_says_so(set_of_labels: Path, run_command: Run) -> None:
    """One line that names them."""
    options = ["--data", set_of_labels, "--canonical", set_of_labels / "list.txt", "--part", "validation"]
    assert_fault(
        run_command("kws-eval", "gru-int8", *options), "_silence_, _unknown_, which the model has no label for"
    )
