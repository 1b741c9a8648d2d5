"""The Wyoming service among bad clients: limits and garbage; and at bad addresses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time

import pytest

from tests.runtime.wyoming_service import (
    MAX_DATA_BYTES,
    MAX_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    SAMPLES,
    STOP,
    AddressError,
    Describe,
    Serving,
    Talk,
    audio,
    detections,
    expected_of,
    run,
    s16,
    serving,
    types,
)

CLIENT = "kws_runtime.wyoming_client"
SERVER = "kws_runtime.wyoming_server"
BEGINNING = SAMPLES[: 10 * 16_000]  # two words


def message(**header: object) -> bytes:
    return json.dumps(header).encode() + b"\n"


def chunk(**data: object) -> bytes:
    return message(type="audio-chunk", data={"rate": 16_000, "width": 2, "channels": 1, **data})


GARBAGE = {
    "no JSON": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "no JSON"),
    "bytes": (bytes(range(256)) * 4 + b"\n", "no JSON"),
    "half a number": (b'{"type": "ping", "data_length": -\n', "no JSON"),
    "no object": (b'["ping"]\n', "no JSON object"),
    "deep": (b"[" * 10_000 + b"\n", "no JSON"),
    "digits": (b'{"type": "ping", "data_length": ' + b"9" * 5_000 + b"}\n", "no JSON"),
    "no type": (message(data={}), "without a type"),
    "type": (message(type=["ping"]), "without a type"),
    "data": (message(type="ping", data="x"), "no object"),
    "data of a list": (message(type="ping", data=[]), "no object"),
    "data that is no JSON": (message(type="ping", data_length=2) + b"{]", "no JSON"),
    "data that is no object": (message(type="ping", data_length=2) + b"12", "no JSON object"),
    "negative length": (message(type="ping", data_length=-1), "data_length of -1"),
    "absurd length": (message(type="ping", payload_length=10**18), "payload_length of 1000000000000000000"),
    "length of text": (message(type="ping", payload_length="2"), "payload_length of '2'"),
    "length of a fraction": (message(type="ping", payload_length=2.5), "payload_length of 2.5"),
    "length of a truth": (message(type="ping", payload_length=True), "payload_length of True"),
    "long data": (message(type="ping", data_length=MAX_DATA_BYTES + 1), f"0 to {MAX_DATA_BYTES}"),
    "long payload": (message(type="audio-chunk", payload_length=MAX_PAYLOAD_BYTES + 1), f"0 to {MAX_PAYLOAD_BYTES}"),
    "long header": (message(type="ping", more="x" * MAX_HEADER_BYTES), f"more than {MAX_HEADER_BYTES} bytes"),
    "no end of a header": (b"x" * 50 * MAX_HEADER_BYTES, f"more than {MAX_HEADER_BYTES} bytes"),
    "ping of a number": (message(type="ping", data={"text": 3}), "no text"),
    "half a surrogate pair": (b'{"type": "ping", "data": {"text": "\\ud800"}}\n', "no Unicode"),
    "names of text": (message(type="detect", data={"names": "yes"}), "no list of texts"),
    "names of numbers": (message(type="detect", data={"names": [1]}), "no list of texts"),
    "start of nothing": (message(type="audio-start"), "without rate, width and channels"),
    "chunk of nothing": (message(type="audio-chunk", payload_length=2) + b"ab", "without rate, width and channels"),
    "rate of text": (chunk(rate="16000"), "as whole numbers"),
    "rate of a fraction": (chunk(rate=16e3), "as whole numbers"),
    "rate of nothing": (chunk(rate=None), "as whole numbers"),
    "channels of a truth": (chunk(channels=True), "as whole numbers"),
    "rate 0": (chunk(rate=0), "audio of 0 Hz"),
    "negative rate": (chunk(rate=-16_000), "audio of -16000 Hz"),
    "absurd rate": (chunk(rate=10**100), "Hz"),
    "width 0": (chunk(width=0), "samples of 0 bytes"),
    "width 8": (chunk(width=8), "samples of 8 bytes"),
    "no channels": (chunk(channels=0), "audio of 0 channels"),
    "absurd channels": (chunk(channels=1000), "audio of 1000 channels"),
    "end within a header": (b'{"type": "ping"', "ended within a message"),
    "end within data": (message(type="ping", data_length=9) + b"{", "ended within a message"),
    "end within a payload": (message(type="audio-chunk", payload_length=9) + b"12", "ended within a message"),
}


async def refused(client: Talk, service: Serving, says: str) -> None:
    """The client is told why it is closed, and so is the user; a second message would not be answered."""
    (error,) = await client.rest()
    assert error.type == "error"
    assert error.data["code"] == "refused"
    assert says in error.data["text"]
    assert [error.data["text"]] == service.kept.problems


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_refused_and_others_do_not_notice(name: str) -> None:
    """One error that says what was wrong, then the end; a client in the middle of its audio hears all its words."""
    sent, says = GARBAGE[name]

    async def talk() -> None:
        before, *after = [list(audio(s16(part))) for part in (BEGINNING[:80_000], BEGINNING[80_000:])]
        async with serving() as service, service.talk() as good, service.talk() as bad:
            await good.send(*before)
            with contextlib.suppress(ConnectionError):  # it may be closed before it has sent all
                await bad.raw(sent)
                bad.end_of_sending()
            await refused(bad, service, says)
            await good.send(*after[0][1:])
            assert detections(await good.answers()) == expected_of(BEGINNING)

    run(talk())


@pytest.mark.parametrize(
    ("limit", "sent", "says"),
    [
        ("MESSAGE_SECONDS", b"", "no message in 0.2 s"),
        ("MESSAGE_SECONDS", b'{"type": ', "did not end in 0.2 s"),
        ("MESSAGE_SECONDS", message(type="ping", data_length=20) + b"{", "did not end in 0.2 s"),
        ("MESSAGE_SECONDS", message(type="audio-chunk", payload_length=20), "did not end in 0.2 s"),
        ("IDLE_SECONDS", message(type="describe"), "no message in 0.2 s"),
    ],
)
def test_silence_is_borne_for_a_time(monkeypatch: pytest.MonkeyPatch, limit: str, sent: bytes, says: str) -> None:
    """Before the first message and within one a short time; later, where satellites are silent, a long one."""
    monkeypatch.setattr(f"{CLIENT}.{limit}", 0.2)

    async def talk() -> None:
        async with serving() as service, service.talk() as client:
            await client.raw(sent)
            if limit == "IDLE_SECONDS":
                assert types([await client.next()]) == ["info"]  # type: ignore[list-item]
            began = time.monotonic()
            await refused(client, service, says)
            assert 0.1 < time.monotonic() - began < 5

    run(talk())


def test_a_client_that_was_heard_from_may_be_silent_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a satellite is while a command is spoken."""
    monkeypatch.setattr(f"{CLIENT}.MESSAGE_SECONDS", 0.1)

    async def talk() -> None:
        async with serving() as service, service.talk() as client:
            await client.send(*audio(s16(BEGINNING[:80_000])))
            await asyncio.sleep(0.4)
            await client.send(*list(audio(s16(BEGINNING[80_000:])))[1:])
            assert detections(await client.answers()) == expected_of(BEGINNING)

    run(talk())


def test_who_does_not_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers wait for a bounded time in bounded memory."""
    monkeypatch.setattr(f"{CLIENT}.WRITE_SECONDS", 0.3)

    async def talk() -> None:
        async with serving() as service, service.talk() as good:
            host, port = service.uri.removeprefix("tcp://").split(":")
            with socket.create_connection((host, int(port))) as deaf:
                deaf.setblocking(False)
                sent = 0
                while not service.kept.problems:
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        sent += deaf.send(message(type="describe") * 1000)
                    await asyncio.sleep(0.01)
                assert service.kept.problems == ["answers that were not read in 0.3 s"]
                await good.send(*audio(s16(BEGINNING)))
                assert detections(await good.answers()) == expected_of(BEGINNING)

    run(talk())


def test_a_client_too_many_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """When one has gone, there is a place again."""
    monkeypatch.setattr(f"{SERVER}.MAX_CLIENTS", 2)
    monkeypatch.setattr(f"{SERVER}.MAX_REFUSED", 1)

    async def talk() -> None:
        async with serving() as service, service.talk() as one:
            assert await one.answers() == []
            async with service.talk() as two:
                assert await two.answers() == []
                async with service.talk() as three, service.talk() as four:
                    await three.send(Describe())
                    assert await four.rest() == []  # while three may still read, four is closed without a word
                    three.end_of_sending()
                    await refused(three, service, "there are 2 clients already")
            while service.server._served == 2:
                await asyncio.sleep(0.01)
            async with service.talk() as five:
                await five.send(*audio(s16(BEGINNING)), STOP)
                assert len(detections(await five.answers())) == 2

    run(talk())


def test_a_client_that_leaves_in_the_middle_is_no_fault() -> None:
    """Home Assistant closes at once when it has heard its word, whatever it has sent by then."""

    async def talk() -> None:
        async with serving() as service:
            for _ in range(5):
                async with service.talk() as client:
                    await client.send(*audio(s16(BEGINNING)))
                    await client.next()
            async with service.talk() as client:
                assert await client.answers() == []
            assert service.kept.problems == []

    run(talk())


def test_outputs_are_called_though_nothing_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog of systemd is fed by it."""
    monkeypatch.setattr(f"{SERVER}.PULSE_SECONDS", 0.05)

    async def talk() -> None:
        async with serving() as service:
            ended = asyncio.create_task(service.server.ended())
            while service.kept.pulses < 3:
                await asyncio.sleep(0.01)
            service.server.end(15)
            assert await ended == 15

    run(talk())


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("tcp://127.0.0.1", "expected tcp://HOST:PORT or unix:///PATH"),
        ("tcp://127.0.0.1:70000", "expected tcp://HOST:PORT"),
        ("tcp://[::1:1", "expected tcp://HOST:PORT"),
        ("http://127.0.0.1:80", "expected tcp://HOST:PORT"),
        ("unix://kws.sock", "expected tcp://HOST:PORT"),
        ("", "expected tcp://HOST:PORT"),
        ("tcp://a..b:1", "this host is not known here"),
        ("tcp://kws.invalid:1", "this host is not known here"),
        ("unix:///no/such/folder/kws.sock", "No such file or directory"),
        ("unix:///" + "x" * 200, "AF_UNIX path too long"),
    ],
)
def test_an_address_that_cannot_be_is_one_line(uri: str, says: str) -> None:
    """Which, and why."""

    async def talk() -> None:
        with pytest.raises(AddressError) as raised:
            async with serving(uri):
                pass
        assert str(raised.value).startswith(f"{uri}: ")
        assert says in str(raised.value)
        assert "\n" not in str(raised.value)

    run(talk())
