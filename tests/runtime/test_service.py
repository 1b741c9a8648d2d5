"""`kws-listen` under systemd, whose part is played here: a socket that takes what is told to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kws_runtime.detector import Event
from kws_runtime.listener import Decision
from kws_runtime.notice import Notice
from kws_runtime.service import Watchdog, notify, under_systemd
from tests.runtime.listening import LISTEN, listening
from tests.runtime.sound_server import SoundServer
from tests.runtime.test_listen import demo_pcm

NOTHING = np.zeros(0, np.float32)
WATCHDOG_SECONDS = 1.0
PIECE_BYTES = 3200  # 0.1 s


class Manager:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self.told: list[tuple[float, str]] = []  # when, one assignment

    def listen(self, seconds: float = 0.0) -> list[str]:
        """What was told to it and not yet heard; wait at most `seconds` for it."""
        lines: list[str] = []
        self._socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            while True:
                lines += self._socket.recv(4096).decode().split("\n")
                self._socket.settimeout(0)
        self.told += [(time.monotonic(), line) for line in lines]
        return lines

    def close(self) -> None:
        """Leave without a word."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """systemd without a watchdog, at a socket in a folder."""
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    one = Manager(str(tmp_path / "notify"))
    yield one
    one.close()


def assert_fed(manager: Manager, at_least: int) -> None:
    """The watchdog of WATCHDOG_SECONDS was fed, always in time."""
    feeds = [at for at, line in manager.told if line == "WATCHDOG=1"]
    assert len(feeds) >= at_least
    assert np.diff(feeds).max() < WATCHDOG_SECONDS


def test_a_listener_under_systemd_is_ready_feeds_the_watchdog_and_says_that_it_stops(manager: Manager) -> None:
    """A real `kws-listen`; its watchdog would bark after a second."""
    environment = {**os.environ, "WATCHDOG_USEC": str(round(WATCHDOG_SECONDS * 1e6))}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([LISTEN, "--raw", "--json"], env=environment, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert manager.listen(20)[:2] == ["READY=1", "STATUS=listening"]
            pcm = demo_pcm()
            for start in range(0, 40 * PIECE_BYTES, PIECE_BYTES):  # 4 s as they would come from a microphone
                process.stdin.write(pcm[start : start + PIECE_BYTES])
                process.stdin.flush()
                time.sleep(0.1)
                manager.listen()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert manager.listen()[-1:] == ["STOPPING=1"]
    assert_fed(manager, at_least=8)
    assert "STATUS=listening; last word 'yes', 0.96" in [line for _, line in manager.told]


def test_a_microphone_that_is_gone_is_no_hang(sound_server: SoundServer, manager: Manager) -> None:
    """The sound server is killed: the status says so, and the watchdog is fed while it is looked for.

    The server is the first of the fixtures: PulseAudio speaks to NOTIFY_SOCKET too.
    """
    told = {"NOTIFY_SOCKET": os.environ["NOTIFY_SOCKET"], "WATCHDOG_USEC": str(round(WATCHDOG_SECONDS * 1e6))}
    with listening("--device", "pulse", environment={**sound_server.environment, **told}) as program:
        assert manager.listen(20) == ["READY=1", "STATUS=listening"]
        sound_server.kill()
        program.wait_for("lost")
        end = time.monotonic() + 4
        while time.monotonic() < end:
            manager.listen(0.5)
        assert program.end(signal.SIGTERM)[0] == 0
    assert "STATUS=waiting for the microphone" in [line for _, line in manager.told]
    assert_fed(manager, at_least=8)


def test_only_the_loop_that_listens_feeds_the_watchdog(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that hangs stops feeding; one without samples, because the microphone is gone, goes on."""
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    watchdog = Watchdog()
    time.sleep(0.3)
    assert manager.listen() == ["READY=1", "STATUS=listening"]
    watchdog.notice(Notice("lost", "microphone 'usb' was lost"))
    for _ in range(3):
        watchdog.take(NOTHING, [])
        time.sleep(0.06)
    watchdog.notice(Notice("overflow", "audio was lost"))
    watchdog.notice(Notice("back", "microphone 'usb' is back"))
    watchdog.close()
    told = manager.listen()
    assert told.count("WATCHDOG=1") >= 2
    told = [line for line in told if line != "WATCHDOG=1"]
    assert told == ["STATUS=waiting for the microphone", "STATUS=listening", "STOPPING=1"]


@pytest.mark.parametrize(("name", "value"), [("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", ""), ("WATCHDOG_USEC", "soon")])
def test_a_watchdog_that_is_not_ours_is_not_fed(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """It waits for another process, or there is none."""
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    monkeypatch.setenv(name, value)
    Watchdog().take(NOTHING, [])
    assert manager.listen() == ["READY=1", "STATUS=listening"]


def test_a_label_cannot_say_anything_else(manager: Manager) -> None:
    """Model files come from elsewhere."""
    decision = Decision(1.0, np.ones(1, np.float32), Event(1.0, "a\nMAINPID=1", 0.5))
    Watchdog().take(NOTHING, [decision])
    assert manager.listen()[2:] == [r"STATUS=listening; last word 'a\nMAINPID=1', 0.50"]


def test_an_abstract_name_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As sd_notify(3) has them: with an @."""
    name = f"kws-test-{os.getpid()}"
    one = Manager("\0" + name)
    monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
    assert under_systemd()
    notify("STATUS=a")
    assert one.listen(1) == ["STATUS=a"]
    one.close()


def test_a_service_manager_that_does_not_listen_or_is_gone_does_no_harm(manager: Manager, tmp_path: Path) -> None:
    """Nothing is raised and nothing waits."""
    for _ in range(5000):  # more than a socket holds
        notify("STATUS=a")
    assert 0 < len(manager.listen()) < 5000
    manager.close()
    notify("STATUS=b")
    (tmp_path / "notify").unlink()
    notify("STATUS=c")


def test_without_systemd_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal has no watchdog."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not under_systemd()
