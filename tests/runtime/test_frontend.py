"""The front end against TensorFlow's own mel matrix, and against itself in other chunks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_runtime.errors import ModelError
from kws_runtime.frontend import FrontEnd, LogMel, log_mel


def recording(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * 16_000)).astype(np.float32)


def test_log_mel_is_what_an_independent_matrix_of_triangles_gives() -> None:
    """scipy's short-time spectrum times plainly drawn HTK triangles gives the same frames."""
    samples = recording(1.0)
    window = scipy.signal.get_window("hann", 512)  # periodic
    starts = range(0, len(samples) - 512 + 1, 320)
    power = np.array([np.abs(scipy.fft.rfft(samples[at : at + 512].astype(float) * window)) ** 2 for at in starts])

    def mel(hz: float) -> float:
        return 1127.01048 * np.log(1 + hz / 700)

    centres = np.linspace(mel(60), mel(7600), 42)
    triangles = np.zeros((257, 40))
    for bin_number in range(257):
        place = mel(bin_number * 31.25)
        for band in range(40):
            low, centre, high = centres[band : band + 3]
            triangles[bin_number, band] = max(0, min((place - low) / (centre - low), (high - place) / (high - centre)))
    np.testing.assert_allclose(log_mel(samples), np.log(power @ triangles + 1e-3), atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1500), min_size=1, max_size=40), st.integers(0, 5))
def test_any_chunking_gives_the_very_same_frames(sizes: list[int], seed: int) -> None:
    """Not nearly the same: bit for bit."""
    samples = recording(sum(sizes) / 16_000 + 0.0001, seed)
    front_end = FrontEnd()
    ends = np.cumsum(sizes)
    pieces = [front_end.process(piece) for piece in np.split(samples, ends)]
    np.testing.assert_array_equal(np.concatenate(pieces), log_mel(samples))


def test_chunks_of_one_sample_give_the_same_frames() -> None:
    """The smallest chunk there is."""
    samples, front_end = recording(0.1), FrontEnd()
    frames = np.concatenate([front_end.process(samples[at : at + 1]) for at in range(len(samples))])
    np.testing.assert_array_equal(frames, log_mel(samples))


def test_long_recordings_are_worked_in_blocks_without_a_seam() -> None:
    """More frames than are transformed at once."""
    samples = recording(100.0)
    front_end = FrontEnd()
    halves = np.concatenate([front_end.process(half) for half in np.split(samples, [700_001])])
    np.testing.assert_array_equal(log_mel(samples), halves)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (511, 0), (512, 1), (831, 1), (832, 2), (16_000, 49)])
def test_a_frame_needs_its_whole_window(samples: int, frames: int) -> None:
    """Frame i covers samples [320 i, 320 i + 512)."""
    assert log_mel(np.zeros(samples, np.float32)).shape == (frames, 40)


def test_silence_is_the_logarithm_of_the_floor() -> None:
    """The value that a window is filled with at the start."""
    assert log_mel(np.zeros(512, np.float32))[0] == pytest.approx(LogMel().silence)


def test_reset_forgets_what_was_kept() -> None:
    """After a reset a stream begins anew."""
    samples, front_end = recording(0.5), FrontEnd()
    front_end.process(samples[:700])
    front_end.reset()
    np.testing.assert_array_equal(front_end.process(samples), log_mel(samples))


@pytest.mark.parametrize(
    "changes", [{"kind": "mfcc"}, {"hop": 0}, {"window": 1024}, {"low_hz": 9000.0}, {"bands": 400}, {"new": 1}]
)
def test_a_front_end_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    """The values come from a file."""
    with pytest.raises(ModelError):
        FrontEnd(LogMel.from_json({**LogMel().to_json(), **changes}))
