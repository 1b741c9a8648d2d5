"""One colour an architecture, cool for RNNs and warm for CNNs; one mark a scheme."""

from __future__ import annotations

from collections.abc import Sequence

from kws_export.report.figures import SCHEMES, Tree, entries, named, word
from kws_export.report.markup import element, escape

COLOURS = 5  # of each kind; a sixth architecture takes the first again
RADIUS = 5.0
RING = 9.0  # of the ring around a network that was taught to be quantized

_ARM, _END = 0.42, 1.25
_PLUS = [(-_ARM, -_END), (_ARM, -_END), (_ARM, -_ARM), (_END, -_ARM), (_END, _ARM), (_ARM, _ARM)]
_PLUS += [(-x, -y) for x, y in _PLUS]

# Corners of each mark around (0, 0), in radii; a scheme without corners is a circle.
_CORNERS: dict[str, Sequence[tuple[float, float]]] = {
    "fp32": (),
    "fp16": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "dynamic": ((0, -1.2), (1.15, 0.85), (-1.15, 0.85)),
    "int8": ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
    "int8-narrow": ((-1.15, -0.85), (1.15, -0.85), (0, 1.2)),
    "int16x8": _PLUS,
}


def colours(report: Tree) -> dict[str, str]:
    """The class of each architecture's colour, in the order of the report."""
    kinds = {word(model, "architecture"): word(model, "kind") for model in entries(report, "models")}
    for row in entries(report, "calibration"):
        kinds.setdefault(word(row, "architecture"), "")
    for architecture, _ in named(report, "layers"):
        kinds.setdefault(architecture, "")
    counts = {"rnn": 0, "cnn": 0}
    classes = {}
    for architecture, kind in kinds.items():
        family = "cnn" if kind.upper() == "CNN" else "rnn"
        classes[architecture] = f"{family}-{counts[family] % COLOURS + 1}"
        counts[family] += 1
    return classes


def mark(scheme: str, x: float, y: float, taught: bool = False) -> str:
    """The mark of a scheme; a ring around it where quantization was taught."""
    corners = _CORNERS.get(scheme, ())
    if corners:
        points = " ".join(f"{x + RADIUS * right:.1f},{y + RADIUS * down:.1f}" for right, down in corners)
        drawn = element("polygon", points=points, class_="mark")
    else:
        drawn = element("circle", cx=x, cy=y, r=RADIUS, class_="mark")
    return drawn + (element("circle", cx=x, cy=y, r=RING, class_="ring") if taught else "")


def chip(class_: str) -> str:
    """A dot of an architecture's colour, for tables and legends."""
    return element("span", "", class_=f"chip {class_}", aria_hidden="true")


def legend(schemes: Sequence[str], taught: bool) -> str:
    """What each mark means."""
    items = [_item(mark(scheme, 10, 10), f"{scheme}: {SCHEMES[scheme]}") for scheme in SCHEMES if scheme in schemes]
    items += [_item(mark(scheme, 10, 10), scheme) for scheme in dict.fromkeys(schemes) if scheme not in SCHEMES]
    if taught:
        items.append(
            _item(element("circle", cx=10, cy=10, r=RING, class_="ring"), "ringed: quantization-aware training")
        )
    return element("ul", *items, class_="legend")


def _item(drawn: str, said: str) -> str:
    icon = element("svg", drawn, viewBox="0 0 20 20", width=18, height=18, aria_hidden="true")
    return element("li", icon, escape(said))
