"""The RNN and the CNN of the verdict beside each other."""

from __future__ import annotations

from collections.abc import Callable

from kws_export.report.figures import (
    MISSING,
    RUNTIMES,
    Tree,
    dig,
    kilobytes,
    named,
    number,
    significant,
    times,
    word,
)
from kws_export.report.tables import Cell, Column, Rows, Table, difference_cell, share_cell
from kws_export.report.verdict import growth_in, representative


def glance_table(report: Tree) -> Table | None:
    """A column for each of the two; None where the report has neither."""
    pair = [model for kind in ("RNN", "CNN") if (model := representative(report, kind)) is not None]
    if not pair:
        return None
    columns = [Column("", text=True), *(Column(f"{word(model, 'name')}, {word(model, 'kind')}") for model in pair)]
    runtimes = dict.fromkeys(name for model in pair for name, _ in named(model, "latency"))
    figures: list[tuple[str, Callable[[Tree], Cell]]] = [
        ("words right, carried, %", lambda model: share_cell(dig(model, "accuracy_words_carried"))),
        ("against its float, points", lambda model: _without_clips(difference_cell(dig(model, "difference")))),
        ("same as float at word steps, %", lambda model: share_cell(dig(model, "agreement_on_words"))),
        ("error after an hour", lambda model: Cell(times(growth_in(report, model)))),
        ("file, kB", lambda model: Cell(kilobytes(number(model, "bytes")))),
        *((f"a step on {RUNTIMES.get(name, name)}, \N{MICRO SIGN}s", _median(name)) for name in runtimes),
    ]
    rows = [[Cell(title), *(cell(model) for model in pair)] for title, cell in figures]
    measured = [row for row in rows if any(cell.text != MISSING for cell in row[1:])]
    return Table("The two in int8, at a glance", columns, [Rows(measured)])


def _without_clips(cell: Cell) -> Cell:
    return Cell(cell.text, cell.below[:1] if len(cell.below) > 1 else ())


def _median(runtime: str) -> Callable[[Tree], Cell]:
    return lambda model: Cell(significant(number(model, "latency", runtime, "p50_us")))
