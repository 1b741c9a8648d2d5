"""A command for each event: `kws-listen --exec`."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from kws_runtime.audio import Chunk
from kws_runtime.detector import Event
from kws_runtime.errors import MissingError
from kws_runtime.listener import Decision
from kws_runtime.notice import Notice, Notify
from kws_runtime.outputs import Output

MOST_RUNNING = 4
LONGEST_SECONDS = 10.0  # a command that runs longer hangs, and is killed
LEAVE_SECONDS = 1.0  # that commands have to end after the listener was told to


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    label: str
    deadline: float  # of time.monotonic


def split_command(text: str) -> list[str]:
    """A program and its arguments, split as a shell would, and that is all a shell would do.

    Raises ArgumentTypeError for quotes that are not closed or for nothing at all.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not words:
        raise argparse.ArgumentTypeError("an empty command")
    return words


class Hook(Output):
    """Runs a command for each event, never through a shell, and never waits for it.

    KWS_LABEL, KWS_SCORE and KWS_TIME are in its environment; what it prints goes to our standard error.
    """

    def __init__(self, command: list[str], notify: Notify) -> None:
        """`command` is the program and its arguments. Raises MissingError where there is no such program."""
        self._arguments = command
        if shutil.which(command[0]) is None:
            raise MissingError(f"--exec: there is no command {command[0]!r} that can be run")
        self._notify = notify
        self._running: list[_Running] = []

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        self._reap()
        for decision in decisions:
            if decision.event:
                self._start(decision.event)

    def close(self) -> None:
        """Leave the commands a moment to end, then kill them."""
        end = time.monotonic() + LEAVE_SECONDS
        while self._running and time.monotonic() < end:
            time.sleep(0.01)
            self._reap()
        for one in self._running:
            self._kill(one, "was still running at the end")

    def _start(self, event: Event) -> None:
        if len(self._running) >= MOST_RUNNING:
            self._tell(event.label, f"was not run: {MOST_RUNNING} are still running")
            return
        values = {"KWS_LABEL": event.label, "KWS_SCORE": f"{event.score:.3f}", "KWS_TIME": f"{event.time:.3f}"}
        try:
            process = subprocess.Popen(
                self._arguments,
                env={**os.environ, **values},
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                start_new_session=True,  # Ctrl-C is for us, and its children can be killed with it
            )
        except OSError as error:
            self._tell(event.label, f"could not be run: {error.strerror or error}")
            return
        self._running.append(_Running(process, event.label, time.monotonic() + LONGEST_SECONDS))

    def _reap(self) -> None:
        now = time.monotonic()
        still = []
        for one in self._running:
            code = one.process.poll()
            if code is None and now < one.deadline:
                still.append(one)
            elif code is None:
                self._kill(one, f"was killed: it ran longer than {LONGEST_SECONDS:.0f} s")
            elif code != 0:
                self._tell(one.label, f"ended with exit code {code}")
        self._running = still

    def _kill(self, one: _Running, why: str) -> None:
        os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()
        self._tell(one.label, why)

    def _tell(self, label: str, what: str) -> None:
        name = self._arguments[0]
        self._notify(Notice("exec", f"{name} for {label!r} {what}", {"command": name, "label": label, "problem": what}))
