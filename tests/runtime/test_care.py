"""The gain control: quiet speech is raised, everything else is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_runtime.audio import Gap, read_wav
from kws_runtime.care import BLOCK_SAMPLES, MOST_GAIN, TARGET, GainControl
from kws_runtime.frontend import Samples
from kws_runtime.listen import DEMO
from tests.conftest import Run


def controlled(control: GainControl, samples: Samples, chunk: int = 16_000) -> Samples:
    pieces = [control.process(samples[at : at + chunk]) for at in range(0, len(samples), chunk)]
    assert not any(isinstance(piece, Gap) for piece in pieces)
    return np.concatenate(pieces)


def quiet_room(seconds: float) -> Samples:
    noise = np.random.default_rng(1).standard_normal(int(seconds * 16_000))
    return (10 ** (-70 / 20) * noise).astype(np.float32)


def speech(gain_db: float) -> Samples:
    return np.tile(read_wav(DEMO), 3) * np.float32(10 ** (gain_db / 20))


def loud_blocks(samples: Samples) -> float:
    """RMS that a twentieth of the blocks exceeds."""
    blocks = samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    return float(np.quantile(np.sqrt(np.square(blocks).mean(1)), 0.95))


@pytest.mark.parametrize("chunk", [1, 7, 319, 320, 321, 5000])
def test_the_size_of_the_chunks_never_changes_a_sample(chunk: int) -> None:
    """And none is held back."""
    samples = np.concatenate([quiet_room(0.3), speech(-30)[: 3 * 16_000]])[: 20_000 if chunk == 1 else None]
    expected = controlled(GainControl(), samples)
    assert len(expected) == len(samples)
    assert np.array_equal(controlled(GainControl(), samples, chunk), expected)


def test_speech_as_loud_as_in_training_stays_as_it_is() -> None:
    """To the bit, as soon as one loud word was heard."""
    samples, first_word = speech(0), 5 * 16_000
    assert np.array_equal(controlled(GainControl(), samples)[first_word:], samples[first_word:])


def test_quiet_speech_is_raised_to_the_level_of_training() -> None:
    """Some 30 dB too quiet; once the control knows it."""
    samples = speech(-40)
    raised = controlled(GainControl(), samples)
    half = len(samples) // 2
    assert loud_blocks(samples[half:]) < TARGET / 10
    assert TARGET / 3 < loud_blocks(raised[half:]) < 3 * TARGET


@pytest.mark.parametrize("offset", [-0.01, 0.01, 0.1])
def test_an_offset_is_no_loudness(offset: float) -> None:
    """Quiet speech on top of DC is raised, and there is room for it."""
    raised = controlled(GainControl(), speech(-40) + np.float32(offset))
    half = raised[len(raised) // 2 :]
    assert loud_blocks(half - half.mean()) > 4 * loud_blocks(speech(-40))
    assert float(np.abs(half).max()) < 0.9


def test_a_silent_room_changes_nothing() -> None:
    """However long: the first word after it comes as loud as it was."""
    samples = quiet_room(120)
    assert np.array_equal(controlled(GainControl(), samples), samples)


def test_the_gain_has_a_bound_and_no_sample_leaves_the_range() -> None:
    """Even where what follows the quietest speech is a shout."""
    control = GainControl()
    quiet = np.tile(speech(-80), 3)
    raised = controlled(control, quiet)
    assert float(np.abs(raised).max()) <= MOST_GAIN * float(np.abs(quiet).max()) * 1.001
    shout = np.sign(np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
    assert float(np.abs(controlled(control, shout)).max()) <= 1.0
    assert np.array_equal(controlled(control, shout), shout)


def test_a_gap_is_handed_on_and_reset_forgets_the_gain() -> None:
    """The speaker is where they were; a new stream begins without gain."""
    control = GainControl()
    controlled(control, speech(-40))
    gap = Gap(1.0, "overflow")
    assert control.process(gap) is gap
    probe = np.full(BLOCK_SAMPLES, 0.001, np.float32)
    assert float(controlled(control, probe).max()) > 0.002
    control.reset()
    assert np.array_equal(controlled(control, probe), probe)


def test_the_listener_hears_more_of_quiet_words_when_asked_to(tmp_path: Path, run_command: Run) -> None:
    """The demo, 40 dB more quietly; at its own level it hears the same."""
    faint = tmp_path / "faint.wav"
    soundfile.write(faint, read_wav(DEMO) * np.float32(10 ** (-40 / 20)), 16_000, subtype="FLOAT")

    def heard(wav: Path, *flags: str) -> list[str]:
        lines = run_command("kws-listen", "--quiet", "--wav", wav, *flags).stdout.splitlines()
        return [line.split()[2] for line in lines]

    assert len(heard(faint)) < len(heard(faint, "--auto-gain"))
    assert heard(DEMO, "--auto-gain") == heard(DEMO)
