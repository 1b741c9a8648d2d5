"""One client of `kws-listen --wyoming`: how long it may take, and what it is answered. Needs the extra `wyoming`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import numpy as np
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from kws_runtime.audio import Converter
from kws_runtime.errors import KwsError
from kws_runtime.frontend import Samples
from kws_runtime.listener import Decision, Listener
from kws_runtime.notice import Notice, Notify
from kws_runtime.wavfile import PcmFormat
from kws_runtime.wyoming_message import MAX_HEADER_BYTES, ProtocolError, format_of, names_of, read_message, text_of

MESSAGE_SECONDS = 20.0  # from its first byte to its last; a new client must have begun one after as long

# Nobody pings a wake word service. wyoming-satellite holds one connection as long as it runs and sends nothing while a
# command is spoken or the satellite is muted, which may be for a night; it may not come back when it is closed (its
# issue 310). A client that vanished without a word is found by TCP keep-alive, long before.
IDLE_SECONDS = 24 * 3600.0

WRITE_SECONDS = 10.0  # in which a client must have read what it was sent
LINGER_SECONDS = 1.0  # in which a client that is closed may read why
PIECE_SECONDS = 0.5  # of audio, heard in about 1 ms; then other clients have their turn
MAX_PROBLEM = 200  # characters of a complaint, for a client may have chosen most of them
NO_SAMPLES: Samples = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Service:
    """What the clients of a server share."""

    info: Info  # the answer to `describe`
    words: tuple[str, ...]
    make_listener: Callable[[], Listener]
    heard: Callable[[str, Decision], None]  # the name of a client, and what it is about to be told
    notify: Notify


class Client:
    """A connection. Its audio has a listener, and so a state, of its own."""

    def __init__(self, service: Service, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """`reader` must have MAX_HEADER_BYTES as its limit. Whoever made the connection closes it after `run`."""
        self._service, self._name, self._reader, self._writer = service, name, reader, writer
        writer.transport.set_write_buffer_limits(high=0)  # sending then waits until the system has taken all of it
        self._greeted = False
        self._wanted = frozenset(service.words)
        self._listener: Listener | None = None
        self._stream: _Stream | None = None

    async def run(self) -> None:
        """Answer the client until it goes or does what it may not. It is told why then."""
        try:
            while event := await self._next():
                await self._answer(event)
                await asyncio.sleep(0)  # what lies in the buffer would else all be read before others have their turn
        except KwsError as error:
            await self.refuse(str(error))
        except OSError:
            pass  # it has gone: those who have heard their word go like that

    async def refuse(self, problem: str) -> None:
        """Tell the user, and the client if it still reads, why it is to be closed."""
        self._complain(problem)
        # Closing while bytes of the client lie unread would take the error from it: read them, for a moment.
        with contextlib.suppress(OSError, ProtocolError):
            await self._send(Error(_short(problem), "refused"))
            self._writer.write_eof()
            async with asyncio.timeout(LINGER_SECONDS):
                while await self._reader.read(MAX_HEADER_BYTES):
                    pass

    def _complain(self, problem: str) -> None:
        values = {"client": self._name, "problem": _short(problem)}
        self._service.notify(Notice("client", f"client {self._name}: {_short(problem)}", values))

    async def _next(self) -> Event | None:
        """The next message; None after the last."""
        idle = IDLE_SECONDS if self._greeted else MESSAGE_SECONDS
        async with _within(idle, f"no message in {idle:g} s"):
            first = await self._reader.read(1)
        if not first:
            return None
        async with _within(MESSAGE_SECONDS, f"a message that did not end in {MESSAGE_SECONDS:g} s"):
            event = await read_message(self._reader, first)
        self._greeted = True
        return event

    async def _send(self, message: Eventable) -> None:
        async with _within(WRITE_SECONDS, f"answers that were not read in {WRITE_SECONDS:g} s"):
            try:
                await async_write_event(message.event(), self._writer)
            except UnicodeEncodeError as error:  # JSON may hold half of a surrogate pair
                raise ProtocolError("text that is no Unicode") from error

    async def _answer(self, event: Event) -> None:
        """Do what a message asks for. What is not for a wake word service is dropped, as the protocol wants it."""
        kind = event.type
        if Describe.is_type(kind):
            await self._send(self._service.info)
        elif Ping.is_type(kind):
            await self._send(Pong(text_of(event)))
        elif Detect.is_type(kind):
            await self._choose(names_of(event))
        elif AudioStart.is_type(kind):
            format_of(event)  # only to refuse it early: each chunk has its own
            self._begin()
        elif AudioChunk.is_type(kind):
            await self._take(format_of(event), event.payload or b"")
        elif AudioStop.is_type(kind):
            await self._end()

    async def _choose(self, names: list[str]) -> None:
        """The words to be reported from now on; none: all. One that the model does not have harms no other."""
        words = self._service.words
        self._wanted = frozenset(names or words) & frozenset(words)
        unknown = [ascii(name) for name in names if name not in words]
        if unknown:
            problem = f"this model does not hear {', '.join(unknown)}; it hears {', '.join(words)}"
            self._complain(problem)
            await self._send(Error(_short(problem), "unknown-name"))

    def _begin(self) -> _Stream:
        if self._listener is None:
            self._listener = self._service.make_listener()
        self._stream = _Stream(self._listener)
        return self._stream

    async def _take(self, form: PcmFormat, pcm: bytes) -> None:
        stream = self._stream or self._begin()  # one that omits audio-start is understood too
        for samples in stream.convert(form, pcm):
            await self._hear(stream, samples)
            await asyncio.sleep(0)

    async def _end(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await self._hear(stream, stream.finish())
        if stream is None or not stream.detected:
            await self._send(NotDetected())

    async def _hear(self, stream: _Stream, samples: Samples) -> None:
        events = []
        for decision in stream.listener.decisions(samples):
            if decision.event and decision.event.label in self._wanted:
                stream.detected = True
                self._service.heard(self._name, decision)  # all of them before anything is awaited: none gets lost
                events.append(decision.event)
        for event in events:
            await self._send(Detection(event.label, round(event.time * 1000)))


class _Stream:
    """The audio of a client from one audio-start on; time begins with it, whatever timestamps the client sends."""

    def __init__(self, listener: Listener) -> None:
        listener.reset()
        self.listener = listener
        self.detected = False
        self._form: PcmFormat | None = None
        self._converter: Converter | None = None

    def convert(self, form: PcmFormat, pcm: bytes) -> Iterator[Samples]:
        """The samples of a chunk, in pieces. The form may change from chunk to chunk."""
        if self._converter is None or form != self._form:
            yield self.finish()
            self._form, self._converter = form, Converter(form)
        size = round(form.rate * PIECE_SECONDS) * form.frame_bytes
        for start in range(0, len(pcm), size):
            yield self._converter.process(pcm[start : start + size])

    def finish(self) -> Samples:
        """The last samples, which the converter held back."""
        return self._converter.finish() if self._converter else NO_SAMPLES


@contextlib.asynccontextmanager
async def _within(seconds: float, problem: str) -> AsyncIterator[None]:
    """Raise ProtocolError for what takes longer."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():  # it is the network's own, of a client that has vanished
            raise
        raise ProtocolError(problem) from error


def _short(text: str) -> str:
    return text if len(text) <= MAX_PROBLEM else text[: MAX_PROBLEM - 3] + "..."
