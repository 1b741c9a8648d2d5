"""What goes wrong with a microphone in the months that a listener runs, on a device that does it on demand."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from kws_runtime import Listener, Microphone, microphone
from kws_runtime.audio import Chunk, Gap, read_wav
from kws_runtime.listen import DEMO
from kws_runtime.notice import Notice
from tests.runtime.fake_sound import FakeSound, install
from tests.runtime.listening import memory_bytes, until

LOSSES = 100
OVERFLOWS = 10_000
HOP = np.full(320, 0.1, np.float32)


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> FakeSound:
    """A 16 kHz microphone; waiting for its return is quick."""
    monkeypatch.setattr(microphone, "FIRST_WAIT_SECONDS", 0.001)
    return install(monkeypatch, FakeSound(rate=16_000.0))


def chunks_that_hold_something(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Without the empty ones that only give control."""
    return (chunk for chunk in chunks if isinstance(chunk, Gap) or len(chunk))


def test_a_hundred_losses_and_returns_are_survived(sound: FakeSound) -> None:
    """Each is told, each leaves one gap, and the audio after it is whole."""
    notices: list[Notice] = []

    def lose_it_again_and_again() -> None:
        for turn in range(LOSSES):
            until(lambda turn=turn: sound.stream is not None and sound.opened == turn + 1)  # type: ignore[misc]
            sound.give(HOP)
            sound.end()
        until(lambda: sound.stream is not None and sound.opened == LOSSES + 1)
        sound.give(HOP)

    driver = threading.Thread(target=lose_it_again_and_again)
    gaps, hops = [], 0
    with Microphone(notify=notices.append) as device:
        driver.start()
        for chunk in chunks_that_hold_something(iter(device)):
            if isinstance(chunk, Gap):
                gaps.append(chunk)
                if len(gaps) == LOSSES // 2:
                    before = memory_bytes()
            else:
                np.testing.assert_allclose(chunk, HOP, atol=1e-4)
                hops += 1
            if hops == LOSSES + 1:
                break
    driver.join()
    assert memory_bytes() - before < 1 << 20
    assert [gap.reason for gap in gaps] == ["lost"] * LOSSES
    assert [notice.kind for notice in notices] == ["lost", "back"] * LOSSES
    assert sound.refreshed >= LOSSES


def test_a_device_that_stays_away_is_tried_ever_more_rarely_and_found_by_its_name(
    sound: FakeSound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given by number 0, it comes back as number 1; control is given all the while."""
    waits: list[float] = []

    def idle(seconds: float) -> Iterator[Chunk]:
        waits.append(seconds)
        if len(waits) == 14:
            sound.devices = [{**sound_device, "name": "other"}, sound_device]
        yield np.zeros(0, np.float32)

    monkeypatch.setattr(microphone, "_idle", idle)
    sound_device = sound.devices[0]
    with Microphone(0) as device:
        sound.end()
        sound.devices = []
        chunks = iter(device)
        while sound.opened < 2:
            assert len(next(chunks)) == 0  # type: ignore[arg-type]
        sound.give(HOP)
        assert isinstance(next(chunks_that_hold_something(chunks)), Gap)
        assert device.device.number == 1
    assert waits[:3] == [0.001, 0.002, 0.004]
    assert waits[-1] == microphone.LONGEST_WAIT_SECONDS


def test_a_device_that_falls_silent_without_a_word_is_opened_again(sound: FakeSound) -> None:
    """PortAudio does not always say that a device is gone."""
    notices: list[Notice] = []
    with Microphone(notify=notices.append) as device:
        sound.give(HOP)
        for chunk in device:
            if sound.opened == 2 and sound.stream and not notices[1:]:
                sound.give(HOP)
            if isinstance(chunk, Gap):
                break
    assert [notice.kind for notice in notices] == ["lost", "back"]
    assert chunk == Gap(pytest.approx(microphone.SILENT_SECONDS, abs=0.7), "lost")  # type: ignore[arg-type]


def test_ten_thousand_overflows_are_counted_told_now_and_then_and_cost_no_memory(sound: FakeSound) -> None:
    """The listener is reset at each, and goes on."""
    notices: list[Notice] = []
    listener = Listener()
    gaps = 0
    with Microphone(notify=notices.append) as device:
        chunks = chunks_that_hold_something(iter(device))
        for turn in range(OVERFLOWS):
            sound.give(HOP, overflowed=True)
            while isinstance(chunk := next(chunks), Gap):
                gaps += 1
                listener.process(chunk)
            listener.process(chunk)
            if turn == OVERFLOWS // 2:
                before = memory_bytes()
    assert gaps == device.overflows == OVERFLOWS
    assert 1 <= len(notices) <= 10
    assert notices[-1].kind == "overflow"
    assert memory_bytes() - before < 1 << 20


def test_a_reader_that_stalls_finds_the_newest_audio_and_a_gap_as_long_as_what_was_dropped(sound: FakeSound) -> None:
    """A minute is given, ten seconds are kept."""
    with Microphone() as device:
        for second in range(60):
            for _ in range(50):
                sound.give(np.full(320, second / 100, np.float32))
        gap, *heard = itertools.islice(chunks_that_hold_something(iter(device)), 501)
    assert gap == Gap(pytest.approx(50.0), "stalled")  # type: ignore[arg-type]
    np.testing.assert_allclose([chunk[0] for chunk in heard], np.repeat(np.arange(50, 60) / 100, 50), atol=1e-4)  # type: ignore[index]


def test_sleep_of_the_machine_is_a_gap(sound: FakeSound, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its length is that of the sleep, by the clock that goes on meanwhile."""
    notices: list[Notice] = []
    with Microphone(notify=notices.append) as device:
        chunks = chunks_that_hold_something(iter(device))
        sound.give(HOP)
        assert len(next(chunks)) == 320  # type: ignore[arg-type]
        later = microphone._seconds_slept() + 3600
        monkeypatch.setattr(microphone, "_seconds_slept", lambda: later)
        sound.give(HOP)
        sound.give(HOP)
        assert next(chunks) == Gap(pytest.approx(3600.0), "suspended")  # type: ignore[arg-type]
        assert [len(next(chunks)) for _ in range(2)] == [320, 320]  # type: ignore[arg-type]
    assert [notice.to_json()["event"] for notice in notices] == ["suspended"]


def test_a_clock_that_is_set_changes_nothing(sound: FakeSound, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks the wall clock."""
    monkeypatch.setattr(time, "time", lambda: 0.0)
    with Microphone() as device:
        chunks = chunks_that_hold_something(iter(device))
        for _ in range(3):
            sound.give(HOP)
            assert len(next(chunks)) == 320  # type: ignore[arg-type]


def test_the_state_is_reset_by_a_gap_and_only_then() -> None:
    """After a gap the demo is heard as in a new stream, its times later by what went before and by the gap."""
    demo = read_wav(DEMO)[: 10 * 16_000]
    expected = Listener().process(demo)
    listener = Listener()
    listener.process(demo[: 7 * 16_000])
    assert listener.process(Gap(2.5, "lost")) == []
    assert listener.seconds == 9.5
    events = listener.process(demo)
    assert [(event.label, event.score) for event in events] == [(event.label, event.score) for event in expected]
    np.testing.assert_allclose([event.time - 9.5 for event in events], [event.time for event in expected])
    empty = Listener()
    for start in range(0, len(demo), 320):
        events = empty.process(demo[start : start + 320]) + empty.process(np.zeros(0, np.float32))
        assert events == [event for event in expected if event in events]
