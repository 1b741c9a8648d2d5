"""Figures out of a report in which any may be missing, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

# What a report or a model in it is: JSON, of which any part may be missing or None.
Tree = dict[str, Any]

MINUS = "\N{MINUS SIGN}"
TO = "\N{EN DASH}"  # between the ends of an interval
MISSING = "\N{EN DASH}"  # in place of a figure that was not measured
TIMES = "\N{MULTIPLICATION SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"

SCHEMES = {
    "fp32": "float, 32 bit",
    "fp16": "weights as 16-bit floats",
    "dynamic": "int8 weights, float activations",
    "int8": "integers only",
    "int8-narrow": "integers only, no op wider than 8 bit",
    "int16x8": "int8 weights, 16-bit activations",
}
INT8 = ("int8", "int8-narrow")  # what is called int8, best first
FORMATS = {"tflite": "TFLite", "onnx": "ONNX"}
RUNTIMES = {"litert": "LiteRT"}  # those whose name is not written as it is typed
SECTION_MINUTES = 10  # the first and the last so many minutes of an hour are compared
GROWTH_BOUND = 1.1  # the error does not grow where last by first is at most this


def dig(tree: Any, *path: str) -> Any:
    """What lies at a path of names; None where any step of it is missing."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def number(tree: Any, *path: str) -> float | None:
    """A finite number, or None."""
    value = dig(tree, *path)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def numbers(tree: Any, *path: str) -> list[float | None]:
    """A list of numbers, of which each may be missing."""
    value = dig(tree, *path)
    return [number(one) for one in value] if isinstance(value, list | tuple) else []


def interval(tree: Any, *path: str) -> tuple[float, float] | None:
    """Low and high, or None."""
    ends = numbers(tree, *path)
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    return ends[0], ends[1]


def entries(tree: Any, *path: str) -> list[Tree]:
    """The dicts of a list."""
    value = dig(tree, *path)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list | tuple) else []


def named(tree: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Names and values of a dict."""
    value = dig(tree, *path)
    return iter(value.items()) if isinstance(value, dict) else iter(())


def word(tree: Any, *path: str) -> str:
    """A text, or nothing."""
    value = dig(tree, *path)
    return "" if value is None else str(value)


def mean(values: list[float | None]) -> float | None:
    """Of those that are there."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def fixed(value: float | None, digits: int) -> str:
    """So many digits behind the point, with thousands parted; -0.0 is 0.0."""
    if value is None:
        return MISSING
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", MINUS)


def significant(value: float | None, digits: int = 3) -> str:
    """So many digits that count, never as a power of ten."""
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def signed(value: float | None, digits: int = 2) -> str:
    """With its sign, also where it is positive."""
    text = fixed(value, digits)
    return f"+{text}" if value is not None and round(value, digits) > 0 else text


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 in percent, without the sign; what is not all or nothing is not rounded to it."""
    if share is None:
        return MISSING
    while digits < 4 and share not in (0, 1) and round(100 * share, digits) in (0, 100):
        digits += 1
    return fixed(100 * share, digits)


def kilobytes(size: float | None) -> str:
    """Bytes in kB of 1,000."""
    return significant(None if size is None else size / 1000)


def times(factor: float | None) -> str:
    """A factor."""
    return MISSING if factor is None else f"{TIMES}{fixed(factor, 2)}"


def span(ends: tuple[float, float] | None, digits: int = 1, scale: float = 1.0) -> str:
    """An interval; nothing where there is none."""
    if ends is None:
        return ""
    low, high = (scale * end for end in ends)
    if low < 0:  # a dash beside a minus sign cannot be read
        return f"{signed(low, digits)} to {signed(high, digits)}"
    return f"{fixed(low, digits)}{TO}{fixed(high, digits)}"


def share_text(figure: Any, digits: int = 1) -> str:
    """A share with its interval, for running text."""
    share, ends = number(figure, "share"), interval(figure, "interval")
    if share is None:
        return MISSING
    text = f"{percent(share, digits)}{NO_BREAK}%"
    return f"{text} ({span(ends, digits, 100)})" if ends else text


def ends_of(minutes: list[float | None]) -> tuple[float | None, float | None]:
    """The means of the first and of the last ten minutes; None where there are less than twenty."""
    if len(minutes) < 2 * SECTION_MINUTES:
        return None, None
    return mean(minutes[:SECTION_MINUTES]), mean(minutes[-SECTION_MINUTES:])


def growth_of(minutes: list[float | None]) -> float | None:
    """The last ten minutes by the first."""
    first, last = ends_of(minutes)
    return last / first if first and last is not None else None
