"""Accuracy against size: a point a file, its interval, its architecture's name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from kws_export.report.figures import Tree, entries, interval, kilobytes, number, percent, word
from kws_export.report.marks import RADIUS, RING, mark
from kws_export.report.markup import element, escape
from kws_export.report.svg import (
    LETTER,
    NARROW,
    Frame,
    Scale,
    axis_below,
    axis_left,
    line,
    linear,
    log_ticks,
    logarithmic,
    picture,
    spread,
    text,
    tick_text,
    ticks,
)

APART = 2 * RADIUS + 3  # pixels between two marks that would lie over each other
LINE_PX = 15  # height of a line of text


@dataclass(frozen=True)
class Point:
    """One file in the picture; places in pixels once they are known."""

    name: str
    architecture: str
    scheme: str
    taught: bool
    size: float  # bytes
    share: float
    low: float
    high: float
    x: float = 0.0

    @property
    def said(self) -> str:
        """For a pointer that rests on it."""
        ends = f" ({percent(self.low)} to {percent(self.high)})" if self.low < self.high else ""
        return f"{self.name}: {percent(self.share)} %{ends}, {kilobytes(self.size)} kB"


def points_of(models: list[Tree]) -> list[Point]:
    """A point for each architecture, scheme and way of training that has both figures, TFLite before ONNX."""
    found: dict[tuple[str, str, bool], Point] = {}
    for model in sorted(models, key=lambda model: word(model, "format") == "onnx"):
        share, size = number(model, "accuracy_words_carried", "share"), number(model, "bytes")
        if share is None or size is None or size <= 0:
            continue
        low, high = interval(model, "accuracy_words_carried", "interval") or (share, share)
        key = word(model, "architecture"), word(model, "scheme"), model.get("taught") is True
        found.setdefault(key, Point(word(model, "name"), *key, size, share, low, high))
    return list(found.values())


def scatter(report: Tree, classes: dict[str, str], width: int) -> str:
    """Words right on the carried stream against the size of the file, on a logarithmic axis."""
    points = points_of(entries(report, "models"))
    if not points:
        return ""
    frame = Frame(44, 16, width - 14, (500 if width > NARROW else 420) - 46)
    least, most = min(point.size for point in points) / 1.5, max(point.size for point in points) * 1.5
    across = logarithmic(least, most, frame.left, frame.right)
    lowest, highest = min(point.low for point in points), max(point.high for point in points)
    margin = 0.08 * (highest - lowest) or 0.01
    bottom, top = lowest - margin, min(1.0, highest + margin)
    up = linear(bottom, top, frame.bottom, frame.top)
    points = _parted(points, across, frame)
    label = (
        f"Words right on the carried stream against file size, {len(points)} files. The table below has the figures."
    )
    return picture(
        width,
        frame.bottom + 46,
        label,
        axis_left(frame, up, ticks(bottom, top, 6), lambda share: tick_text(100 * share)),
        axis_below(frame, across, log_ticks(least, most), lambda size: tick_text(size / 1000)),
        text(frame.right, frame.bottom + 36, "size of the file, kB", "tick", "end"),
        *(_path(list(of_one), up, classes) for _, of_one in _by_architecture(points)),
        *(_drawn(point, up, classes) for point in points),
        *_names(points, up, frame, classes),
    )


def _by_architecture(points: list[Point]) -> Iterator[tuple[str, Iterator[Point]]]:
    return groupby(sorted(points, key=lambda point: point.architecture), key=lambda point: point.architecture)


def _parted(points: list[Point], across: Scale, frame: Frame) -> list[Point]:
    """Points of one architecture moved sideways until their marks are apart."""
    parted: list[Point] = []
    for _, of_one in _by_architecture(points):
        ordered = sorted(of_one, key=lambda point: point.size)
        places = spread([across(point.size) for point in ordered], APART, frame.left + RING, frame.right - RING)
        parted += [replace(point, x=x) for point, x in zip(ordered, places, strict=True)]
    return parted


def _path(points: list[Point], up: Scale, classes: dict[str, str]) -> str:
    """A thin line through the files of one architecture."""
    ordered = sorted(points, key=lambda point: point.x)
    corners = " ".join(f"{point.x:.1f},{up(point.share):.1f}" for point in ordered)
    return element("polyline", points=corners, class_=f"path {classes.get(points[0].architecture, '')}")


def _drawn(point: Point, up: Scale, classes: dict[str, str]) -> str:
    whisker = line(point.x, up(point.low), point.x, up(point.high), "whisker") if point.low < point.high else ""
    drawn = mark(point.scheme, point.x, up(point.share), point.taught)
    title = element("title", escape(point.said))
    return element("g", title, whisker, drawn, class_=classes.get(point.architecture, ""))


Box = tuple[float, float, float, float]  # left, top, right, bottom


def _names(points: list[Point], up: Scale, frame: Frame, classes: dict[str, str]) -> Iterator[str]:
    """Each architecture's name near its largest file, where it covers least."""
    taken: list[Box] = [(p.x - 4, up(p.high), p.x + 4, up(p.low)) for p in points]
    taken += [(p.x - RING, up(p.share) - RING, p.x + RING, up(p.share) + RING) for p in points]
    for architecture, of_one in _by_architecture(points):
        ordered = sorted(of_one, key=lambda point: -point.x)
        room = len(architecture) * LETTER * 1.1
        places = [box for point in ordered for box in _places(point, up, room)]
        inside = [box for box in places if _inside(box, frame)] or places
        best = min(inside, key=lambda box: sum(_overlap(box, other) for other in taken))
        taken.append(best)
        name_class = f"name {classes.get(architecture, '')}"
        yield text((best[0] + best[2]) / 2, best[3] - 4, architecture, name_class, "middle")


def _places(point: Point, up: Scale, room: float) -> Iterator[Box]:
    """Above, below, right and left of a point."""
    top, middle, bottom = up(point.high), up(point.share), up(point.low)
    yield point.x - room / 2, top - LINE_PX - 3, point.x + room / 2, top - 3
    yield point.x - room / 2, bottom + 3, point.x + room / 2, bottom + LINE_PX + 3
    yield point.x + RING + 3, middle - LINE_PX / 2, point.x + RING + 3 + room, middle + LINE_PX / 2
    yield point.x - RING - 3 - room, middle - LINE_PX / 2, point.x - RING - 3, middle + LINE_PX / 2


def _inside(box: Box, frame: Frame) -> bool:
    return box[0] >= frame.left and box[1] >= 0 and box[2] <= frame.right + 8 and box[3] <= frame.bottom


def _overlap(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across * down if across > 0 and down > 0 else 0.0
