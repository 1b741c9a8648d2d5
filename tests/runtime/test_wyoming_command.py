"""`kws-listen --wyoming` as people and programs run it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys

import pytest

from tests.conftest import Run, assert_fault
from tests.runtime.listening import LISTEN, listening
from tests.runtime.wyoming_service import SAMPLES, audio, detections, expected_of, run, s16, talk_to, types

BEGINNING = SAMPLES[: 10 * 16_000]  # two words
NO_PORT = "tcp://127.0.0.1:0"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_the_service_and_its_clients(number: int, code: int) -> None:
    """`kws-listen --json --wyoming`: the ready line has the address, detections the client; nothing on stderr."""

    async def talk() -> None:
        with listening("--wyoming", NO_PORT, "--threshold", "0.99") as program:
            uri = (await asyncio.to_thread(program.wait_for, "ready"))["uri"]
            async with talk_to(uri) as client, talk_to(uri) as other:
                await client.send(*audio(s16(SAMPLES)))
                heard = detections(await client.answers())
                assert await other.answers() == []
                assert heard == expected_of(SAMPLES, 0.99) != expected_of(SAMPLES)
                ended = await asyncio.to_thread(program.end, number)
                assert ended == (code, "")
                assert await client.next() is await other.next() is None
            assert [(label, round(at * 1000)) for label, at in program.detections()] == heard
            names = {line["client"] for line in program.lines if line["event"] == "detection"}
            assert [name.startswith("127.0.0.1:") for name in names] == [True]

    run(talk())


def test_for_people_it_prints_the_usual_lines() -> None:
    """And a line on standard error for a client that was refused."""
    command = [LISTEN, "--wyoming", NO_PORT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            ready = process.stderr.readline()
            assert " listens to tcp://127.0.0.1:" in ready
            uri = ready.split()[5]

            async def talk() -> None:
                async with talk_to(uri) as client:
                    await client.send(*audio(s16(BEGINNING)))
                    await client.answers()
                    await client.raw(b"nonsense\n")
                    assert types(await client.rest()) == ["error"]

            run(talk())
            process.send_signal(signal.SIGTERM)
            printed, faults = process.communicate(timeout=20)
        finally:
            process.kill()
    assert [line.split()[2] for line in printed.splitlines()] == ["yes", "left"]
    assert faults.startswith("client 127.0.0.1:")
    assert faults.endswith(": a message that is no JSON\n")
    assert len(faults.splitlines()) == 1
    assert process.returncode == 0


def test_a_reader_of_the_events_that_goes_ends_the_service() -> None:
    """As `| head` does elsewhere: exit code 1, and not a client that is refused for it."""
    command = [LISTEN, "--json", "--wyoming", NO_PORT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            uri = json.loads(process.stdout.readline())["uri"]
            process.stdout.close()

            async def talk() -> None:
                async with talk_to(uri) as client:
                    with contextlib.suppress(ConnectionError):  # what it had not read by then is lost
                        await client.send(*audio(s16(BEGINNING)))
                        assert "error" not in types(await client.rest())

            run(talk())
            assert process.wait(20) == 1
            assert process.stderr is not None
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_a_port_in_use_is_one_line(run_command: Run) -> None:
    """What to do about it, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        uri = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        done = run_command("kws-listen", "--wyoming", uri, timeout=30)
    assert_fault(done, f"error: {uri}: something listens there already; end it, or take another port")
    assert done.stdout == ""


@pytest.mark.parametrize("flags", [["--exec", "true"], ["--save", "kept"], ["--channel", "1"], ["--demo"]])
def test_flags_that_do_not_fit_are_wrong_usage(run_command: Run, flags: list[str]) -> None:
    """Exit code 2."""
    assert_fault(run_command("kws-listen", "--wyoming", NO_PORT, *flags, timeout=30), "--wyoming", code=2)


def test_without_the_library_it_says_what_to_install() -> None:
    """One line, exit code 1."""
    program = (
        "import sys; sys.modules['wyoming'] = None; from kws_runtime.commands import listen; "
        f"sys.argv[1:] = ['--wyoming', '{NO_PORT}']; sys.exit(listen())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert_fault(done, 'pip install "kws-edge[wyoming]"')
