"""What a person sees while listening: the events as lines, and below them one line that lives.

It shows how loud it is, what the model takes it for, and how long it has listened:

    ▕█████████▏    ▏ -31 dB   down ▁ go ▁ left ▂ no ▁ right ▁ stop ▁ up ▇ yes ▁   0:12:34
"""

from __future__ import annotations

import shutil
import sys
import time

import numpy as np

from kws_runtime.audio import Chunk, Gap
from kws_runtime.frontend import SAMPLE_RATE
from kws_runtime.levels import dbfs
from kws_runtime.listener import Decision
from kws_runtime.notice import Notice
from kws_runtime.outputs import Lines

REDRAW_SECONDS = 0.1  # often enough for the eye, seldom enough for a small machine
METER_WIDTH = 20
METER_FLOOR_DB, LOUD_DB = -60.0, -1.0  # of full scale: where the meter begins, and where it says that it is too loud
FALL_DB_PER_REDRAW = 2.0  # the mark of the loudest falls so slowly that it can be seen
HEIGHTS = "▁▂▃▄▅▆▇█"  # of a score, from 0 to its threshold and over
ERASE_LINE = "\r\x1b[2K"


class View(Lines):
    """Lines for people at a terminal, with a line below them that shows what is heard at the moment."""

    def __init__(self, labels: tuple[str, ...], thresholds: dict[str, float]) -> None:
        """`thresholds` has the labels that raise events."""
        self._words = [(number, label, thresholds[label]) for number, label in enumerate(labels) if label in thresholds]
        self._scores = np.zeros(len(labels), np.float32)
        self._peak = self._power = 0.0
        self._samples = 0
        self._mark_db = METER_FLOOR_DB
        self._seconds = 0.0
        self._drawn_at = -np.inf
        self._state = ""  # instead of the scores, where nothing is heard

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        if any(decision.event for decision in decisions):
            sys.stdout.write(ERASE_LINE)
            super().take(chunk, decisions)
            self._drawn_at = -np.inf
        if isinstance(chunk, Gap):
            self._seconds += chunk.seconds
            return
        if len(chunk):
            self._peak = max(self._peak, float(np.abs(chunk).max()))
            self._power += float(chunk @ chunk)
            self._samples += len(chunk)
            self._seconds += len(chunk) / SAMPLE_RATE
        for decision in decisions:
            self._scores = np.maximum(self._scores, decision.scores)
        now = time.monotonic()
        if now - self._drawn_at >= REDRAW_SECONDS:
            self._drawn_at = now
            self._draw()

    def notice(self, notice: Notice) -> None:
        if notice.kind in ("lost", "back"):
            self._state = "waiting for the microphone" if notice.kind == "lost" else ""
        sys.stdout.write(ERASE_LINE)
        sys.stdout.flush()
        super().notice(notice)
        self._drawn_at = -np.inf

    def close(self) -> None:
        sys.stdout.write(ERASE_LINE)
        sys.stdout.flush()

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns
        sys.stdout.write(ERASE_LINE + self.status(width - 1))
        sys.stdout.flush()
        self._scores[:] = 0
        self._peak = self._power = 0.0
        self._samples = 0

    def status(self, width: int) -> str:
        """The line that lives, no wider than `width`."""
        level_db = _db(np.sqrt(self._power / self._samples)) if self._samples else METER_FLOOR_DB
        self._mark_db = max(_db(self._peak), self._mark_db - FALL_DB_PER_REDRAW)
        parts = [f"{_meter(level_db, self._mark_db)} {_loudness(level_db, self._peak)}"]
        clock = _clock(self._seconds)
        room = width - len(parts[0]) - len(clock) - 6
        parts += [self._state or self._bars(room), clock]
        return "   ".join(part for part in parts if part)[:width]

    def _bars(self, room: int) -> str:
        """Each word with its score; where the room does not do, those with the highest scores."""
        bars = {label: f"{label} {_height(self._scores[number] / most)}" for number, label, most in self._words}
        by_score = sorted(self._words, key=lambda word: -self._scores[word[0]] / word[2])
        shown = {label for _, label, _ in self._words}
        while shown and sum(len(bars[label]) + 1 for label in shown) - 1 > room:
            shown.discard(by_score.pop()[1])
        return " ".join(bars[label] for _, label, _ in self._words if label in shown)


def _db(amplitude: float) -> float:
    return max(METER_FLOOR_DB, dbfs(amplitude))


def _meter(level_db: float, mark_db: float) -> str:
    """The level as a bar, the loudest of late as a mark."""
    full, mark = (round((db - METER_FLOOR_DB) / -METER_FLOOR_DB * METER_WIDTH) for db in (level_db, mark_db))
    cells = ["█" if place < full else " " for place in range(METER_WIDTH)]
    if full <= mark < METER_WIDTH:
        cells[mark] = "▏"
    return f"▕{''.join(cells)}▏"


def _loudness(level_db: float, peak: float) -> str:
    return "too loud" if _db(peak) > LOUD_DB else f"{level_db:4.0f} dB "


def _height(share: float) -> str:
    """A score as a share of its threshold; full where the word is heard."""
    return HEIGHTS[min(len(HEIGHTS) - 1, int(share * (len(HEIGHTS) - 1)))]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
