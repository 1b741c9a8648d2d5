"""Elements of HTML and SVG as text."""

from __future__ import annotations

import html
import re

from kws_export.report.figures import MINUS

# An interval in brackets is not broken at the end of a line.
_BRACKET = re.compile(rf"\([\d+{MINUS}][^()]{{1,24}}\)")

# What never has content; of all others HTML wants the end tag.
_EMPTY = {"meta", "link", "circle", "line", "path", "polygon", "polyline", "rect"}


def escape(text: object) -> str:
    """Text that is no markup."""
    return html.escape(str(text))


def prose(text: str) -> str:
    """Running text: escaped, with the apostrophes of print, and intervals in one piece."""
    said = escape(text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"))
    return _BRACKET.sub(lambda found: element("span", found[0], class_="whole"), said)


def element(name: str, /, *content: str, **attributes: object) -> str:
    """An element around content that is markup already.

    Attributes are escaped; one that is None is left out; `class_` and `font_size` are written class and font-size.
    """
    head = name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{head}/>" if name in _EMPTY else f"<{head}>{''.join(content)}</{name}>"


def _short(value: object) -> object:
    """A tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
