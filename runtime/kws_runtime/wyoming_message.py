"""Messages of the Wyoming protocol, within limits: a line of JSON, then `data_length` bytes of JSON, then
`payload_length` bytes of audio (https://github.com/OHF-Voice/wyoming).

The library's own reader believes any length and any type, so the messages are read here. Needs the extra `wyoming`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from wyoming.event import Event

from kws_runtime.errors import AudioError, KwsError
from kws_runtime.wavfile import PcmFormat

MAX_HEADER_BYTES = 16 << 10
MAX_DATA_BYTES = 64 << 10
MAX_PAYLOAD_BYTES = 1 << 20  # 5 s of 48 kHz, stereo, 16 bit; clients send 10 to 100 ms

# By bytes a sample. The protocol has no floats: 4 bytes are integers, and 1 byte is unsigned as in a WAV.
WIDTHS = {1: "u8", 2: "s16", 3: "s24", 4: "s32"}


class ProtocolError(KwsError):
    """A client sent what the protocol or a limit forbids."""


async def read_message(reader: asyncio.StreamReader, first: bytes = b"") -> Event:
    """A whole message, the `first` bytes of which were read already. `reader` must have MAX_HEADER_BYTES as its limit.

    Raises ProtocolError.
    """
    try:
        line = first + await reader.readline()
        if not line.endswith(b"\n"):
            raise ProtocolError("the connection ended within a message")
        header = _object(line)
        kind, data = header.get("type"), header.get("data")
        if not isinstance(kind, str) or not isinstance(data, dict | None):
            raise ProtocolError("a message without a type, or whose data is no object")
        data_bytes = _length(header, "data_length", MAX_DATA_BYTES)
        payload_bytes = _length(header, "payload_length", MAX_PAYLOAD_BYTES)
        more = _object(await reader.readexactly(data_bytes)) if data_bytes else {}
        payload = await reader.readexactly(payload_bytes) if payload_bytes else None
        return Event(kind, {**(data or {}), **more}, payload)
    except asyncio.IncompleteReadError as error:
        raise ProtocolError("the connection ended within a message") from error
    except ValueError as error:  # what `readline` raises at its limit
        raise ProtocolError(f"a header of more than {MAX_HEADER_BYTES} bytes") from error


def _object(text: bytes) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a message that is no JSON") from error
    if not isinstance(values, dict):
        raise ProtocolError("a message that is no JSON object")
    return values


def _length(header: dict[str, Any], name: str, most: int) -> int:
    length = header.get(name)
    if length is None:
        return 0
    if type(length) is not int or not 0 <= length <= most:
        raise ProtocolError(f"a {name} of {length!a}; it may be 0 to {most}")
    return length


def text_of(ping: Event) -> str | None:
    """The text that a pong gives back. Raises ProtocolError."""
    text = ping.data.get("text")
    if not isinstance(text, str | None):
        raise ProtocolError("a ping whose text is no text")
    return text


def names_of(detect: Event) -> list[str]:
    """The names of a `detect`; empty where it wants all. Raises ProtocolError."""
    names = detect.data.get("names")
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ProtocolError("names that are no list of texts")
    return names


def format_of(audio: Event) -> PcmFormat:
    """The form of an `audio-start` or `audio-chunk`. Raises ProtocolError for what cannot be."""
    rate, width, channels = (audio.data.get(name) for name in ("rate", "width", "channels"))
    if type(rate) is not int or type(width) is not int or type(channels) is not int:
        raise ProtocolError("audio without rate, width and channels as whole numbers")
    if width not in WIDTHS:
        raise ProtocolError(f"samples of {width} bytes; 1 to {max(WIDTHS)} can be")
    form = PcmFormat(rate, channels, WIDTHS[width])
    try:
        form.check()
    except AudioError as error:
        raise ProtocolError(f"audio of {error}") from error
    return form
