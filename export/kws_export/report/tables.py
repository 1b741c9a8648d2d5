"""The tables, the same for the page and for Markdown: what stands in which cell, not how it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kws_export.report.figures import (
    FORMATS,
    MINUS,
    RUNTIMES,
    Tree,
    dig,
    ends_of,
    entries,
    fixed,
    growth_of,
    interval,
    kilobytes,
    named,
    number,
    numbers,
    percent,
    signed,
    significant,
    span,
    times,
    word,
)


@dataclass(frozen=True)
class Column:
    """A column's head."""

    title: str
    group: str = ""  # neighbours of one group have a head in common
    text: bool = False  # words, not figures


@dataclass(frozen=True)
class Cell:
    """A figure, and smaller below it what belongs to it: its interval, its p."""

    text: str
    below: tuple[str, ...] = ()
    meter: float | None = None  # a share that is drawn as a bar, too


@dataclass(frozen=True)
class Rows:
    """Rows with a title of their own, of an architecture."""

    rows: list[list[Cell]]
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """What `page` and `markdown` write."""

    caption: str
    columns: list[Column]
    groups: list[Rows] = field(default_factory=list)


# One column of a table of models: its head, and the cell of a model.
_Figure = tuple[Column, Callable[[Tree], Cell]]


def main_table(report: Tree) -> Table:
    """Every model with every figure, grouped by architecture."""
    models = entries(report, "models")
    columns: list[_Figure] = [(Column("model", text=True), _model_cell), *_accuracy(), *_agreement()]
    columns += [*_scenes(models), *_cost(models)]
    groups = []
    for architecture in dict.fromkeys(word(model, "architecture") for model in models):
        of_one = [model for model in models if word(model, "architecture") == architecture]
        rows = [[cell(model) for _, cell in columns] for model in of_one]
        groups.append(Rows(rows, architecture, _about(of_one)))
    return Table("Every file, with its 95 % intervals", [column for column, _ in columns], groups)


def _about(models: list[Tree]) -> str:
    """Kind and parameters of an architecture."""
    kinds = dict.fromkeys(word(model, "kind") for model in models)
    counts = dict.fromkeys(number(model, "parameters") for model in models)
    parameters = " or ".join(fixed(count, 0) for count in counts if count is not None)
    return ", ".join([*filter(None, kinds), *([f"{parameters} parameters"] if parameters else [])])


def _model_cell(model: Tree) -> Cell:
    form = FORMATS.get(word(model, "format"), word(model, "format"))
    taught = "quantization-aware" if model.get("taught") is True else ""
    below = ", ".join(filter(None, (form, taught, word(model, "widths"))))
    return Cell(word(model, "name"), (below,) if below else ())


def share_cell(figure: object, digits: int = 1, meter: bool = False) -> Cell:
    """A share in percent, its interval below."""
    share, ends = number(figure, "share"), interval(figure, "interval")
    below = (span(ends, digits, 100),) if share is not None and ends else ()
    return Cell(percent(share, digits), below, share if meter else None)


def _accuracy() -> list[_Figure]:
    group = "Words right, %"
    return [
        (Column("state reset", group), lambda model: share_cell(model.get("accuracy_words_reset"))),
        (Column("carried", group), lambda model: share_cell(model.get("accuracy_words_carried"))),
        (
            Column(f"carried {MINUS} float, points (lost/won, p)", group),
            lambda model: difference_cell(model.get("difference")),
        ),
    ]


def difference_cell(figure: object) -> Cell:
    """Points to float, their interval, and the clips that make them."""
    points, ends = number(figure, "points"), interval(figure, "interval")
    lost, won, p = number(figure, "lost"), number(figure, "won"), number(figure, "p")
    clips = f"{fixed(lost, 0)}/{fixed(won, 0)}" if lost is not None and won is not None else ""
    tested = ", ".join(filter(None, (clips, "" if p is None else p_text(p))))
    return Cell(signed(points), tuple(filter(None, (span(ends, 2), tested))))


def p_text(p: float) -> str:
    """A p-value; a very small one as a bound."""
    return f"p {fixed(p, 2 if p >= 0.01 else 3)}" if p >= 0.001 else "p < 0.001"


def _agreement() -> list[_Figure]:
    group = "Agrees with float, %"
    return [
        (Column("all steps", group), lambda model: share_cell(model.get("agreement"), 2)),
        (Column("word steps", group), lambda model: share_cell(model.get("agreement_on_words"))),
        (Column("error growth", group), lambda model: Cell(times(number(model, "growth")))),
    ]


def _scenes(models: list[Tree]) -> list[_Figure]:
    """Misses of each scene with words, false accepts of each that was measured for them."""
    names = dict.fromkeys(name for model in models for name, _ in named(model, "scenes"))
    columns: list[_Figure] = []
    for figure, group, scale, title in (("frr", "Missed, %", 100, _of_words), ("fa_per_hour", "FA/h", 1, _plain)):
        for name in names:
            scenes = [dig(model, "scenes", name) for model in models]
            if any(number(scene, figure) is not None for scene in scenes):
                columns.append((Column(title(name, scenes), group), _scene_cell(name, figure, scale)))
    return columns


def _plain(name: str, _: list[Tree]) -> str:
    return name


def _of_words(name: str, scenes: list[Tree]) -> str:
    counts = {number(scene, "words") for scene in scenes} - {None}
    return f"{name}, {fixed(counts.pop(), 0)} words" if len(counts) == 1 else name


def _scene_cell(name: str, figure: str, scale: float) -> Callable[[Tree], Cell]:
    def cell(model: Tree) -> Cell:
        scene = dig(model, "scenes", name)
        value, ends = number(scene, figure), interval(scene, f"{figure}_interval")
        if value is None:
            return Cell(fixed(None, 1))
        return Cell(fixed(scale * value, 1), (span(ends, 1, scale),) if ends else ())

    return cell


def _cost(models: list[Tree]) -> list[_Figure]:
    """Size, memory, and the time of a step on each interpreter."""
    runtimes = dict.fromkeys(name for model in models for name, _ in named(model, "latency"))
    columns: list[_Figure] = [
        (Column("file (memory)", "Size, kB"), _size_cell),
    ]
    group = "A step, \N{MICRO SIGN}s: p50 (p99)"
    return columns + [(Column(RUNTIMES.get(name, name), group), _latency_cell(name)) for name in runtimes]


def _size_cell(model: Tree) -> Cell:
    memory = number(model, "memory_bytes")
    return Cell(kilobytes(number(model, "bytes")), (kilobytes(memory),) if memory is not None else ())


def _latency_cell(runtime: str) -> Callable[[Tree], Cell]:
    def cell(model: Tree) -> Cell:
        p50, p99 = number(model, "latency", runtime, "p50_us"), number(model, "latency", runtime, "p99_us")
        return Cell(significant(p50), (significant(p99),) if p99 is not None else ())

    return cell


def calibration_table(report: Tree) -> Table:
    """The same network trained, calibrated and quantized in several ways."""
    columns = [Column(title, text=True) for title in ("trained on", "calibrated on", "method")]
    columns += [
        Column("word steps", "Agrees with float, %"),
        Column("all steps", "Agrees with float, %"),
        Column("carried", "Words right, %"),
        Column("state reset", "Words right, %"),
    ]
    groups = []
    for architecture in dict.fromkeys(word(row, "architecture") for row in entries(report, "calibration")):
        of_one = [row for row in entries(report, "calibration") if word(row, "architecture") == architecture]
        groups.append(Rows([_calibration_cells(row) for row in of_one], architecture))
    return Table("Training, calibration and method, all in int8", columns, groups)


def _calibration_cells(row: Tree) -> list[Cell]:
    said = [Cell(word(row, key) or fixed(None, 0)) for key in ("trained_on", "calibrated_on", "method")]
    return [
        *said,
        share_cell(row.get("agreement_on_words"), meter=True),
        share_cell(row.get("agreement"), 2),
        share_cell(row.get("accuracy_words_carried"), meter=True),
        share_cell(row.get("accuracy_words_reset")),
    ]


def layers_table(architecture: str, ops: Iterable[Tree]) -> Table:
    """The figures of a picture of SQNR."""
    columns = [Column("output", text=True), Column("op", text=True), Column("width", text=True), Column("SQNR, dB")]
    rows = [
        [*(Cell(word(op, key)) for key in ("name", "kind", "width")), Cell(fixed(number(op, "sqnr_db"), 1))]
        for op in ops
    ]
    return Table(f"Error of every op of {architecture}", columns, [Rows(rows)])


def drift_table(report: Tree) -> Table:
    """The first and the last ten minutes of each stream."""
    columns = [Column("stream", text=True)]
    for quantity in ("state", "logits"):
        columns += [Column(title, f"Distance of the {quantity}") for title in ("first 10 min", "last 10 min", "growth")]
    groups = []
    for model, kinds in named(report, "drift"):
        rows = []
        for kind, stream in named(kinds):
            cells = [Cell(kind)]
            for quantity in ("state", "logits"):
                values = numbers(stream, quantity)
                cells += [Cell(significant(end)) for end in ends_of(values)]
                cells.append(Cell(times(growth_of(values))))
            rows.append(cells)
        groups.append(Rows(rows, model))
    return Table("The error of the first and of the last ten minutes", columns, groups)


def states_table(report: Tree) -> Table:
    """What happens at the ends of a state's range and below half a step."""
    columns = [Column("state", text=True), Column("at an end of its range, %"), Column("updates below half a step, %")]
    groups = []
    for model, states in named(report, "states"):
        rows = []
        for state in entries({"all": states}, "all"):
            shares = (number(state, "saturated"), number(state, "dead"))
            rows.append([Cell(word(state, "name")), *(Cell(percent(share), (), share) for share in shares)])
        groups.append(Rows(rows, model))
    return Table("Saturation and dead zone", columns, groups)
