"""What happens around a listener that runs: signals, commands that hang, readers that go."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from kws_runtime.detector import Event
from kws_runtime.hook import LONGEST_SECONDS, MOST_RUNNING, Hook
from kws_runtime.listen import DEMO
from kws_runtime.listener import Decision
from kws_runtime.notice import Notice
from tests.conftest import Run, assert_fault
from tests.runtime.listening import LISTEN, memory_bytes, until

SIGNALS = int(os.environ.get("KWS_SIGNALS", "12"))  # at random moments
NOTHING = np.zeros(0, np.float32)


def event(label: str = "go", time: float = 1.0) -> Decision:
    return Decision(time, np.zeros(2, np.float32), Event(time, label, 0.9))


def pcm(seconds: float) -> bytes:
    with wave.open(str(DEMO)) as reader:
        return reader.readframes(int(seconds * 16_000))


@pytest.mark.parametrize("turn", range(SIGNALS))
def test_a_signal_at_any_moment_is_a_clean_end_and_loses_no_event(turn: int) -> None:
    """Lines are whole, each event of the audio that was taken is there, SIGTERM is 0 and SIGINT 130."""
    number = (signal.SIGTERM, signal.SIGINT)[turn % 2]
    rng = random.Random(turn)
    command = [LISTEN, "--raw", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        process.stdin.write(pcm(30))
        process.stdin.flush()
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(number)
        output, errors = process.stdout.read(), process.stderr.read()
        code = process.wait(20)
    assert (code, errors) == ({signal.SIGTERM: 0, signal.SIGINT: 130}[number], b"")
    expected = [["yes", 3.812], ["left", 8.612], ["go", 14.132], ["stop", 18.652], ["up", 23.292], ["no", 25.332]]
    lines = [json.loads(line) for line in output.splitlines()]
    assert [[line["label"], line["time"]] for line in lines] == expected[: len(lines)]


def test_a_command_is_run_for_each_event_with_what_was_heard_in_its_environment(tmp_path: Path) -> None:
    """Without a shell: what looks like one is an argument."""
    line = "' '.join([str(sys.argv[1:]), *(os.environ[f'KWS_{n}'] for n in ('LABEL', 'SCORE', 'TIME'))])"
    program = f"import os, sys; os.write(1, ({line} + chr(10)).encode())"  # at once: both may write at the same time
    command = f"{sys.executable} -c \"{program}\" 'a b' '$HOME' ';' ls"
    done = subprocess.run(
        [LISTEN, "--raw", "--json", "--exec", command], input=pcm(10), capture_output=True, timeout=60, check=True
    )
    lines = sorted(done.stderr.decode().splitlines())
    assert lines == [
        "['a b', '$HOME', ';', 'ls'] left 0.880 8.612",
        "['a b', '$HOME', ';', 'ls'] yes 0.958 3.812",
    ]
    assert len(done.stdout.splitlines()) == 3


def test_a_command_that_is_not_there_is_said_before_listening(run_command: Run) -> None:
    """One line; quotes that are not closed are usage."""
    assert_fault(run_command("kws-listen", "--demo", "--exec", "no-such-command x"), "no command 'no-such-command'")
    assert_fault(run_command("kws-listen", "--demo", "--exec", "echo 'a"), "--exec: No closing quotation", 2)
    assert_fault(run_command("kws-listen", "--demo", "--exec", " "), "--exec: an empty command", 2)


def test_a_command_that_goes_away_later_is_told_and_the_listening_goes_on(tmp_path: Path) -> None:
    """Each time."""
    script = tmp_path / "say"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    notices: list[Notice] = []
    hook = Hook([str(script)], notices.append)
    script.unlink()
    hook.take(NOTHING, [event("go"), event("stop")])
    assert [notice.values["problem"] for notice in notices] == ["could not be run: No such file or directory"] * 2


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    """With its exit code."""
    notices: list[Notice] = []
    hook = Hook(["sh", "-c", "exit 3"], notices.append)
    hook.take(NOTHING, [event("go")])
    until(lambda: hook.take(NOTHING, []) or bool(notices))
    assert notices[0].text == "sh for 'go' ended with exit code 3"


def test_commands_that_hang_are_few_and_are_killed_with_their_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for them."""
    clock = [0.0]
    monkeypatch.setattr("kws_runtime.hook.time.monotonic", lambda: clock[0])
    notices: list[Notice] = []
    hook = Hook(["sh", "-c", "sleep 1000 & sleep 1000"], notices.append)
    began = time.perf_counter()
    hook.take(NOTHING, [event() for _ in range(MOST_RUNNING + 2)])
    assert time.perf_counter() - began < 5
    assert [notice.values["problem"] for notice in notices] == [f"was not run: {MOST_RUNNING} are still running"] * 2
    groups = [one.process.pid for one in hook._running]
    assert len(groups) == MOST_RUNNING
    clock[0] = LONGEST_SECONDS + 1
    hook.take(NOTHING, [])
    assert [notice.values["problem"] for notice in notices[2:]] == [
        "was killed: it ran longer than 10 s"
    ] * MOST_RUNNING
    for group in groups:
        until(lambda group=group: not alive(group))  # type: ignore[misc]


def alive(group: int) -> bool:
    """Whether a process group has a process that is no zombie."""
    states = subprocess.run(["ps", "-e", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return any(line.split()[0] == str(group) and "Z" not in line.split()[1] for line in states.splitlines())


def test_a_command_that_hangs_at_the_end_is_left_a_moment_and_killed() -> None:
    """The listener ends."""
    began = time.monotonic()
    done = subprocess.run(
        [LISTEN, "--raw", "--exec", "sleep 1000"], input=pcm(5), capture_output=True, timeout=60, check=True
    )
    assert time.monotonic() - began < 10
    assert done.stderr.decode().splitlines()[-1] == "sleep for 'yes' was still running at the end"


def test_a_reader_that_goes_away_ends_it_without_a_word() -> None:
    """As `| head` does."""
    command = f"'{LISTEN}' --wav '{DEMO}' --json | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == ""


def test_memory_is_flat_over_ten_minutes_of_audio() -> None:
    """A day: script/soak."""
    minute = (pcm(40) * 2)[: 60 * 32_000]
    command = [LISTEN, "--raw", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        sizes = []
        for _ in range(10):
            process.stdin.write(minute)
            process.stdin.flush()
            process.stdout.read()
            sizes.append(memory_bytes(process.pid))
        process.stdin.close()
        assert process.wait(60) == 0
    assert sizes[-1] - sizes[2] < 1 << 20
