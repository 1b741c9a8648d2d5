"""Samples in, events out: the same whatever the chunks, the interpreter and the stream before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kws_runtime import Event, Listener, ModelError, read_model
from kws_runtime.audio import read_wav
from kws_runtime.interpreter import INTERPRETERS
from kws_runtime.listen import DEMO
from kws_runtime.quantization import Quantization, dequantize, quantize
from kws_runtime.scoring import read_truth, score_scene

MODELS = ("gru-int8", "gru-fp32", "ds-cnn-int8")
SECONDS = 16  # three of the words are said by then


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return read_wav(DEMO)


def events(listener: Listener, samples: np.ndarray, sizes: list[int]) -> list[Event]:
    """Events of samples fed in pieces of the sizes, over and over."""
    found, at, turn = [], 0, 0
    while at < len(samples):
        size = sizes[turn % len(sizes)]
        found += listener.process(samples[at : at + size])
        at, turn = at + size, turn + 1
    return found


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sizes", [[320], [1000, 7, 333], [50_000], [1600, 0, 31]], ids=str)
def test_the_size_of_the_chunks_never_changes_an_event(model: str, sizes: list[int], samples: np.ndarray) -> None:
    """Times, labels and scores, exactly."""
    expected = Listener(model).process(samples[: SECONDS * 16_000])
    assert len(expected) >= 2
    assert events(Listener(model), samples[: SECONDS * 16_000], sizes) == expected


def test_chunks_of_one_sample_give_the_same_events(samples: np.ndarray) -> None:
    """The smallest chunk there is."""
    part = samples[: 5 * 16_000]
    expected = Listener().process(part)
    assert len(expected) >= 1
    assert events(Listener(), part, [1]) == expected


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("model", MODELS)
def test_both_interpreters_hear_the_demo(model: str, interpreter: str, samples: np.ndarray) -> None:
    """At least seven of the eight words, and nothing that was not said."""
    listener = Listener(model, interpreter=interpreter)
    assert listener.interpreter == interpreter
    score = score_scene(listener.process(samples), read_truth(DEMO.with_suffix(".json")))
    assert score.words == 8
    assert score.hits >= 7
    assert score.false_accepts == 0


def test_interpreters_agree_to_a_rounding_in_float(samples: np.ndarray) -> None:
    """The state carried through the whole scene."""
    posteriors = [Listener("gru-fp32", interpreter=name).posteriors(samples) for name in INTERPRETERS]
    np.testing.assert_allclose(*posteriors, atol=1e-4)


def test_reset_makes_a_listener_new(samples: np.ndarray) -> None:
    """Time, state, posteriors and events: the second hearing is the first."""
    listener = Listener()
    first = listener.process(samples)
    listener.reset()
    assert listener.process(samples) == first


@pytest.mark.parametrize("model", MODELS)
def test_a_model_hears_nothing_in_silence(model: str) -> None:
    """Digital silence, a minute of it."""
    assert Listener(model).process(np.zeros(60 * 16_000, np.float32)) == []


def test_time_is_that_of_the_last_sample_used() -> None:
    """Step j uses samples up to 640 j + 832."""
    info = read_model().info
    assert [round(info.step_end(step) * 16_000) for step in (0, 1, 100)] == [832, 1472, 64_832]


def test_an_event_comes_with_the_sample_that_completes_its_step(samples: np.ndarray) -> None:
    """Not a sample later: what is heard in samples [0, t) is told at t."""
    event = Listener().process(samples)[0]
    last = round(event.time * 16_000)
    assert Listener().process(samples[: last - 1]) == []
    assert Listener().process(samples[:last]) == [event]


def test_thresholds_that_do_not_fit_the_words_are_refused() -> None:
    """A detection of another model."""
    from kws_runtime import Detection

    with pytest.raises(ModelError, match="no threshold"):
        Listener(detection=Detection({"alexa": 0.5}))


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_quantizing_rounds_and_clips(dtype: type) -> None:
    """Half away is not truncated, beyond the range is not wrapped."""
    to = Quantization(np.dtype(dtype), 0.5, 3)
    limits = np.iinfo(dtype)
    numbers = quantize(np.array([0.0, 0.26, -0.26, 1e9, -1e9], np.float32), to)
    assert numbers.tolist() == [3, 4, 2, limits.max, limits.min]
    np.testing.assert_allclose(dequantize(numbers[:3], to), [0.0, 0.5, -0.5])


def test_a_float_tensor_passes_through() -> None:
    """Scale 0 means not quantized."""
    values = np.array([0.1, -7.0], np.float32)
    to = Quantization(np.dtype(np.float32))
    np.testing.assert_array_equal(dequantize(quantize(values, to), to), values)


def test_importing_the_runtime_loads_no_sound_library_and_no_tensorflow(tmp_path: Path) -> None:
    """The device side stays light."""
    import subprocess
    import sys

    heavy = ("tensorflow", "sounddevice", "scipy", "matplotlib", "onnx", "soundfile", "kws_train", "kws_export")
    program = f"import sys, kws_runtime; kws_runtime.Listener(); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
