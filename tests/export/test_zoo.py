"""Every streaming architecture: the sequence, the step and the converted files say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kws_runtime import Listener, read_model
from kws_runtime.interpreter import INTERPRETERS
from kws_runtime.step import Step
from tests.export.keras_side import apart
from tests.export.zoo_side import TINY, make_all

Zoo = tuple[Path, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """The folder with the files, and what Keras said of each."""
    folder = tmp_path_factory.mktemp("zoo")
    return folder, apart(make_all, folder)


def run(path: Path, interpreter: str, frames: np.ndarray) -> np.ndarray:
    """Logits (steps, labels), the states carried."""
    file = read_model(path)
    step, size = Step(file, interpreter), file.info.frames_per_step
    return np.array([step.process(frames[at : at + size]) for at in range(0, len(frames), size)])


@pytest.mark.parametrize("architecture", TINY)
def test_the_sequence_is_the_step_carried(zoo: Zoo, architecture: str) -> None:
    """Logits and all last states, from random states and with normalizations that are not those of the start."""
    assert max(zoo[1][architecture]["differences"]) < 1e-4


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("architecture", TINY)
def test_the_float_file_is_keras_within_1e_4(zoo: Zoo, architecture: str, interpreter: str) -> None:
    """On a carried stream, and the stream moves the logits."""
    folder, keras = zoo
    expected = keras[architecture]["logits"]
    assert expected.std(0).max() > 0.01
    logits = run(folder / f"{architecture}-fp32.tflite", interpreter, keras[architecture]["frames"])
    np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("architecture", TINY)
def test_the_int8_file_holds_integers_and_follows_keras(zoo: Zoo, architecture: str, interpreter: str) -> None:
    """Builtin ops without a loop; its logits go with those of the float model."""
    folder, keras = zoo
    path = folder / f"{architecture}-int8.tflite"
    contents = read_model(path).info.quantization
    assert set(contents["tensors"]) <= {"int8", "int32"}
    assert not {"CUSTOM", "WHILE"} & set(contents["ops"])
    expected = keras[architecture]["logits"]
    logits = run(path, interpreter, keras[architecture]["frames"])
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("architecture", TINY)
def test_a_listener_hears_through_the_front_end_of_the_file(zoo: Zoo, architecture: str) -> None:
    """A second of noise gives the steps that the front end's frames complete; a sigmoid's posteriors need no sum."""
    listener = Listener(zoo[0] / f"{architecture}-fp32.tflite")
    frontend, size = listener.info.frontend, listener.info.frames_per_step
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    posteriors = listener.posteriors(noise)
    assert len(posteriors) == ((16_000 - frontend.window) // frontend.hop + 1) // size
    sums_to_one = np.allclose(posteriors.sum(1), 1, atol=1e-5)
    assert sums_to_one == (architecture != "trigger-gru")
    assert ((posteriors > 0) & (posteriors < 1)).all()
