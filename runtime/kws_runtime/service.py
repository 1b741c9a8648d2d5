"""Under systemd: tell it when listening began, and feed its watchdog as long as it goes on."""

from __future__ import annotations

import contextlib
import os
import socket
import time

from kws_runtime.audio import Chunk
from kws_runtime.listener import Decision
from kws_runtime.notice import Notice
from kws_runtime.outputs import Output

FEEDS_A_PERIOD = 4  # of the watchdog; one that comes late or gets lost then does no harm
_STATUS = {"lost": "waiting for the microphone", "back": "listening"}  # by the kind of the notice


def under_systemd() -> bool:
    """Somebody listens to `notify`: systemd, for units of `Type=notify`."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(text: str) -> None:
    """Send `text`, one `NAME=value` a line, to the service manager, as sd_notify(3) says:
    https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html

    Where nobody takes it, it is lost: a listener neither ends nor waits because of it.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract name, see unix(7)
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.setblocking(False)
        connection.sendto(text.encode(), address)


class Watchdog(Output):
    """Made when listening begins. It feeds from the loop that listens, so one that hangs is noticed.

    A microphone that is gone is no such thing: the loop goes on then, without samples.
    """

    def __init__(self) -> None:
        self._every = _seconds_between_feeds()
        self._fed_at = time.monotonic()
        notify("READY=1\nSTATUS=listening")

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        for decision in decisions:
            if decision.event:
                notify(f"STATUS=listening; last word {decision.event.label!r}, {decision.event.score:.2f}")
        now = time.monotonic()
        if self._every is not None and now - self._fed_at >= self._every:
            self._fed_at = now
            notify("WATCHDOG=1")

    def notice(self, notice: Notice) -> None:
        if notice.kind in _STATUS:
            notify(f"STATUS={_STATUS[notice.kind]}")

    def close(self) -> None:
        notify("STOPPING=1")


def _seconds_between_feeds() -> float | None:
    """None where no watchdog waits for this process; see sd_watchdog_enabled(3)."""
    period_us = os.environ.get("WATCHDOG_USEC", "")
    if not period_us.isdecimal() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(period_us) / 1e6 / FEEDS_A_PERIOD
