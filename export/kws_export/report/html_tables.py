"""Tables and lists of definitions in HTML."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from kws_export.report.charts import meter
from kws_export.report.marks import chip
from kws_export.report.markup import element, escape, prose
from kws_export.report.tables import Cell, Column, Rows, Table


def html_table(table: Table, classes: dict[str, str], wide: bool = False) -> str:
    """A table that scrolls sideways by itself where it does not fit; `classes` has the colours of groups."""
    drawn = element(
        "table",
        element("caption", element("span", escape(table.caption))),
        element("thead", *_heads(table.columns)),
        *(
            _body(rows, table.columns, classes.get(rows.title, ""), wide and place > 0)
            for place, rows in enumerate(table.groups)
        ),
        class_="dense" if wide else None,
    )
    return element("div", drawn, class_="scroll", role="region", tabindex="0", aria_label=table.caption)


def _heads(columns: list[Column]) -> list[str]:
    """One row of heads, or two where some columns have a head in common."""
    if not any(column.group for column in columns):
        return [element("tr", *(_head(column) for column in columns))]
    upper = []
    for group, members in groupby(columns, key=lambda column: column.group):
        of_one = list(members)
        if group:
            upper.append(element("th", escape(group), scope="colgroup", colspan=len(of_one), class_="first"))
        else:
            upper += [_head(column, 2) for column in of_one]
    lower = [_head(column, first=_is_first(columns, place)) for place, column in enumerate(columns) if column.group]
    return [element("tr", *upper), element("tr", *lower)]


def _is_first(columns: list[Column], place: int) -> bool:
    """Whether a column begins a group."""
    return bool(columns[place].group) and (place == 0 or columns[place - 1].group != columns[place].group)


def _head(column: Column, rowspan: int | None = None, first: bool = False) -> str:
    if not column.title:
        return element("td", "", rowspan=rowspan)
    names = " ".join(filter(None, ("text" if column.text else "", "first" if first else "")))
    return element("th", escape(column.title), scope="col", rowspan=rowspan, class_=names or None)


def _body(rows: Rows, columns: list[Column], class_: str, repeat: bool) -> str:
    """`repeat`: the heads again beside the title, for the eye only, in a table longer than a screen."""
    title = ""
    if rows.title:
        note = element("span", escape(rows.note), class_="note") if rows.note else ""
        said = element("span", chip(class_) if class_ else "", escape(rows.title), note, class_="group")
        heads = [_repeated(columns, place) for place in range(1, len(columns))] if repeat else []
        span = len(columns) - len(heads)
        title = element("tr", element("th", said, scope="rowgroup", colspan=span), *heads, class_="group")
    cells = (element("tr", *(_cell(cell, columns, place) for place, cell in enumerate(row))) for row in rows.rows)
    return element("tbody", title, *cells, class_=class_ or None)


def _repeated(columns: list[Column], place: int) -> str:
    names = "first again" if _is_first(columns, place) else "again"
    return element("td", escape(columns[place].title), class_=names, aria_hidden="true")


def _cell(cell: Cell, columns: list[Column], place: int) -> str:
    below = "".join(element("small", escape(text)) for text in cell.below)
    content = element("span", escape(cell.text), class_="figure") + below + meter(cell.meter)
    if place == 0:
        return element("th", content, scope="row", class_="text")
    names = ("text" if columns[place].text else "", "first" if _is_first(columns, place) else "")
    return element("td", content, class_=" ".join(filter(None, names)) or None)


def caption_list(pairs: Iterable[tuple[str, str]], class_: str | None = None) -> str:
    """Terms and what they mean."""
    items = (element("div", element("dt", prose(term)), element("dd", prose(said))) for term, said in pairs)
    return element("dl", *items, class_=class_)
