"""The Wyoming service fed with anything: it answers with events of the protocol, or says why it will not, and ends.

KWS_FUZZ_EXAMPLES is the number of examples of each test; without it they are few, and the same each time.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from kws_runtime import Listener
from tests.runtime.fuzzing import fuzzed
from tests.runtime.wyoming_service import (
    FILE,
    MAX_HEADER_BYTES,
    SAMPLES,
    STOP,
    AudioChunk,
    AudioStart,
    Client,
    Describe,
    Detect,
    Event,
    Eventable,
    Ping,
    Pong,
    Service,
    describe,
    detections,
    expected_of,
    read_event,
    types,
)

SECONDS = 10.0  # that an example may take
ANSWERS = {"info", "pong", "detection", "not-detected", "error"}
WORD_SAMPLES = 20_000
WORDS_AT = [at * 16 - WORD_SAMPLES for _, at in expected_of(SAMPLES)]  # where excerpts begin that end with an event

SETTINGS = fuzzed(150, HealthCheck.data_too_large)


class Written(asyncio.Transport):
    """Takes what is written, at once."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = bytearray()
        self.ended = self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended
        self.bytes += data

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed


class Conversation:
    """What one client sent is answered; and what the user is told of it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.problems: list[str] = []
        self.answers: list[Event] = []

    async def hold(self, parts: list[bytes]) -> None:
        """Send the parts one after the other, and that there will be no more."""
        faults: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        reader, transport = asyncio.StreamReader(MAX_HEADER_BYTES), Written()
        writer = asyncio.StreamWriter(transport, asyncio.StreamReaderProtocol(reader), reader, loop)
        service = Service(
            describe(FILE.info),
            FILE.info.words,
            lambda: Listener(FILE),
            lambda _, decision: self.told.append((decision.event.label, round(decision.event.time * 1000))),
            lambda notice: self.problems.append(notice.values["problem"]),
        )
        running = asyncio.create_task(Client(service, "a fuzzer", reader, writer).run())
        for part in parts:
            reader.feed_data(part)
            await asyncio.sleep(0)
        reader.feed_eof()
        await asyncio.wait_for(running, SECONDS)
        transport.closed = True
        assert faults == []
        written = io.BytesIO(transport.bytes)
        while event := read_event(written):
            self.answers.append(event)
        assert written.tell() == len(transport.bytes)


Hold = Callable[[list[bytes]], Conversation]


@pytest.fixture(scope="module")
def hold() -> Iterator[Hold]:
    """Holds a conversation, all in one event loop, and checks what must always hold."""
    with asyncio.Runner() as runner:

        def run(parts: list[bytes]) -> Conversation:
            talk = Conversation()
            runner.run(talk.hold(parts))
            assert set(types(talk.answers)) <= ANSWERS
            assert detections(talk.answers) == talk.told
            errors = [event.data for event in talk.answers if event.type == "error"]
            assert [error["text"] for error in errors] == talk.problems
            assert [error["code"] for error in errors[:-1]] == ["unknown-name"] * (len(errors) - 1) * bool(errors)
            if errors and errors[-1]["code"] == "refused":
                assert talk.answers[-1].type == "error"
            return talk

        yield run


def sent(event: Event) -> bytes:
    """A message as the library writes it."""
    data = json.dumps(event.data, ensure_ascii=False).encode() if event.data else b""
    header: dict[str, Any] = {"type": event.type, "version": "1.5.4"}
    if data:
        header["data_length"] = len(data)
    if event.payload:
        header["payload_length"] = len(event.payload)
    return json.dumps(header, ensure_ascii=False).encode() + b"\n" + data + (event.payload or b"")


@dataclass
class Excerpt:
    """A chunk with frames of the demo, as if they were of this form; now and then it ends within one."""

    form: tuple[int, int, int]  # rate, width, channels
    start: int
    count: int
    lacks: int  # bytes

    def event(self) -> Event:
        rate, width, channels = self.form
        frames = np.repeat(SAMPLES[self.start : self.start + self.count].astype(np.float64), channels)
        wide = (frames * 2**31).astype("<i4").view(np.uint8).reshape(-1, 4)[:, 4 - width :]
        pcm = (wide + 128 if width == 1 else wide).astype(np.uint8).tobytes()
        return AudioChunk(rate, width, channels, pcm[: len(pcm) - self.lacks]).event()


forms = st.tuples(st.sampled_from([16_000, 48_000, 8_000, 44_100, 4_001]), st.integers(1, 4), st.integers(1, 3))
names = st.none() | st.lists(st.sampled_from([*FILE.info.words, "jarvis", "Ω"]), max_size=3)
noise = st.builds(Excerpt, forms, st.integers(0, len(SAMPLES)), st.integers(0, 16_000), st.integers(0, 3))
word = st.builds(Excerpt, st.just((16_000, 2, 1)), st.sampled_from(WORDS_AT), st.just(WORD_SAMPLES), st.just(0))
messages = st.one_of(
    st.just(Describe()),
    st.builds(Ping, st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)),
    st.builds(Detect, names),
    st.builds(lambda form: AudioStart(*form), forms),
    noise,
    word,
    st.just(STOP),
)
VALID = [
    Describe().event(),
    Ping("hallo").event(),
    Detect(["yes", "no"]).event(),
    AudioStart(16_000, 2, 1).event(),
    Excerpt((16_000, 2, 1), WORDS_AT[0], WORD_SAMPLES, 0).event(),
    AudioChunk(48_000, 4, 2, bytes(80)).event(),
    STOP.event(),
]
whole = st.sampled_from(VALID).map(sent)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Valid messages in which bytes were replaced, cut out, doubled or put in."""
    stream = b"".join(draw(st.lists(whole, min_size=1, max_size=4)))
    for _ in range(draw(st.integers(1, 3))):
        near = draw(st.sampled_from([200, len(stream)]))  # the audio, where damage does no harm, is the most of it
        at = draw(st.integers(0, min(near, len(stream))))
        end = at + draw(st.integers(0, 8))
        part = draw(st.binary(max_size=8) | st.just(stream[at:end] * 2) | whole)
        stream = stream[:at] + part + stream[end:]
    return stream


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
likely = values | st.sampled_from([0, 1, 2, 3, 4, 5, -1, 80, 3999, 8000, 48_000, 1 << 20, 10**30, 1e4])


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A valid message in which one thing is something else: a value of its header or of its data."""
    event = draw(st.sampled_from(VALID))
    payload = event.payload or draw(st.sampled_from([b"", b"{}", b"[]", b'{"rate": 1}']))
    header: dict[str, Any] = {"type": event.type, "data": dict(event.data), "payload_length": len(payload)}
    place = draw(st.sampled_from([header, header["data"]]))
    place[draw(st.sampled_from([*place, "data_length"]))] = draw(likely)
    return json.dumps(header).encode() + b"\n" + payload


anything = st.binary(max_size=300) | whole | damaged() | spoilt() | spoilt()


@SETTINGS
@given(st.lists(anything, min_size=1, max_size=4))
def test_anything_is_answered_or_refused(hold: Hold, parts: list[bytes]) -> None:
    """Random bytes, damaged messages, messages of wrong types: events or one error at the end, and nothing hangs."""
    hold(parts)


@SETTINGS
@given(st.lists(messages, max_size=12), st.integers(1, 50))
def test_every_sequence_of_whole_messages_is_answered(hold: Hold, sequence: list[Eventable], pieces: int) -> None:
    """Each with what the protocol says, in whatever pieces the messages come."""
    mark = sent(Ping("mark").event())  # after each message: what is answered before the pong is the answer to it
    stream = b"".join(sent(message.event()) + mark for message in sequence)
    size = len(stream) // pieces + 1
    answers = iter(hold([stream[start : start + size] for start in range(0, len(stream), size)]).answers)
    wanted, detected = set(FILE.info.words), False
    for message in sequence:
        got = list(takewhile(lambda event: event.data != {"text": "mark"}, answers))
        heard = [label for label, _ in detections(got)]
        others = [event for event in got if event.type != "detection"]
        match message:
            case Describe():
                assert types(got) == ["info"]
            case Ping():
                assert got == [Pong(message.text).event()]
            case Detect():
                wanted = set(message.names or FILE.info.words)
                assert types(got) == ["error"] * (not wanted <= set(FILE.info.words))
            case AudioStart():
                assert got == []
                detected = False
            case Excerpt():
                assert others == []
                assert set(heard) <= wanted
                detected = detected or bool(heard)
            case _:
                assert set(heard) <= wanted
                assert types(others) == ["not-detected"] * (not detected and not heard)
                detected = False
    assert list(answers) == []
