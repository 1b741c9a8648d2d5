"""A Wyoming service in this process, and the library's own client for it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import numpy as np

from kws_runtime import Listener
from kws_runtime.audio import Chunk, read_wav
from kws_runtime.listen import DEMO
from kws_runtime.listener import Decision
from kws_runtime.modelfile import read_model
from kws_runtime.notice import Notice
from kws_runtime.outputs import Output

with warnings.catch_warnings():  # up to Python 3.12 the library imports audioop; the tests take its names from here
    warnings.simplefilter("ignore", DeprecationWarning)
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncClient
    from wyoming.event import Event, Eventable, read_event
    from wyoming.info import Describe, Info
    from wyoming.ping import Ping, Pong
    from wyoming.wake import Detect

    from kws_runtime.wyoming_client import Client, Service
    from kws_runtime.wyoming_message import MAX_DATA_BYTES, MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES
    from kws_runtime.wyoming_server import AddressError, WyomingServer, describe

__all__ = [
    "MAX_DATA_BYTES",
    "MAX_HEADER_BYTES",
    "MAX_PAYLOAD_BYTES",
    "AddressError",
    "AudioChunk",
    "AudioStart",
    "AudioStop",
    "Client",
    "Describe",
    "Detect",
    "Event",
    "Eventable",
    "Info",
    "Ping",
    "Pong",
    "Service",
    "describe",
    "read_event",
]

SECONDS = 20.0  # a test may take
STOP = AudioStop()
CHUNK = 1024  # samples, as the library's own tools send
FILE = read_model(None)
SAMPLES = read_wav(DEMO)


class Kept(Output):
    """What the service tells its user."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.pulses = 0

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        self.pulses += not decisions
        self.events += [decision.event.to_json() for decision in decisions if decision.event]

    def notice(self, notice: Notice) -> None:
        assert notice.kind == "client"
        self.problems.append(notice.values["problem"])


class Talk:
    """A connection of the library's client."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def send(self, *messages: Eventable) -> None:
        for message in messages:
            await self._client.write_event(message.event())

    async def raw(self, sent: bytes) -> None:
        """Bytes that the library would not send."""
        writer = self._client._writer
        assert writer is not None
        writer.write(sent)
        await writer.drain()

    def end_of_sending(self) -> None:
        assert self._client._writer is not None
        self._client._writer.write_eof()

    async def next(self) -> Event | None:
        """The next answer; None where the connection is closed."""
        return await self._client.read_event()

    async def answers(self) -> list[Event]:
        """All answers to what was sent so far."""
        await self.send(Ping("all"))
        answers = []
        while (event := await self.next()) and event.data != {"text": "all"}:
            answers.append(event)
        assert event is not None, "the service closed the connection"
        return answers

    async def rest(self) -> list[Event]:
        """The answers up to the end of the connection."""
        answers = []
        while event := await self.next():
            answers.append(event)
        return answers


@contextlib.asynccontextmanager
async def talk_to(uri: str) -> AsyncIterator[Talk]:
    """A connection to the service at `uri`."""
    client = AsyncClient.from_uri(uri)
    await client.connect()
    try:
        yield Talk(client)
    finally:
        with contextlib.suppress(ConnectionError):  # closing what the service has reset
            await client.disconnect()


class Serving:
    """The service, what it tells its user, and connections to it."""

    def __init__(self, server: WyomingServer, uri: str, kept: Kept) -> None:
        self.server, self.uri, self.kept = server, uri, kept

    def talk(self) -> contextlib.AbstractAsyncContextManager[Talk]:
        return talk_to(self.uri)


@contextlib.asynccontextmanager
async def serving(uri: str = "tcp://127.0.0.1:0") -> AsyncIterator[Serving]:
    """A service with the bundled model, until the block ends."""
    kept = Kept()
    server = WyomingServer(FILE.info, lambda: Listener(FILE), kept)
    try:
        yield Serving(server, await server.start(uri), kept)
    finally:
        await server.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test to its end, with time enough. What asyncio would only log fails it."""
    logged: list[dict[str, Any]] = []

    async def limited() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
        await asyncio.wait_for(test, SECONDS)

    asyncio.run(limited())
    assert logged == []


def audio(
    pcm: bytes, rate: int = 16_000, width: int = 2, channels: int = 1, size: int | None = None
) -> Iterator[Eventable]:
    """Start, chunks of `size` bytes, and no stop."""
    yield AudioStart(rate, width, channels)
    size = size or CHUNK * width * channels
    for start in range(0, len(pcm), size):
        yield AudioChunk(rate, width, channels, pcm[start : start + size])


def s16(samples: np.ndarray) -> bytes:
    """Samples of a WAV of 16 bits, as they lay there."""
    return np.round(samples * 32768).astype("<i2").tobytes()


def expected_of(samples: np.ndarray, threshold: float | None = None) -> list[tuple[str, int]]:
    """Label and ms of each event that a listener hears."""
    detection = FILE.info.detection
    if threshold is not None:
        detection = dataclasses.replace(detection, thresholds=dict.fromkeys(FILE.info.words, threshold))
    return [(event.label, round(event.time * 1000)) for event in Listener(FILE, detection).process(samples)]


def detections(answers: list[Event]) -> list[tuple[str, int]]:
    """Label and ms of each `detection`."""
    return [(event.data["name"], event.data["timestamp"]) for event in answers if event.type == "detection"]


def types(answers: list[Event]) -> list[str]:
    """What the answers are."""
    return [event.type for event in answers]
