"""What the charts have in common: a picture, its scales, its axes, and labels that keep clear of each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kws_export.report.figures import fixed
from kws_export.report.markup import element, escape

WIDE, NARROW = 1040, 358  # pixels of a picture on a desktop and on a phone
HALF = 500  # of one of two that stand beside each other
THIRD = 320  # of one of three
FONT = 11.5
LETTER = 0.62 * FONT  # width of a letter, rather more than less

Scale = Callable[[float], float]


@dataclass(frozen=True)
class Frame:
    """The part of a picture that the data lies in."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top


def picture(width: float, height: float, label: str, *content: str) -> str:
    """An SVG that is as wide as it may be; `label` is what is read aloud."""
    box = f"0 0 {width:g} {height:g}"
    return element("svg", *content, viewBox=box, role="img", aria_label=label, width=width, height=height)


def at_two_widths(draw: Callable[[int], str], wide: int = HALF) -> str:
    """A picture for a desktop and the same for a phone; the style sheet shows one of them."""
    return element("div", draw(wide), class_="wide") + element("div", draw(NARROW), class_="narrow")


def linear(low: float, high: float, start: float, stop: float) -> Scale:
    """Values to pixels."""
    step = (stop - start) / ((high - low) or 1.0)
    return lambda value: start + (value - low) * step


def logarithmic(low: float, high: float, start: float, stop: float) -> Scale:
    """Values to pixels by their logarithm."""
    scale = linear(math.log(low), math.log(high), start, stop)
    return lambda value: scale(math.log(value))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within low and high."""
    raw = ((high - low) or 1.0) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * round_step for round_step in (1, 2, 2.5, 5, 10) if power * round_step >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, 20, ... within low and high."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [digit * 10.0**power for power in powers for digit in (1, 2, 5) if low <= digit * 10.0**power <= high]


def tick_text(value: float) -> str:
    """As few digits as say it."""
    digits = next(digits for digits in range(7) if digits == 6 or abs(round(value, digits) - value) < 1e-9)
    return fixed(value, digits)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: float, y: float, said: str, class_: str = "label", anchor: str | None = None) -> str:
    """One line of text."""
    return element("text", escape(said), x=x, y=y, class_=class_, text_anchor=anchor)


def shorten(said: str, width: float) -> str:
    """What fits into so many pixels, an ellipsis in the middle: both ends of an op's name say something."""
    room = max(4, int(width / LETTER))
    if len(said) <= room:
        return said
    head = (room - 1) // 2
    return f"{said[:head]}\N{HORIZONTAL ELLIPSIS}{said[head + 1 - room :]}"


def axis_left(frame: Frame, scale: Scale, values: Sequence[float], said: Callable[[float], str] = tick_text) -> str:
    """Lines across the frame, with their figures at the left."""
    return "".join(
        line(frame.left, scale(value), frame.right, scale(value), "grid")
        + text(frame.left - 7, scale(value) + 4, said(value), "tick", "end")
        for value in values
    )


def axis_below(frame: Frame, scale: Scale, values: Sequence[float], said: Callable[[float], str] = tick_text) -> str:
    """Ticks and figures below the frame."""
    return line(frame.left, frame.bottom, frame.right, frame.bottom, "axis") + "".join(
        line(scale(value), frame.bottom, scale(value), frame.bottom + 4, "axis")
        + text(scale(value), frame.bottom + 17, said(value), "tick", "middle")
        for value in values
    )


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places moved as little as it takes for neighbours to be `gap` apart, within low and high."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    runs: list[list[int]] = []  # neighbours that touch, each run around the mean of where its members want to be
    for index in order:
        runs.append([index])
        while len(runs) > 1 and _start(places, runs[-1], gap) < _start(places, runs[-2], gap) + gap * len(runs[-2]):
            last = runs.pop()
            runs[-1] += last
    moved = list(places)
    for run in runs:
        start = _start(places, run, gap)
        for rank, index in enumerate(run):
            moved[index] = start + rank * gap
    for rank, index in enumerate(order):
        moved[index] = max(moved[index], low + rank * gap)
    for rank, index in enumerate(reversed(order)):
        moved[index] = min(moved[index], high - rank * gap)
    return moved


def _start(places: Sequence[float], run: Sequence[int], gap: float) -> float:
    """Where the first of a run lies when the run lies around its members' mean."""
    return sum(places[index] - rank * gap for rank, index in enumerate(run)) / len(run)
