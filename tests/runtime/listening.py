"""`kws-listen --json` as a program that is listened to in turn; any command, interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

LISTEN = Path(sys.executable).parent / "kws-listen"


class Listening:
    """A running `kws-listen`: its lines as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._coming: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._coming.put(line)

    def wait_for(self, event: str, seconds: float = 20.0) -> dict[str, Any]:
        """The next line of this kind; those before it are kept in `lines` too."""
        deadline = time.monotonic() + seconds
        while True:
            line = json.loads(self._coming.get(timeout=max(0.01, deadline - time.monotonic())))
            self.lines.append(line)
            if line["event"] == event:
                return line  # type: ignore[no-any-return]

    def end(self, number: int, seconds: float = 20.0) -> tuple[int, str]:
        """Send a signal; return the exit code and what stands on standard error."""
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        while not self._coming.empty():
            self.lines.append(json.loads(self._coming.get()))
        assert self.process.stderr is not None
        return code, self.process.stderr.read()

    def close(self) -> None:
        """Kill what still runs."""
        self.process.kill()
        self._reader.join()
        self.process.__exit__(None, None, None)

    def detections(self) -> list[tuple[str, float]]:
        """Label and time of each detection so far."""
        return [(line["label"], line["time"]) for line in self.lines if line["event"] == "detection"]


@contextlib.contextmanager
def listening(*arguments: str | Path, environment: dict[str, str] | None = None) -> Iterator[Listening]:
    """Run `kws-listen --json` until the block ends."""
    command = [LISTEN, "--json", *map(str, arguments)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    program = Listening(process)
    try:
        yield program
    finally:
        program.close()


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something; fail where it does not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)


def memory_bytes(process: int | str = "self") -> int:
    """The resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def interrupted(
    command: Sequence[str | Path], when: str, env: dict[str, str] | None = None, seconds: float = 20.0
) -> tuple[int, str]:
    """Run a command, press Ctrl-C once it prints a line with `when`; its exit code and its standard error."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what a child of ours must not find ignored
    try:
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                while when not in process.stdout.readline():
                    assert process.poll() is None
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=seconds)
            finally:
                process.kill()
    finally:
        signal.signal(signal.SIGINT, before)
    return process.returncode, errors
