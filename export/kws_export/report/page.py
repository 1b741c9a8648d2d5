"""The page: one HTML file that needs nothing else, on a desktop, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import resources
from urllib.parse import quote

from kws_export.report import charts, remarks, words
from kws_export.report.figures import Tree, entries, named, word
from kws_export.report.glance import glance_table
from kws_export.report.html_tables import caption_list, html_table
from kws_export.report.marks import chip, colours, legend
from kws_export.report.markup import element, escape, prose
from kws_export.report.svg import HALF, THIRD, WIDE, at_two_widths
from kws_export.report.tables import calibration_table, drift_table, layers_table, main_table, states_table
from kws_export.report.verdict import verdict

STYLE = resources.files("kws_export.report").joinpath("page.css")
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path d="M1 12h3V8h3V5h3v4h3v3h2" fill="none" stroke="#2d68a8" stroke-width="2"/></svg>'
)


@dataclass(frozen=True)
class Section:
    """A part of the page that one can link to."""

    id: str
    title: str
    content: tuple[str, ...]  # markup


def render_html(report: Tree) -> str:
    """The whole page; parts that the report does not have are left out."""
    sections = [section for section in _sections(report, colours(report)) if any(section.content)]
    body = _header(report) + _contents(sections) + element("main", *map(_section, sections)) + _footer(report)
    return f'<!doctype html>\n<html lang="en">\n{_head(report)}\n{element("body", body)}\n</html>\n'


def _head(report: Tree) -> str:
    said = verdict(report)[0]
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", escape(words.TITLE)),
        element("meta", name="description", content=said),
        element("meta", property="og:title", content=words.TITLE),
        element("meta", property="og:description", content=said),
        element("link", rel="icon", href=f"data:image/svg+xml,{quote(ICON)}"),
        element("style", STYLE.read_text(encoding="utf-8")),
    )


def _header(report: Tree) -> str:
    made = f"kws-report, {word(report, 'made')}" if word(report, "made") else "kws-report"
    return element(
        "header",
        element("p", escape(made), class_="kicker"),
        element("h1", prose(words.TITLE)),
        element("p", prose(words.QUESTION), class_="lede"),
    )


def _contents(sections: list[Section]) -> str:
    items = (element("li", element("a", escape(one.title), href=f"#{one.id}")) for one in sections)
    return element("nav", element("ul", *items), aria_label="Contents")


def _section(section: Section) -> str:
    anchor = element("a", "#", href=f"#{section.id}", class_="anchor", aria_label=f"Link to: {section.title}")
    heading = element("h2", escape(section.title), anchor, id=f"{section.id}-title")
    return element("section", heading, *section.content, id=section.id, aria_labelledby=f"{section.id}-title")


def _sections(report: Tree, classes: dict[str, str]) -> Iterator[Section]:
    yield Section("verdict", "The verdict", _verdict(report))
    yield Section("size", "Accuracy against size", _size(report, classes))
    if entries(report, "models"):
        table = html_table(main_table(report), classes, wide=True)
        yield Section("models", "Every model and scheme", (_read(words.READ_TABLE), table))
    if entries(report, "calibration"):
        table = html_table(calibration_table(report), classes)
        texts = (_remark(remarks.on_calibration(report)), _read(words.READ_CALIBRATION))
        yield Section("calibration", "Calibration and training", (*texts, table))
    yield Section("layers", "Error by layer", _layers(report, classes))
    yield Section("drift", "An hour without a reset", _drift(report, classes))
    if any(named(report, "states")):
        table = html_table(states_table(report), _of_models(report, classes))
        texts = (_remark(remarks.on_states(report)), _read(words.READ_STATES))
        yield Section("states", "Saturation and dead zone", (*texts, table))
    yield Section("histograms", "Histograms of the worst layers", _histograms(report, classes))
    yield Section("how", "How it was measured", _how(report))


def _read(said: str) -> str:
    return element("p", prose(said), class_="read")


def _remark(said: str) -> str:
    return element("p", prose(said), class_="remark") if said else ""


def _verdict(report: Tree) -> tuple[str, ...]:
    sentences = element("ol", *(element("li", prose(said)) for said in verdict(report)), class_="sentences")
    beside = glance_table(report)
    return (element("div", sentences, html_table(beside, {}) if beside else "", class_="verdict"),)


def _size(report: Tree, classes: dict[str, str]) -> tuple[str, ...]:
    if not charts.scatter(report, classes, WIDE):
        return ()
    drawn = at_two_widths(partial(charts.scatter, report, classes), WIDE)
    models = entries(report, "models")
    shown = legend([word(model, "scheme") for model in models], any(model.get("taught") is True for model in models))
    axis = element("p", "words right, carried, %", class_="axis-title")
    return (element("figure", axis, drawn, shown, element("figcaption", prose(words.READ_SIZE))),)


def _layers(report: Tree, classes: dict[str, str]) -> tuple[str, ...]:
    layers = {architecture: entries({"all": ops}, "all") for architecture, ops in named(report, "layers")}
    if not any(layers.values()):
        return ()
    most = charts.most_db(list(layers.values()))
    panels, details = [], []
    for architecture, ops in layers.items():
        class_ = classes.get(architecture, "")
        drawn = at_two_widths(partial(charts.bars, architecture, ops, most, class_))
        shown = len(charts.noisiest(ops))
        some = f", the {shown} noisiest of {len(ops)} ops" if shown < len(ops) else ""
        panels.append(_panel(element("h3", chip(class_), escape(architecture + some)), drawn))
        details.append(html_table(layers_table(architecture, ops), classes))
    texts = (_remark(remarks.on_layers(report)), _read(words.READ_LAYERS))
    return (*texts, element("div", *panels, class_="two"), _folded("The same as tables", *details))


def _drift(report: Tree, classes: dict[str, str]) -> tuple[str, ...]:
    drift = {model: kinds for model, kinds in named(report, "drift") if isinstance(kinds, dict)}
    of_models = _of_models(report, classes)
    most = {quantity: charts.largest_distance(drift, quantity) for quantity in ("state", "logits")}
    panels = []
    for quantity in ("logits", "state"):  # the logits of all beside each other; only RNNs have a state
        for model, kinds in drift.items():
            class_ = of_models.get(model, "")
            draw = partial(charts.drift_lines, model, kinds, quantity, most[quantity], class_)
            if draw(HALF):
                heading = element("h3", chip(class_), escape(f"{model}, distance of the {quantity}"))
                panels.append(_panel(heading, at_two_widths(draw)))
    if not panels:
        return ()
    texts = (_remark(remarks.on_drift(report)), _read(words.READ_DRIFT))
    return (*texts, element("div", *panels, class_="two"), html_table(drift_table(report), of_models))


def _histograms(report: Tree, classes: dict[str, str]) -> tuple[str, ...]:
    of_models = _of_models(report, classes)
    parts = []
    for model, found in named(report, "histograms"):
        class_ = of_models.get(model, "")
        panels = []
        for one in entries({"all": found}, "all"):
            drawn = charts.histogram(model, one, class_, THIRD)
            said = ", ".join(filter(None, (word(one, "tensor"), word(one, "what"))))
            if drawn:
                panels.append(_panel(element("h4", escape(said)), drawn))
        if panels:
            parts += [element("h3", chip(class_), escape(model)), element("div", *panels, class_="three")]
    return (_read(words.READ_HISTOGRAMS), *parts) if parts else ()


def _how(report: Tree) -> tuple[str, ...]:
    command, machine = word(report, "command"), word(report, "machine")
    facts = [(name, str(version)) for name, version in named(report, "versions") if version is not None]
    if machine:
        facts.insert(0, ("machine", machine))
    said = element("pre", element("code", escape(command)), tabindex="0", aria_label="Command") if command else ""
    return (caption_list(words.DEFINITIONS), caption_list(facts, "facts") if facts else "", said)


def _footer(report: Tree) -> str:
    counted = len(entries(report, "models"))
    made = f", {word(report, 'made')}" if word(report, "made") else ""
    return element("footer", element("p", escape(f"Made by kws-report of kws-edge from {counted} models{made}.")))


def _panel(*content: str) -> str:
    return element("figure", *content, class_="panel")


def _folded(title: str, *content: str) -> str:
    return element("details", element("summary", escape(title)), element("div", *content, class_="two"))


def _of_models(report: Tree, classes: dict[str, str]) -> dict[str, str]:
    """The colour of each model and architecture by its name."""
    found = {word(model, "name"): classes.get(word(model, "architecture"), "") for model in entries(report, "models")}
    return {**classes, **found}
