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


def run(path: Path, interpreter: str, frames: np.ndarray, states: dict[str, np.ndarray] | None = None) -> np.ndarray:
    """Logits (steps, labels), the states carried; from given states, in place of new ones."""
    file = read_model(path)
    step, size = Step(file, interpreter), file.info.frames_per_step
    if states:
        step.set_states(states)
    return np.array([step.process(frames[at : at + size]) for at in range(0, len(frames), size)])


def states_of(found: dict[str, Any]) -> dict[str, np.ndarray]:
    """Keras' states as the file has them: one that lies before the normalization there is not normalized."""
    return {
        name: state / found["scale"] + found["zeros"][name] if name in found["zeros"] else state
        for name, state in found["states"].items()
    }


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
    assert set(contents["tensors"]) <= {"int8", "int16", "int32", "int64"}
    assert not {"CUSTOM", "WHILE"} & set(contents["ops"])
    expected = keras[architecture]["logits"]
    logits = run(path, interpreter, keras[architecture]["frames"])
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("name", [*INTERPRETERS, "onnxruntime"])
@pytest.mark.parametrize("architecture", TINY)
def test_all_agree_with_keras_from_random_states(zoo: Zoo, architecture: str, name: str) -> None:
    """Not only from zero: the float file within 1e-4; the int8 file goes with it, whatever state it begins with."""
    folder, keras = zoo
    found, kind = keras[architecture], "onnx" if name == "onnxruntime" else "tflite"
    expected, states = found["logits_from_states"], states_of(found)
    logits = run(folder / f"{architecture}-fp32.{kind}", name, found["frames"], states)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    logits = run(folder / f"{architecture}-int8.{kind}", name, found["frames"], states)
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
