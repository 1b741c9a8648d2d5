"""The front end as a graph against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from kws_runtime.audio import read_wav
from kws_runtime.frontend import FrontEnd, LogMel, Samples, Stft, frames_of
from kws_runtime.interpreter import installed_interpreters
from kws_runtime.listen import DEMO
from kws_runtime.melgraph import graph_transform
from kws_runtime.quantization import Quantization, quantize

FLOAT = Quantization(np.dtype(np.float32))
INT8 = Quantization(np.dtype(np.int8), 0.06, -7)
NEAR = 5e-5  # of a natural logarithm; numpy 2 transforms float32 in float32
rng = np.random.default_rng(0)
SOUNDS = {
    "speech": read_wav(DEMO)[: 16_000 * 20],
    "silence": np.zeros(16_000, np.float32),
    "quiet noise": (1e-4 * rng.standard_normal(16_000)).astype(np.float32),
    "full scale": rng.choice(np.array([-1, 1], np.float32), 16_000),
    "a tone": np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32),
}


def graph_frames(samples: Samples, interpreter: str, quantization: Quantization, chunk: int = 320) -> np.ndarray:
    transform = graph_transform(LogMel(), 2, interpreter, quantization)
    assert transform is not None
    front_end = FrontEnd(LogMel(), transform, 2)
    pieces = [samples[at : at + chunk] for at in range(0, len(samples), chunk)]
    return np.concatenate([frames for piece in pieces if len(frames := front_end.process(piece))])


@pytest.mark.parametrize("interpreter", installed_interpreters())
@pytest.mark.parametrize("sound", SOUNDS)
def test_it_gives_the_frames_that_numpy_gives(interpreter: str, sound: str) -> None:
    """Within a rounding, whatever is heard."""
    made, expected = graph_frames(SOUNDS[sound], interpreter, FLOAT), frames_of(SOUNDS[sound])
    assert len(made) == len(expected) // 2 * 2
    np.testing.assert_allclose(made, expected[: len(made)], rtol=0, atol=NEAR)


@pytest.mark.parametrize("interpreter", installed_interpreters())
def test_numbers_of_int8_are_the_frames_rounded_and_clipped(interpreter: str) -> None:
    """As the project's one quantize does it, but for values that lie between two numbers."""
    for sound in ("speech", "full scale"):
        frames = graph_frames(SOUNDS[sound], interpreter, FLOAT)
        numbers, expected = graph_frames(SOUNDS[sound], interpreter, INT8), quantize(frames, INT8)
        assert numbers.dtype == np.int8
        tie = np.abs(frames / INT8.scale % 1 - 0.5) < 1e-3
        np.testing.assert_array_equal(numbers[~tie], expected[~tie])
    assert expected.max() == 127


@pytest.mark.parametrize("chunk", [1, 640, 16_000])
def test_the_chunks_do_not_matter(chunk: int) -> None:
    """Bit for bit."""
    interpreter, samples = installed_interpreters()[0], SOUNDS["speech"][:8_000]
    expected = graph_frames(samples, interpreter, FLOAT)
    np.testing.assert_array_equal(graph_frames(samples, interpreter, FLOAT, chunk), expected)


def test_another_front_end_is_left_to_numpy() -> None:
    """Other bands, another kind, or fewer frames than the graph takes at once."""
    interpreter = installed_interpreters()[0]
    assert graph_transform(LogMel(bands=32), 2, interpreter, FLOAT) is None
    assert graph_transform(Stft(), 2, interpreter, FLOAT) is None
    assert graph_transform(LogMel(), 1, interpreter, FLOAT) is None
