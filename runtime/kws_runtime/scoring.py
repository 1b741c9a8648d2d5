"""Events against the truth of a scene, and scores of clips: hits, misses, false accepts, delay, intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kws_runtime.detector import Event
from kws_runtime.errors import DataError

HIT_AFTER_END_S = 1.0  # MLPerf Tiny's streaming wakeword rule
ONE_BURST_S = 1.0  # a false accept this soon after a counted one belongs to it
ENDURANCE_SECONDS = 1800.0  # a scene as long as this is asked whether it ends as well as it began
ENDURANCE_END_SECONDS = 600.0  # by its first and its last ten minutes
Z_95 = 1.959964  # two-sided 95 % of the normal distribution


@dataclass(frozen=True)
class Word:
    """A word said in a scene, in seconds."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Truth:
    """What is said in a scene, and when."""

    name: str
    seconds: float
    words: tuple[Word, ...]


def read_truth(path: Path) -> Truth:
    """Read a scene's JSON. Raises DataError that names the file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        words = tuple(Word(str(w["label"]), float(w["start"]), float(w["end"])) for w in values["words"])
        return Truth(str(values.get("name", path.stem)), float(values["seconds"]), words)
    except FileNotFoundError:
        raise DataError(f"{path}: missing; a scene is a WAV with the truth beside it as JSON") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a scene's truth: {error!r}") from error


@dataclass(frozen=True)
class SceneScore:
    """How a scene was heard."""

    seconds: float
    heard: tuple[tuple[float, bool], ...]  # of each word: its start, and whether it was hit
    false_accepts: int
    delays: tuple[float, ...]  # of the hits: event time minus the word's end

    @property
    def words(self) -> int:
        return len(self.heard)

    @property
    def hits(self) -> int:
        return len(self.delays)

    @property
    def frr(self) -> float:
        return 1 - self.hits / self.words if self.words else math.nan

    @property
    def fa_per_hour(self) -> float:
        return self.false_accepts / (self.seconds / 3600)

    def to_json(self) -> dict[str, Any]:
        """Figures with their 95 % intervals; those that a scene without words cannot have are left out."""
        hours = self.seconds / 3600
        figures: dict[str, Any] = {
            "seconds": self.seconds,
            "words": self.words,
            "false_accepts": self.false_accepts,
            "fa_per_hour": round(self.fa_per_hour, 3),
            "fa_per_hour_interval": [round(count / hours, 3) for count in poisson_interval(self.false_accepts)],
        }
        if self.words:
            misses = self.words - self.hits
            figures |= {"hits": self.hits, "frr": round(self.frr, 4)}
            figures["frr_interval"] = [round(share, 4) for share in wilson_interval(misses, self.words)]
        if self.delays:
            ranked = sorted(self.delays)
            figures["delay_p50"] = round(ranked[len(ranked) // 2], 3)
            figures["delay_p95"] = round(ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))], 3)
        return figures | self._endurance()

    def _endurance(self) -> dict[str, Any]:
        """FRR of the first and of the last ten minutes of a long scene, by where the words start. It holds where
        the last is not above the interval of the first."""
        first = [hit for start, hit in self.heard if start < ENDURANCE_END_SECONDS]
        last = [hit for start, hit in self.heard if start >= self.seconds - ENDURANCE_END_SECONDS]
        if self.seconds < ENDURANCE_SECONDS or not first or not last:
            return {}
        figures: dict[str, Any] = {
            name: share_figure(hits.count(False), len(hits), "words")
            for name, hits in (("frr_first", first), ("frr_last", last))
        }
        return figures | {"frr_holds": figures["frr_last"]["share"] <= figures["frr_first"]["interval"][1]}


def score_scene(events: Sequence[Event], truth: Truth) -> SceneScore:
    """Count. An event between a word's start and 1 s after its end, of its label, hits it (one that has no hit
    yet, where two overlap); a further one is neither hit nor false accept; every other event is a false accept,
    unless one was counted at most 1 s before."""
    by_label: dict[str, list[tuple[int, Word]]] = {}
    for number, word in enumerate(truth.words):
        by_label.setdefault(word.label, []).append((number, word))
    hit: dict[int, float] = {}
    false: list[Event] = []
    for event in sorted(events, key=lambda event: event.time):
        fitting = [
            number
            for number, word in by_label.get(event.label, ())
            if word.start <= event.time <= word.end + HIT_AFTER_END_S
        ]
        unheard = [number for number in fitting if number not in hit]
        if unheard:
            hit[unheard[0]] = event.time - truth.words[unheard[0]].end
        elif not fitting:
            false.append(event)
    heard = tuple((word.start, number in hit) for number, word in enumerate(truth.words))
    return SceneScore(truth.seconds, heard, len(counted(false)), tuple(hit.values()))


def counted(false: Iterable[Event]) -> list[Event]:
    """Those of false accepts, in order of time, that count: one at most 1 s after a counted one belongs to it."""
    found: list[Event] = []
    for event in false:
        if not found or event.time - found[-1].time > ONE_BURST_S:
            found.append(event)
    return found


def share_figure(count: int, total: int, of: str) -> dict[str, Any]:
    """A share with its 95 % interval, and of how many of what (`of`, the name of the last key)."""
    low, high = wilson_interval(count, total)
    return {"share": round(count / total, 4), "interval": [round(low, 4), round(high, 4)], of: total}


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    share, z2 = count / total, Z_95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z_95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def poisson_interval(count: int) -> tuple[float, float]:
    """Exact 95 % interval of a Poisson count (Garwood 1936), found by bisection."""

    def at_most(n: int, mean: float) -> float:
        return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(n + 1))

    def solve(n: int, probability: float) -> float:
        low, high = 1e-9, 10.0 * (n + 10)
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(n, middle) > probability else (low, middle)
        return low

    return (solve(count - 1, 0.975) if count else 0.0), solve(count, 0.025)
