"""The front ends against independent references, and against themselves in other chunks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_runtime.errors import ModelError
from kws_runtime.frontend import FrontEnd, FrontEndConfig, LogMel, Raw, Stft, frames_of, log_mel

ALL_KINDS = [LogMel(), Stft(), Raw()]


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


def test_stft_is_what_tensorflow_gives() -> None:
    """abs(tf.signal.stft(samples, 255, 128)): a second gives the tutorial's 124 x 129. TensorFlow's Hann window of an
    odd length is symmetric, as scipy's with sym=True."""
    samples = recording(1.0)
    window = scipy.signal.get_window("hann", 255, fftbins=False)
    starts = range(0, len(samples) - 255 + 1, 128)
    expected = np.array([np.abs(scipy.fft.rfft(samples[at : at + 255].astype(float) * window, 256)) for at in starts])
    frames = frames_of(samples, Stft())
    assert frames.shape == (124, 129)
    np.testing.assert_allclose(frames, expected, atol=1e-5)


def test_raw_frames_are_the_samples() -> None:
    """Cut every 20 ms, and a copy of their own."""
    samples = recording(0.1)
    frames = frames_of(samples, Raw())
    np.testing.assert_array_equal(frames.ravel(), samples)
    assert not np.shares_memory(frames, samples)


@pytest.mark.parametrize("config", ALL_KINDS, ids=lambda config: config.kind)
def test_any_chunking_gives_the_very_same_frames(config: FrontEndConfig) -> None:
    """Not nearly the same: bit for bit."""

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, 1500), min_size=1, max_size=40), st.integers(0, 5))
    def check(sizes: list[int], seed: int) -> None:
        samples = recording(sum(sizes) / 16_000 + 0.0001, seed)
        front_end = FrontEnd(config)
        pieces = [front_end.process(piece) for piece in np.split(samples, np.cumsum(sizes))]
        frames = np.concatenate(pieces)
        assert frames.shape[1] == config.features
        np.testing.assert_array_equal(frames, frames_of(samples, config))

    check()


@pytest.mark.parametrize("config", ALL_KINDS, ids=lambda config: config.kind)
def test_chunks_of_one_sample_give_the_same_frames(config: FrontEndConfig) -> None:
    """The smallest chunk there is."""
    samples, front_end = recording(0.1), FrontEnd(config)
    frames = np.concatenate([front_end.process(samples[at : at + 1]) for at in range(len(samples))])
    np.testing.assert_array_equal(frames, frames_of(samples, config))


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


@pytest.mark.parametrize("config", ALL_KINDS, ids=lambda config: config.kind)
def test_silence_is_what_digital_silence_gives(config: FrontEndConfig) -> None:
    """The value that a window is filled with at the start; for log-mel the logarithm of the floor."""
    assert frames_of(np.zeros(config.window, np.float32), config)[0] == pytest.approx(config.silence)


def test_reset_forgets_what_was_kept() -> None:
    """After a reset a stream begins anew."""
    samples, front_end = recording(0.5), FrontEnd()
    front_end.process(samples[:700])
    front_end.reset()
    np.testing.assert_array_equal(front_end.process(samples), log_mel(samples))


@pytest.mark.parametrize("config", ALL_KINDS, ids=lambda config: config.kind)
def test_a_front_end_is_read_back_from_what_it_wrote(config: FrontEndConfig) -> None:
    """Of its own kind."""
    assert FrontEndConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (LogMel(), {"kind": "mfcc"}),
        (LogMel(), {"kind": ["log-mel"]}),
        (LogMel(), {"hop": 0}),
        (LogMel(), {"hop": 513}),
        (LogMel(), {"window": 1024}),
        (LogMel(), {"low_hz": 9000.0}),
        (LogMel(), {"floor": float("nan")}),
        (LogMel(), {"bands": 400}),
        (LogMel(), {"new": 1}),
        (Stft(), {"window": 257}),
        (Stft(), {"fft": 0}),
        (Raw(), {"window": 400}),
        (Raw(), {"hop": "320"}),
    ],
    ids=str,
)
def test_a_front_end_that_cannot_be_is_refused(config: FrontEndConfig, changes: dict[str, object]) -> None:
    """The values come from a file."""
    with pytest.raises(ModelError):
        FrontEnd(FrontEndConfig.from_json({**config.to_json(), **changes}))
