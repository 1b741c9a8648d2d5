"""Which microphone is meant, and how it is opened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kws_runtime import AudioError, Listener, Microphone
from kws_runtime.audio import read_wav
from kws_runtime.devices import device_list, find_again, find_device
from kws_runtime.listen import DEMO
from tests.runtime.fake_sound import FakeSound, install


def samples_of(microphone: Microphone, count: int) -> np.ndarray:
    """The first samples that are heard."""
    found: list[np.ndarray] = []
    for chunk in microphone:
        assert isinstance(chunk, np.ndarray)
        found.append(chunk)
        if sum(map(len, found)) >= count:
            break
    return np.concatenate(found)[:count]


@pytest.mark.parametrize(
    ("wanted", "number"), [(None, 0), (1, 1), ("USB Mic", 1), ("usb mic", 1), ("headset", 2), ("USB Mic 2", 3)]
)
def test_a_microphone_is_chosen_by_number_name_or_part_of_a_name(
    monkeypatch: pytest.MonkeyPatch, wanted: str | int | None, number: int
) -> None:
    """A whole name goes before a part of one."""
    install(monkeypatch, FakeSound("default", "USB Mic", "Headset", "USB Mic 2"))
    assert find_device(wanted).number == number


def test_a_name_that_fits_none_or_several_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody guesses."""
    install(monkeypatch, FakeSound("USB Mic 1", "USB Mic 2"))
    with pytest.raises(AudioError, match=r"more than one microphone is 'usb': 0 USB Mic 1, 1 USB Mic 2"):
        find_device("usb")
    with pytest.raises(AudioError, match="there is no microphone 'headset'; `kws-listen --list-devices`"):
        find_device("headset")
    with pytest.raises(AudioError, match="no microphone 7"):
        find_device(7)


@pytest.mark.parametrize(
    ("wanted", "names_then", "number"),
    [
        (1, ("default", "Mic (hw:1,0)"), 1),
        (1, ("Mic (hw:2,0)", "default"), 0),
        (1, ("Mic (hw:1,0)", "Mic (hw:2,0)"), 1),
        ("mic", ("Mic (hw:1,0)", "default", "Other mic (hw:3,0)"), 0),
        ("mic", ("default", "Other mic (hw:3,0)"), 1),
        (None, ("default", "Mic (hw:1,0)"), 0),
    ],
)
def test_a_device_that_is_back_is_found_whatever_its_number_is_now(
    monkeypatch: pytest.MonkeyPatch, wanted: str | int | None, names_then: tuple[str, ...], number: int
) -> None:
    """By its name, without ALSA's numbers in it; of two alike the one that has its number."""
    install(monkeypatch, FakeSound("default", "Mic (hw:1,0)"))
    lost = find_device(wanted)
    install(monkeypatch, FakeSound(*names_then))
    assert find_again(lost, wanted).number == number


def test_a_device_that_is_not_back_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be another's by then."""
    install(monkeypatch, FakeSound("default", "Mic"))
    lost = find_device(1)
    install(monkeypatch, FakeSound("default", "Camera"))
    with pytest.raises(AudioError, match="'Mic' is not there"):
        find_again(lost, 1)


def test_the_list_marks_the_default_and_leaves_out_what_cannot_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are PortAudio's."""
    sound = install(monkeypatch, FakeSound("HDMI", "USB Mic", "Headset"))
    sound.devices[0]["max_input_channels"] = 0
    sound.default.device = (1, 0)
    assert device_list().splitlines() == ["*  1  USB Mic  (2 in, 48000 Hz)", "   2  Headset  (2 in, 48000 Hz)"]


@pytest.mark.parametrize(
    ("takes", "opened"),
    [
        (lambda settings: True, (16_000, 1)),
        (lambda settings: settings["samplerate"] == 48_000, (48_000, 1)),
        (lambda settings: settings["channels"] == 2, (16_000, 2)),
        (lambda settings: (settings["samplerate"], settings["channels"]) == (48_000, 2), (48_000, 2)),
    ],
    ids=["anything", "its rate", "its channels", "its rate and channels"],
)
def test_a_microphone_that_refuses_16_khz_mono_is_opened_as_it_wants(
    monkeypatch: pytest.MonkeyPatch, takes: Any, opened: tuple[int, int]
) -> None:
    """And gives 16 kHz mono all the same: a tone in the left channel at half its height."""
    sound = install(monkeypatch, FakeSound())
    sound.takes = takes
    with Microphone() as microphone:
        assert sound.stream is not None
        rate, channels = sound.stream.settings["samplerate"], sound.stream.settings["channels"]
        assert (rate, channels) == opened
        assert sound.stream.settings["blocksize"] == rate // 50
        frames = np.zeros((rate, channels), np.float32)
        frames[:, 0] = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
        sound.give(frames)
        samples = samples_of(microphone, 12_000)
    expected = 0.5 / channels * np.sin(2 * np.pi * 440 * np.arange(12_000) / 16_000)
    assert np.abs(samples - expected)[800:].max() < 1e-3


def test_one_channel_is_picked_where_several_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two; there is no third."""
    sound = install(monkeypatch, FakeSound(rate=16_000.0))
    with Microphone(channel=2) as microphone:
        sound.give(np.stack([np.zeros(320), np.full(320, 0.25)], 1))
        np.testing.assert_array_equal(samples_of(microphone, 320), np.full(320, 0.25, np.float32))
    with pytest.raises(AudioError, match="no channel 3; it has 2"), Microphone(channel=3):
        pass


def test_a_microphone_that_takes_no_form_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With PortAudio's reason."""
    install(monkeypatch, FakeSound()).takes = lambda settings: False
    with pytest.raises(AudioError, match=r"cannot open microphone 'usb': Invalid sample rate .*--list-devices"):
        Microphone().__enter__()


def test_a_48_khz_stereo_microphone_hears_the_demo_as_the_file_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words within 50 ms."""
    import soxr

    sound = install(monkeypatch, FakeSound())
    sound.takes = lambda settings: (settings["samplerate"], settings["channels"]) == (48_000, 2)
    demo = read_wav(DEMO)[: 15 * 16_000]
    expected = Listener().process(demo)
    frames = np.repeat(soxr.resample(demo, 16_000, 48_000)[:, None], 2, 1)
    listener, events = Listener(), []
    with Microphone() as microphone:
        chunks = iter(microphone)
        for start in range(0, len(frames), 960):
            sound.give(frames[start : start + 960])
            events += listener.process(next(chunks))
    assert [event.label for event in events] == [event.label for event in expected]
    assert len(events) == 3
    assert max(abs(one.time - other.time) for one, other in zip(events, expected, strict=True)) <= 0.05
