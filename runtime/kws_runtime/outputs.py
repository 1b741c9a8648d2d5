"""What becomes of what was heard: lines for people, lines for programs. Others are a file each: view, hook, keeper."""

from __future__ import annotations

import json
import sys
from typing import Any

from kws_runtime.audio import Chunk
from kws_runtime.detector import Event
from kws_runtime.listener import Decision
from kws_runtime.notice import Notice
from kws_runtime.scoring import Truth, score_scene

BAR_WIDTH = 20


class Output:
    """Takes each chunk with what was heard in it. By default it does nothing with it."""

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        """A chunk, in order, as soon as it was heard; without samples where nothing came for a moment."""

    def notice(self, notice: Notice) -> None:
        """Something else that happened."""

    def close(self) -> None:
        """The end of the stream: hand on what is still held back."""


class JsonLines(Output):
    """One JSON object a line on standard output, flushed."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self._say({"event": "ready", **ready})

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        for decision in decisions:
            if decision.event:
                self._say(decision.event.to_json())

    def notice(self, notice: Notice) -> None:
        self._say(notice.to_json())

    @staticmethod
    def _say(values: dict[str, Any]) -> None:
        print(json.dumps(values), flush=True)


class Lines(Output):
    """A line an event on standard output; notices on standard error."""

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        for decision in decisions:
            if decision.event:
                print(self.line(decision.event), flush=True)

    def notice(self, notice: Notice) -> None:
        print(notice.text, file=sys.stderr, flush=True)

    def line(self, event: Event) -> str:
        """An event for people."""
        bar = "█" * round(event.score * BAR_WIDTH)
        return f"{event.time:9.2f} s  {event.label:8}{event.score:5.2f}  {bar}"


class Demo(Lines):
    """Lines that say beside each event what was said, and how many words were heard in all."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._events: list[Event] = []

    def line(self, event: Event) -> str:
        """An event and the word of the truth that lies nearest."""
        self._events.append(event)
        nearest = min(self._truth.words, key=lambda word: abs(word.end - event.time))
        line = super().line(event)
        width = len(super().line(Event(event.time, event.label, 1.0)))
        return f"{line:{width}}   said: {nearest.label} at {nearest.start:.2f}-{nearest.end:.2f} s"

    def summary(self) -> str:
        """Words heard and false accepts."""
        score = score_scene(self._events, self._truth)
        return f"{score.hits} of {score.words} words heard, {score.false_accepts} false accepts"


class Outputs(Output):
    """Several outputs, in order."""

    def __init__(self) -> None:
        self._outputs: list[Output] = []

    def add(self, output: Output) -> None:
        """The last to take what was heard."""
        self._outputs.append(output)

    def add_first(self, output: Output) -> None:
        """The first to take what was heard."""
        self._outputs.insert(0, output)

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        for output in self._outputs:
            output.take(chunk, decisions)

    def notice(self, notice: Notice) -> None:
        for output in self._outputs:
            output.notice(notice)

    def close(self) -> None:
        for output in self._outputs:
            output.close()
