"""The Wyoming service, talked to by the library's own client."""

from __future__ import annotations

import socket
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import soxr

from tests.runtime.wyoming_service import (
    CHUNK,
    FILE,
    MAX_PAYLOAD_BYTES,
    SAMPLES,
    STOP,
    AudioStart,
    Describe,
    Detect,
    Event,
    Info,
    Ping,
    Pong,
    audio,
    detections,
    expected_of,
    run,
    s16,
    serving,
    types,
)

NEAR_MS = 50  # by which a time may differ where the audio was resampled
QUIET = bytes(2 * 16_000)


def test_info_names_each_word_of_the_model() -> None:
    """What Home Assistant makes its list of."""

    async def talk() -> None:
        async with serving() as service, service.talk() as client:
            await client.send(Describe())
            event = await client.next()
            assert event is not None
            assert Info.is_type(event.type)
            (program,) = Info.from_event(event).wake
            assert (program.name, program.version, program.installed) == ("kws-edge", version("kws-edge"), True)
            assert [model.name for model in program.models] == list(FILE.info.words)
            for model in program.models:
                assert model.languages == ["en"]
                assert model.phrase == model.description == model.name

    run(talk())


@pytest.mark.parametrize("size", [2 * CHUNK, 641, MAX_PAYLOAD_BYTES])
def test_the_demo_gives_the_events_of_the_listener(size: int) -> None:
    """The same words at the same times, whatever the chunks, though they end within a sample."""

    async def talk() -> None:
        async with serving() as service, service.talk() as client:
            await client.send(*audio(s16(SAMPLES), size=size))
            heard = detections(await client.answers())
            assert len(heard) == 8
            assert heard == expected_of(SAMPLES)
            told = [(event["label"], round(event["time"] * 1000)) for event in service.kept.events]
            assert told == heard
            assert len({event["client"] for event in service.kept.events}) == 1
            assert service.kept.problems == []

    run(talk())


def test_two_clients_at_once_hear_each_their_own() -> None:
    """No state is shared: chunks of both come in turn, of different audio."""

    async def talk() -> None:
        second = np.roll(SAMPLES, 9 * 16_000)
        async with serving() as service, service.talk() as one, service.talk() as other:
            messages = zip(audio(s16(SAMPLES)), audio(s16(second)), strict=True)
            for first_message, second_message in messages:
                await one.send(first_message)
                await other.send(second_message)
            assert detections(await one.answers()) == expected_of(SAMPLES)
            assert detections(await other.answers()) == expected_of(second)
            assert expected_of(second) != expected_of(SAMPLES)
            assert len({event["client"] for event in service.kept.events}) == 2

    run(talk())


@pytest.mark.parametrize(
    ("rate", "width", "channels"), [(48_000, 4, 2), (44_100, 3, 1), (16_000, 4, 1), (22_050, 2, 2)]
)
def test_audio_of_any_form_gives_the_same_words(rate: int, width: int, channels: int) -> None:
    """Rates, integers of 2 to 4 bytes, channels; the protocol has no floats."""

    async def talk() -> None:
        samples = soxr.resample(SAMPLES, 16_000, rate) if rate != 16_000 else SAMPLES
        wide = np.round(samples.astype(np.float64) * 2**31).clip(-(2**31), 2**31 - 1).astype("<i4")
        frames = np.repeat(wide, channels).view(np.uint8).reshape(-1, 4)[:, 4 - width :]
        async with serving() as service, service.talk() as client:
            await client.send(*audio(frames.tobytes(), rate, width, channels), STOP)
            heard, expected = detections(await client.answers()), expected_of(SAMPLES)
            assert [label for label, _ in heard] == [label for label, _ in expected]
            for (_, at), (_, expected_at) in zip(heard, expected, strict=True):
                assert abs(at - expected_at) <= NEAR_MS

    run(talk())


def test_a_width_of_one_byte_is_unsigned() -> None:
    """As in a WAV, and in the library's own converter: 128 is silence."""

    async def talk() -> None:
        coarse = np.round(SAMPLES * 128 + 128).clip(0, 255).astype(np.uint8)
        async with serving() as service, service.talk() as client:
            await client.send(*audio(coarse.tobytes(), width=1))
            assert detections(await client.answers()) == expected_of((coarse.astype(np.float32) - 128) / 128)
            assert len(service.kept.events) >= 4

    run(talk())


def test_the_form_may_change_within_a_stream() -> None:
    """Each chunk says what it is; time and state go on."""

    async def talk() -> None:
        pcm, half = s16(SAMPLES), 20 * 16_000
        _, *second = audio(s16(np.repeat(SAMPLES[half:], 2)), channels=2)
        async with serving() as service, service.talk() as client:
            await client.send(*audio(pcm[: 2 * half]), *second)
            assert detections(await client.answers()) == expected_of(SAMPLES)

    run(talk())


@pytest.mark.parametrize("names", [["yes"], ["go", "stop"], ["up", "jarvis"]])
def test_detect_with_names_reports_only_these(names: list[str]) -> None:
    """One that the model does not have is told to both sides, and the others go on."""

    async def talk() -> None:
        async with serving() as service, service.talk() as client:
            await client.send(Detect(names), *audio(s16(SAMPLES)), STOP)
            answers = await client.answers()
            assert detections(answers) == [(label, at) for label, at in expected_of(SAMPLES) if label in names]
            assert len(service.kept.events) == len(detections(answers))
            unknown = "jarvis" in names
            assert types(answers).count("error") == len(service.kept.problems) == unknown
            if unknown:
                assert answers[0].data["code"] == "unknown-name"
                assert "'jarvis'" in answers[0].data["text"]

    run(talk())


def test_names_hold_until_the_next_detect() -> None:
    """As Home Assistant sends them before audio-start; none and an empty list mean all, unknown ones none."""

    async def talk() -> None:
        async with serving() as service, service.talk() as client:
            counts = []
            for detect in (Detect(["yes"]), None, Detect([]), Detect(["jarvis"]), Detect()):
                await client.send(*([detect] if detect else []), *audio(s16(SAMPLES[: 10 * 16_000])), STOP)
                counts.append(len(detections(await client.answers())))
            assert counts == [1, 1, 2, 0, 2]

    run(talk())


def test_audio_start_begins_at_0_with_nothing_heard() -> None:
    """Whatever was sent before, and whether it was stopped or not."""

    async def talk() -> None:
        async with serving() as service, service.talk() as client:
            await client.send(*audio(s16(SAMPLES[:70_001])))
            await client.answers()
            await client.send(*audio(s16(SAMPLES)))
            assert detections(await client.answers()) == expected_of(SAMPLES)

    run(talk())


def test_audio_stop_says_where_nothing_was_detected() -> None:
    """`not-detected` once a stream, and never after a detection; a word at the very end is not lost."""

    async def talk() -> None:
        event = expected_of(SAMPLES)[0]
        ends_with_it = SAMPLES[: event[1] * 16]
        fast = soxr.resample(ends_with_it, 16_000, 48_000)
        async with serving() as service, service.talk() as client:
            await client.send(*audio(QUIET), STOP)
            assert types(await client.answers()) == ["not-detected"]
            await client.send(*audio(s16(ends_with_it)), STOP)
            assert types(await client.answers()) == ["detection"]
            await client.send(*audio(s16(fast), 48_000))
            assert types(await client.answers()) == []
            await client.send(STOP)
            assert types(await client.answers()) == ["detection"]
            await client.send(*audio(QUIET), STOP)
            assert types(await client.answers()) == ["not-detected"]

    run(talk())


def test_audio_without_audio_start_is_understood() -> None:
    """The reference services take it too; after audio-stop it is a stream of its own."""

    async def talk() -> None:
        _, *chunks = audio(s16(SAMPLES))
        async with serving() as service, service.talk() as client:
            for _ in range(2):
                await client.send(*chunks, STOP)
                assert detections(await client.answers()) == expected_of(SAMPLES)
            await client.send(STOP)
            assert types(await client.answers()) == ["not-detected"]

    run(talk())


def test_ping_is_answered_with_its_text() -> None:
    """Also in the middle of audio."""

    async def talk() -> None:
        async with serving() as service, service.talk() as client:
            await client.send(AudioStart(16_000, 2, 1), Ping("hallo, Wörld"), Ping())
            for text in ("hallo, Wörld", None):
                assert await client.next() == Pong(text).event()

    run(talk())


def test_messages_for_other_services_are_dropped() -> None:
    """As the protocol wants it; their payload is read, so that the next message is understood."""

    class Other(Describe):
        def event(self) -> Event:
            return Event("transcribe", {"language": "en"}, b"\n{}\n")

    async def talk() -> None:
        async with serving() as service, service.talk() as client:
            await client.send(Other(), Other())
            assert await client.answers() == []

    run(talk())


def test_a_unix_socket_serves_too(tmp_path: Path) -> None:
    """It is there while the service is, and takes the place of one that was left behind."""

    async def talk() -> None:
        path = tmp_path / "kws.sock"
        for _ in range(2):
            async with serving(f"unix://{path}") as service, service.talk() as client:
                assert service.uri == f"unix://{path}"
                await client.send(*audio(s16(SAMPLES[: 10 * 16_000])))
                assert len(detections(await client.answers())) == 2
            assert not path.exists()
            with socket.socket(socket.AF_UNIX) as left_behind:
                left_behind.bind(str(path))
            assert path.exists()

    run(talk())


@pytest.mark.parametrize("uri", ["tcp://127.0.0.1:0", "tcp://localhost:0"])
def test_the_address_is_told_with_the_port_that_it_got(uri: str) -> None:
    """Port 0 is for whoever reads it from the ready line."""

    async def talk() -> None:
        async with serving(uri) as service, service.talk() as client:
            assert service.uri.rpartition(":")[0] == uri.rpartition(":")[0]
            assert not service.uri.endswith(":0")
            assert await client.answers() == []

    run(talk())
