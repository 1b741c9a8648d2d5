"""The pictures of the page, each an SVG made of strings: bars of SQNR, lines of drift, histograms; see also scatter."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kws_export.report.figures import (
    MISSING,
    SECTION_MINUTES,
    TIMES,
    Tree,
    ends_of,
    fixed,
    growth_of,
    interval,
    number,
    numbers,
    significant,
    times,
    word,
)
from kws_export.report.markup import element, escape
from kws_export.report.scatter import scatter
from kws_export.report.svg import (
    NARROW,
    Frame,
    Scale,
    axis_below,
    axis_left,
    line,
    linear,
    picture,
    shorten,
    spread,
    text,
    ticks,
)

__all__ = ["bars", "drift_lines", "histogram", "largest_distance", "meter", "most_db", "noisiest", "scatter"]

MOST_BARS = 40  # of one picture: of more ops, the noisiest
ROW_PX = 18
METER_PX = 84


def noisiest(ops: list[Tree]) -> list[Tree]:
    """The ops that a picture has room for, in the graph's order."""
    if len(ops) <= MOST_BARS:
        return ops
    measured = (op for op in ops if number(op, "sqnr_db") is not None)
    worst = sorted(measured, key=lambda op: number(op, "sqnr_db") or 0.0)[:MOST_BARS]
    return [op for op in ops if any(op is one for one in worst)]


def most_db(layers: Sequence[list[Tree]]) -> float:
    """The end of the axis that all the pictures of SQNR have in common."""
    return max((number(op, "sqnr_db") or 0.0 for ops in layers for op in ops), default=0.0) or 1.0


def bars(architecture: str, ops: list[Tree], most: float, class_: str, width: int) -> str:
    """SQNR of every op's output, a bar each; 16-bit tensors are paler."""
    ops = noisiest(ops)
    frame = Frame((0.36 if width > NARROW else 0.42) * width, 6, width - 42, 6 + ROW_PX * len(ops))
    least = min([0.0, *(number(op, "sqnr_db") or 0.0 for op in ops)])
    across = linear(least, most, frame.left, frame.right)
    rows = []
    for index, op in enumerate(ops):
        middle = frame.top + ROW_PX * (index + 0.5)
        said = ", ".join(filter(None, (word(op, "name"), word(op, "kind"), word(op, "width"))))
        rows.append(
            element(
                "g",
                element("title", escape(f"{said}: {fixed(number(op, 'sqnr_db'), 1)} dB")),
                text(frame.left - 8, middle + 4, shorten(word(op, "name"), frame.left - 12), "label", "end"),
                _bar(op, across, middle),
            )
        )
    marks = ticks(least, most, 4)
    label = f"Signal to quantization noise of {len(ops)} ops of {architecture}, in dB."
    grid = "".join(line(across(value), frame.top, across(value), frame.bottom, "grid") for value in marks)
    below = text(frame.right, frame.bottom + 33, "dB, longer is better", "tick", "end")
    content = element("g", *rows, class_=class_) if rows else ""
    return picture(width, frame.bottom + 40, label, grid, axis_below(frame, across, marks), content, below)


def _bar(op: Tree, across: Scale, middle: float) -> str:
    value = number(op, "sqnr_db")
    if value is None:
        return text(across(0) + 5, middle + 4, MISSING, "tick")
    left, right = sorted((across(0), across(value)))
    pale = " pale" if word(op, "width").startswith("int16") else ""
    bar = element("rect", x=left, y=middle - 6, width=max(1.0, right - left), height=12, rx=1.5, class_=f"bar{pale}")
    return bar + text(right + 5, middle + 4, fixed(value, 1), "tick")


def largest_distance(drift: Tree, quantity: str) -> float:
    """The end of the axis that all the pictures of one distance have in common."""
    every = (
        numbers(stream, quantity) for kinds in drift.values() if isinstance(kinds, dict) for stream in kinds.values()
    )
    return max((value for values in every for value in values if value is not None), default=0.0)


def drift_lines(model: str, kinds: Tree, quantity: str, most: float, class_: str, width: int) -> str:
    """A distance against the minutes of an hour for each kind of stream, with the means of its two ends."""
    streams = {kind: numbers(stream, quantity) for kind, stream in kinds.items()}
    streams = {kind: values for kind, values in streams.items() if any(value is not None for value in values)}
    if not streams:
        return ""
    hour = max(len(values) for values in streams.values())
    frame = Frame(46, 12, width - 104, 212)
    across, up = linear(0, hour, frame.left, frame.right), linear(0, 1.08 * most or 1.0, frame.bottom, frame.top)
    label = f"Mean distance of the {quantity} of {model} from float's over {hour} minutes, for {', '.join(streams)}."
    drawn = [_stream(values, place, across, up) for place, values in enumerate(streams.values())]
    return picture(
        width,
        frame.bottom + 40,
        label,
        *_sections(hour, across, frame),
        axis_left(frame, up, ticks(0, 1.08 * most or 1.0, 4)),
        axis_below(frame, across, ticks(0, hour, 6)),
        text(frame.right, frame.bottom + 34, "minutes", "tick", "end"),
        element("g", *drawn, class_=class_),
        *_stream_names(streams, up, frame, class_),
    )


def _sections(hour: int, across: Scale, frame: Frame) -> list[str]:
    """Shades behind the two ends whose means are compared."""
    if hour < 2 * SECTION_MINUTES:
        return []
    starts = (0, hour - SECTION_MINUTES)
    width = across(SECTION_MINUTES) - across(0)
    return [
        element("rect", x=across(start), y=frame.top, width=width, height=frame.height, class_="section")
        for start in starts
    ]


def _stream(values: list[float | None], place: int, across: Scale, up: Scale) -> str:
    """One kind of stream: a line that breaks where a minute is missing, and its means."""
    steps, pen = [], "M"
    for minute, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        steps.append(f"{pen}{across(minute + 0.5):.1f} {up(value):.1f}")
        pen = "L"
    drawn = element("path", d="".join(steps), class_=f"stream stream-{place % 3}")
    first, last = ends_of(values)
    for start, value in ((0, first), (len(values) - SECTION_MINUTES, last)):
        if value is not None:
            drawn += line(across(start), up(value), across(start + SECTION_MINUTES), up(value), "mean")
    return drawn


def _stream_names(streams: dict[str, list[float | None]], up: Scale, frame: Frame, class_: str) -> list[str]:
    """At the right end of each line its kind, its dashes, and how its error grew."""
    ends = [next(value for value in reversed(values) if value is not None) for values in streams.values()]
    means = [ends_of(values)[1] for values in streams.values()]
    wanted = [up(end if mean is None else mean) for end, mean in zip(ends, means, strict=True)]
    places = spread(wanted, 28, frame.top + 8, frame.bottom - 14)
    names = []
    for place, (kind, values) in enumerate(streams.items()):
        y, x = places[place], frame.right + 8
        names.append(line(x, y - 3, x + 16, y - 3, f"stream stream-{place % 3} {class_}"))
        names.append(text(x + 21, y + 1, shorten(kind, 72), "label"))
        names.append(text(x + 21, y + 14, times(growth_of(values)) if growth_of(values) else TIMES + MISSING, "tick"))
    return names


def histogram(model: str, one: Tree, class_: str, width: int) -> str:
    """How often each value comes, on a logarithmic axis, and the range that the type can say."""
    counts = [value or 0.0 for value in numbers(one, "counts")]
    low, high = number(one, "low"), number(one, "high")
    if not counts or low is None or high is None or low >= high:
        return ""
    limits = interval(one, "range")
    frame = Frame(10, 8, width - 10, 118)
    across = linear(low, high, frame.left, frame.right)
    tall = math.log1p(max(counts)) or 1.0
    step = (high - low) / len(counts)
    drawn = []
    for index, count in enumerate(counts):
        height = frame.height * math.log1p(max(0.0, count)) / tall
        start = low + index * step
        outside = limits is not None and not limits[0] - step <= start + step / 2 <= limits[1] + step
        place = {"x": across(start), "width": max(1.0, across(start + step) - across(start) - 0.6)}
        kind = "bar outside" if outside else "bar"
        drawn.append(element("rect", y=frame.bottom - height, height=height, class_=kind, **place))
    ends = [
        line(across(end), frame.top, across(end), frame.bottom, "limit") for end in limits or () if low <= end <= high
    ]
    said = ", ".join(filter(None, (word(one, "tensor"), word(one, "what"))))
    label = f"Histogram of {said} of {model}, from {significant(low)} to {significant(high)}."
    if limits:
        label += f" The type says {significant(limits[0])} to {significant(limits[1])}."
    return picture(
        width, 144, label, element("g", *drawn, class_=class_), *ends, axis_below(frame, across, ticks(low, high, 4))
    )


def meter(share: float | None, class_: str = "") -> str:
    """A bar for a cell of a table: the share of a whole."""
    if share is None:
        return ""
    filled = METER_PX * min(1.0, max(0.0, share))
    rect = element("rect", x=0, y=0, width=METER_PX, height=6, rx=2, class_="meter-whole")
    part = element("rect", x=0, y=0, width=filled, height=6, rx=2, class_="bar")
    return element("svg", rect, part, width=METER_PX, height=6, class_=f"meter {class_}".strip(), aria_hidden="true")
