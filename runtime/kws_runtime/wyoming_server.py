"""A wake word service for Home Assistant and others, over the Wyoming protocol: `kws-listen --wyoming URI`.

It behaves as wyoming-openwakeword does, which clients know. The protocol has neither passwords nor encryption: who
reaches the address may use it. Needs the extra `wyoming`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wyoming.info import Attribution, Info, WakeModel, WakeProgram

from kws_runtime.detector import Event
from kws_runtime.errors import KwsError
from kws_runtime.listener import Decision, Listener
from kws_runtime.modelfile import ModelInfo
from kws_runtime.notice import Notice
from kws_runtime.outputs import Output
from kws_runtime.wyoming_client import NO_SAMPLES, Client, Service
from kws_runtime.wyoming_message import MAX_HEADER_BYTES

MAX_CLIENTS = 16  # each has an interpreter, 0.1 to 0.4 MB, and for a moment up to 2 MB of a message
MAX_REFUSED = 16  # that are being told so at a time; others are closed without a word
PULSE_SECONDS = 1.0  # how often the outputs are called though nothing is heard; a watchdog wants to be fed
LISTENING = {"limit": MAX_HEADER_BYTES, "backlog": MAX_CLIENTS}  # so few are accepted at a time: files do not run out
KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # a vanished client is gone in 2 minutes


class AddressError(KwsError):
    """An address cannot be listened at."""


@dataclass(frozen=True)
class ClientEvent(Event):
    """A word that was heard in the audio of a client."""

    client: str

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "client": self.client}


def serve(
    uri: str,
    info: ModelInfo,
    make_listener: Callable[[], Listener],
    outputs: Output,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM. `make_listener` makes one for each client; `outputs` take what was told to them; `ready`
    is called with the address as soon as it is open (port 0 takes a free one).

    Raises AddressError for an address that cannot be, KeyboardInterrupt after SIGINT.
    """

    async def until_signalled() -> int:
        server = WyomingServer(info, make_listener, outputs)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, server.end, number)
        try:
            ready(await server.start(uri))
            return await server.ended()
        finally:
            await server.close()

    if asyncio.run(until_signalled()) == signal.SIGINT:
        raise KeyboardInterrupt


class WyomingServer:
    """The socket and the clients."""

    def __init__(self, info: ModelInfo, make_listener: Callable[[], Listener], outputs: Output) -> None:
        """To be made where an event loop runs."""
        self._service = Service(describe(info), info.words, make_listener, self._heard, self._notify)
        self._outputs = outputs
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = self._served = self._refused = 0

    async def start(self, uri: str) -> str:
        """Open `tcp://HOST:PORT` or `unix:///PATH`; return the URI, with the port that it got.

        A Unix socket that is there already is taken over. Raises AddressError.
        """
        place = parse_uri(uri)
        try:
            if isinstance(place, Path):
                self._server = await asyncio.start_unix_server(self._connected, place, **LISTENING)
                self._path = place
                return uri
            host, port = place
            self._server = await asyncio.start_server(self._connected, host, port, **LISTENING)
        except (OSError, UnicodeError) as error:
            raise AddressError(f"{uri}: {_reason(error)}") from error
        for each in self._server.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # which its connections inherit
            for name, value in KEEP_ALIVE.items():
                each.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return f"tcp://{_with_port(host, self._server.sockets[0].getsockname()[1])}"

    async def ended(self) -> int:
        """Wait for `end`; return its number. Raises OSError where the outputs can no longer be written."""
        while not self._ended.done():
            await asyncio.wait([self._ended], timeout=PULSE_SECONDS)
            self._put(lambda: self._outputs.take(NO_SAMPLES, []))
        return self._ended.result()

    def end(self, number: int) -> None:
        """Let `ended` return; the first number counts."""
        if not self._ended.done():
            self._ended.set_result(number)

    async def close(self) -> None:
        """Close the socket and all clients."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._attend(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(self._service, self._name_of(writer), reader, writer)
        try:
            if self._served < MAX_CLIENTS:
                self._served += 1
                try:
                    await client.run()
                finally:
                    self._served -= 1
            elif self._refused < MAX_REFUSED:
                self._refused += 1
                try:
                    await client.refuse(f"there are {MAX_CLIENTS} clients already")
                finally:
                    self._refused -= 1
        finally:
            writer.transport.abort()  # what was sent is with the system; `close` would wait for one that never reads

    def _name_of(self, writer: asyncio.StreamWriter) -> str:
        self._count += 1
        peer = writer.get_extra_info("peername")  # of a Unix socket: no text at all
        return _with_port(peer[0], peer[1]) if isinstance(peer, tuple) else f"number {self._count}"

    def _heard(self, client: str, decision: Decision) -> None:
        if decision.event is not None:
            event = ClientEvent(**vars(decision.event), client=client)
            self._put(lambda: self._outputs.take(NO_SAMPLES, [decision._replace(event=event)]))

    def _notify(self, notice: Notice) -> None:
        self._put(lambda: self._outputs.notice(notice))

    def _put(self, write: Callable[[], None]) -> None:
        """An output that fails is the end of the service, not of the client that is served just now."""
        try:
            write()
        except OSError as error:
            if not self._ended.done():
                self._ended.set_exception(error)


def parse_uri(uri: str) -> tuple[str, int] | Path:
    """Host and port, or the path of a Unix socket. Raises AddressError."""
    try:
        parts = urlsplit(uri)
        if parts.scheme == "unix" and not parts.netloc and parts.path:
            return Path(parts.path)
        if parts.scheme == "tcp" and parts.hostname and parts.port is not None and parts.path in ("", "/"):
            return parts.hostname, parts.port
    except ValueError:  # a port that is none
        pass
    raise AddressError(f"{uri}: expected tcp://HOST:PORT or unix:///PATH, as in tcp://127.0.0.1:10400")


def describe(info: ModelInfo) -> Info:
    """What `describe` is answered: one wake word a word of the model."""
    ours: dict[str, Any] = {
        "attribution": Attribution(name="The kws-edge authors", url=""),
        "installed": True,
        "version": version("kws-edge"),
    }
    models = [WakeModel(name=word, description=word, phrase=word, languages=["en"], **ours) for word in info.words]
    text = f"Keyword spotting on small machines, model {info.name}"
    return Info(wake=[WakeProgram(name="kws-edge", description=text, models=models, **ours)])


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "this host is not known here"
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return "something listens there already; end it, or take another port"
    return os.strerror(number) if number else str(error)
