"""Audio of any rate, any number of channels and any kind of sample is the same sound."""

from __future__ import annotations

import io
import struct
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from kws_runtime import AudioError, Event, Listener, MissingError
from kws_runtime.audio import Converter, read_wav, stream_raw, stream_wav
from kws_runtime.listen import DEMO
from kws_runtime.wavfile import PcmFormat
from tests.conftest import Run

SECONDS = 20  # four words
SAME_S = 0.050


@pytest.fixture(scope="module")
def demo() -> np.ndarray:
    return read_wav(DEMO)[: SECONDS * 16_000]


def events(samples: np.ndarray) -> list[Event]:
    return Listener().process(samples)


def assert_same(found: list[Event], expected: list[Event]) -> None:
    """The same words, times within 50 ms."""
    assert len(expected) >= 4
    assert [event.label for event in found] == [event.label for event in expected]
    assert max(abs(one.time - other.time) for one, other in zip(found, expected, strict=True)) <= SAME_S


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize(("channels", "kind"), [(1, "PCM_16"), (2, "FLOAT")])
def test_a_recording_of_any_rate_gives_the_events_of_16_khz(
    demo: np.ndarray, tmp_path: Path, rate: int, channels: int, kind: str
) -> None:
    """At 8 kHz those of the same sound, which has nothing above 4 kHz."""
    there = soxr.resample(demo, 16_000, rate, "VHQ")
    soundfile.write(tmp_path / "a.wav", np.repeat(there[:, None], channels, 1), rate, subtype=kind)
    same_sound = demo if rate > 16_000 else soxr.resample(there, rate, 16_000, "VHQ")
    with (tmp_path / "a.wav").open("rb") as file:
        listener, found = Listener(), []
        for piece in stream_wav(file, "a.wav", 317):
            found += listener.process(piece)
    assert_same(found, events(same_sound))


@pytest.mark.parametrize("kind", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_samples_of_any_kind_are_read_as_another_library_reads_them(
    demo: np.ndarray, tmp_path: Path, kind: str, form: str
) -> None:
    """soundfile's values, two channels mixed."""
    frames = np.stack([demo[:50_000], demo[50_000:100_000]], 1)
    soundfile.write(tmp_path / "a.wav", frames, 16_000, subtype=kind, format=form)
    expected, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    np.testing.assert_allclose(read_wav(tmp_path / "a.wav"), expected.mean(1), atol=1e-6)


def test_one_channel_can_be_picked(demo: np.ndarray, tmp_path: Path, run_command: Run) -> None:
    """The words are in the second; there is no third."""
    soundfile.write(tmp_path / "a.wav", np.stack([np.zeros_like(demo), demo], 1), 16_000)
    heard = run_command("kws-listen", "--wav", tmp_path / "a.wav", "--channel", "2", "--quiet").stdout
    assert [line.split()[2] for line in heard.splitlines()] == ["yes", "left", "go", "stop"]
    assert run_command("kws-listen", "--wav", tmp_path / "a.wav", "--channel", "1", "--quiet").stdout == ""
    done = run_command("kws-listen", "--wav", tmp_path / "a.wav", "--channel", "3")
    assert (done.returncode, done.stderr) == (1, f"error: {tmp_path / 'a.wav'}: there is no channel 3 of 2\n")


def test_a_wav_of_16_khz_mono_is_read_bit_for_bit(tmp_path: Path) -> None:
    """What was measured before stays what it was."""
    with wave.open(str(DEMO)) as reader:
        pcm = reader.readframes(reader.getnframes())
    np.testing.assert_array_equal(read_wav(DEMO), np.frombuffer(pcm, "<i2").astype(np.float32) / 32768)


@pytest.mark.parametrize(
    ("kind", "bits", "block", "says"),
    [
        (6, 8, 1, "compressed or of an unknown kind (format 6, 8 bit)"),
        (1, 12, 2, "compressed or of an unknown kind (format 1, 12 bit)"),
        (1, 16, 4, "frames of 4 bytes where 2 belong"),
    ],
)
def test_a_wav_of_a_kind_that_is_not_read_says_so(kind: int, bits: int, block: int, says: str) -> None:
    """Never noise."""
    form = struct.pack("<HHIIHH", kind, 1, 16_000, 16_000 * block, block, bits)
    content = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + form + b"data\x04\0\0\0" + bytes(4)
    with pytest.raises(AudioError) as caught:
        stream_wav(io.BytesIO(content), "a.wav")
    assert says in str(caught.value)
    assert str(caught.value).startswith("a.wav: ")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (PcmFormat(100), "100 Hz; 4000 to 384000 Hz"),
        (PcmFormat(16_000, 0), "0 channels"),
        (PcmFormat(16_000, 1, "s12"), "'s12' are not known"),
    ],
)
def test_a_form_that_cannot_be_is_an_audio_error(form: PcmFormat, says: str) -> None:
    """With the bounds."""
    with pytest.raises(AudioError, match=says):
        Converter(form)


def test_without_soxr_other_rates_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on 32-bit ARM; 16 kHz needs none."""
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(MissingError, match="audio of 48000 Hz needs soxr; install it with: pip install soxr"):
        Converter(PcmFormat(48_000))
    assert len(Converter(PcmFormat(16_000, 2)).process(bytes(400))) == 100


def test_a_resampled_stream_is_not_shifted() -> None:
    """An impulse at a second is one at a second."""
    pcm = np.zeros(96_000, "<i2")
    pcm[48_000] = 30_000
    converter = Converter(PcmFormat(48_000))
    samples = np.concatenate([converter.process(pcm.tobytes()), converter.finish()])
    assert len(samples) == 32_000
    assert int(np.abs(samples).argmax()) == 16_000


def test_raw_pcm_that_ends_within_a_sample_is_read_up_to_it() -> None:
    """Pieces of any size."""
    assert np.concatenate(list(stream_raw(io.BytesIO(bytes(1001)), 7))).shape == (500,)


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.zeros(10, np.int16), "expected samples"),
        (np.zeros((10, 1), np.float32), "expected samples"),
        (np.array([0.0, np.nan], np.float32), "an RMS of nan; they must lie in"),
        (np.array([1e30, 0.0], np.float32), "an RMS of inf; they must lie in"),
        (np.array([20_000.0], np.float32), "an RMS of 20000; they must lie in"),
    ],
    ids=["integers", "two dimensions", "no number", "huge", "integers as floats"],
)
def test_what_is_no_audio_is_refused_and_changes_nothing(samples: np.ndarray, says: str, demo: np.ndarray) -> None:
    """A NaN would stay in the state for ever."""
    listener = Listener()
    with pytest.raises(AudioError, match=says):
        listener.process(samples)
    assert listener.process(demo) == events(demo)
