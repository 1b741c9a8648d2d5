"""The same report in Markdown: the verdict and every table, for places that show no pages."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from kws_export.report import remarks, words
from kws_export.report.figures import Tree, entries, named, word
from kws_export.report.glance import glance_table
from kws_export.report.tables import (
    Cell,
    Table,
    calibration_table,
    drift_table,
    layers_table,
    main_table,
    states_table,
)
from kws_export.report.verdict import verdict

_MARKUP = str.maketrans({sign: f"\\{sign}" for sign in "|*_`[]"})


def render_markdown(report: Tree) -> str:
    """Paragraphs and tables, parted by empty lines; the pictures are on the page only."""
    return "\n\n".join(filter(None, _parts(report))) + "\n"


def _parts(report: Tree) -> Iterator[str]:
    yield f"# {words.TITLE}"
    yield words.QUESTION
    yield "## The verdict"
    yield "\n".join(f"{place}. {_plain(said)}" for place, said in enumerate(verdict(report), 1))
    beside = glance_table(report)
    if beside:
        yield _table(beside)
    if entries(report, "models"):
        yield "## Every model and scheme"
        yield words.READ_TABLE.replace("Small below", "In brackets behind")
        yield from _parted(main_table(report))
    if entries(report, "calibration"):
        yield "## Calibration and training"
        yield from (_plain(remarks.on_calibration(report)), words.READ_CALIBRATION, _table(calibration_table(report)))
    layers = {name: entries({"all": ops}, "all") for name, ops in named(report, "layers")}
    if any(layers.values()):
        yield "## Error by layer"
        yield _plain(remarks.on_layers(report))
        for architecture, ops in layers.items():
            yield from (f"### {_plain(architecture)}", _table(layers_table(architecture, ops)))
    if any(named(report, "drift")):
        yield from ("## An hour without a reset", _plain(remarks.on_drift(report)), _table(drift_table(report)))
    if any(named(report, "states")):
        yield "## Saturation and dead zone"
        yield from (_plain(remarks.on_states(report)), words.READ_STATES, _table(states_table(report)))
    yield "## How it was measured"
    yield "\n".join(f"- **{term}**: {said}" for term, said in words.DEFINITIONS)
    yield "\n".join(f"- {_plain(term)}: {_plain(said)}" for term, said in _facts(report))
    command = word(report, "command")
    if command:
        yield f"```sh\n{command.replace('```', '')}\n```"


def _facts(report: Tree) -> Iterator[tuple[str, str]]:
    for key in ("made", "machine"):
        if word(report, key):
            yield key, word(report, key)
    yield from ((name, str(version)) for name, version in named(report, "versions") if version is not None)


def _parted(table: Table) -> Iterator[str]:
    """A table for each group of columns: a page of Markdown has no room for all beside each other."""
    yield "\n".join(f"- {_plain(rows.title)}: {_plain(rows.note)}" for rows in table.groups)
    places = list(enumerate(table.columns))
    for group, members in groupby(places[1:], key=lambda place: place[1].group):
        kept = [0, *(place for place, _ in members)]
        columns = [replace(table.columns[place], group="") for place in kept]
        groups = [replace(rows, rows=[[row[place] for place in kept] for row in rows.rows]) for rows in table.groups]
        yield f"### {_plain(group)}"
        yield _table(Table(table.caption, columns, groups), titles=False)


def _table(table: Table, titles: bool = True) -> str:
    """Rows of a group begin with its title where groups have titles."""
    titled = titles and any(rows.title for rows in table.groups)
    heads = [f"{column.group}: {column.title}" if column.group else column.title for column in table.columns]
    sides = ["---" if column.text else "---:" for column in table.columns]
    lines = [_line([*([""] if titled else []), *map(_plain, heads)]), _line([*(["---"] if titled else []), *sides])]
    for rows in table.groups:
        for row in rows.rows:
            lines.append(_line([*([_plain(rows.title)] if titled else []), *map(_cell, row)]))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    below = f" ({'; '.join(cell.below)})" if cell.below else ""
    return _plain(cell.text + below)


def _plain(text: str) -> str:
    """Text that is no markup, on one line."""
    return html.escape(" ".join(text.split(" ")).replace("\n", " "), quote=False).translate(_MARKUP)
