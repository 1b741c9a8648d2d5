"""The page of `kws-report`, its twin in Markdown, and the verdict at the top of both."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_export.report import render_html, render_markdown, verdict
from kws_export.report.charts import histogram, noisiest
from kws_export.report.figures import MINUS, MISSING, TO, growth_of, percent, significant, span
from kws_export.report.scatter import points_of
from kws_export.report.svg import log_ticks, shorten, spread, ticks
from kws_export.report.verdict import representative
from tests.export.report_sample import sample_report

VOID = {"meta", "link", "br", "hr", "img", "input"}
EMPTY: dict[str, Any] = {}


class Reader(HTMLParser):
    """What a page holds; a tag that is not closed in its order is a fault."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def attributes(self, name: str) -> Iterator[str]:
        yield from (value for _, attributes in self.tags if (value := attributes.get(name)) is not None)


@pytest.fixture(scope="module")
def page() -> Reader:
    """Of the made-up report."""
    return Reader(render_html(sample_report()))


def without(tree: Any, *path: str) -> Any:
    """A copy in which a part is missing."""
    copied = copy.deepcopy(tree)
    inner = copied
    for name in path[:-1]:
        inner = inner[name]
    inner.pop(path[-1], None)
    return copied


def pair(
    rnn: tuple[float, float, float] | None,
    cnn: tuple[float, float, float] | None,
    growth: float | None = 1.0,
) -> dict[str, Any]:
    """A report of an RNN and a CNN in int8, each with points, low and high."""
    models = []
    for kind, loss in (("RNN", rnn), ("CNN", cnn)):
        model: dict[str, Any] = {"name": f"{kind}-int8", "architecture": kind, "kind": kind, "scheme": "int8"}
        model["accuracy_words_carried"] = {"share": 0.94, "interval": [0.93, 0.95]}
        if loss:
            model["difference"] = {"points": loss[0], "interval": [loss[1], loss[2]]}
        models.append({**model, "format": "tflite", "bytes": 50_000, "growth": growth})
    return {"models": models}


def test_the_page_needs_nothing_else(page: Reader) -> None:
    """No scripts, no outside assets, and links only to its own parts."""
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "iframe", "object", "embed", "base", "form"}
    assert not list(page.attributes("src"))
    assert all(href.startswith(("#", "data:image/svg+xml,")) for href in page.attributes("href"))
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", render_html(sample_report()))


def test_links_lead_somewhere_and_ids_are_unique(page: Reader) -> None:
    """Every part can be linked to."""
    ids = list(page.attributes("id"))
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in page.attributes("href") if href.startswith("#")} <= set(ids)
    assert set(page.attributes("aria-labelledby")) <= set(ids)


def test_tables_and_pictures_can_be_read_aloud(page: Reader) -> None:
    """Heads have a scope, tables a caption, pictures a label."""
    heads = [attributes for tag, attributes in page.tags if tag == "th"]
    assert heads
    assert all(head.get("scope") in {"col", "row", "colgroup", "rowgroup"} for head in heads)
    assert sum(tag == "table" for tag, _ in page.tags) == sum(tag == "caption" for tag, _ in page.tags)
    for tag, attributes in page.tags:
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


def figures_of(model: dict[str, Any]) -> Iterator[str]:
    """What is to be read of a model, as it is rounded."""
    yield model["widths"]
    yield significant(model["bytes"] / 1000)
    yield significant(model["memory_bytes"] / 1000)
    for key in ("accuracy_words_reset", "accuracy_words_carried"):
        low, high = model[key]["interval"]
        yield from (percent(model[key]["share"]), f"{percent(low)}{TO}{percent(high)}")
    for scene in model["scenes"].values():
        yield percent(scene["frr"]) if "frr" in scene else f"{scene['fa_per_hour']:.1f}"
    for times in model["latency"].values():
        yield from (significant(times["p50_us"]), significant(times["p99_us"]))
    if model["scheme"] != "fp32":
        difference = model["difference"]
        yield f"{difference['points'] + 0.0:.2f}".replace("-", MINUS)
        yield f"{difference['lost']}/{difference['won']}, p {difference['p']:.2f}"
        yield percent(model["agreement"]["share"], 2)
        yield percent(model["agreement_on_words"]["share"])
        yield f"{model['growth']:.2f}"


def test_the_figures_of_every_model_are_in_its_rows() -> None:
    """On the page and in Markdown; its parameters stand beside its architecture."""
    page, text = render_html(sample_report()), render_markdown(sample_report())
    rows = re.findall(r"<tr>.*?</tr>", page)
    for model in sample_report()["models"]:
        in_page = next(row for row in rows if f'scope="row" class="text"><span class="figure">{model["name"]}<' in row)
        in_text = "".join(line for line in text.splitlines() if line.startswith(f"| {model['name']} ("))
        for figure in figures_of(model):
            assert figure in re.sub("<[^>]*>", "|", in_page), model["name"]
            assert figure in in_text, model["name"]
        parameters = f"{model['kind']}, {model['parameters']:,} parameters"
        assert f"- {model['architecture']}: {parameters}" in text
        assert re.search(rf">{model['architecture']}<span[^>]*>{parameters}<", page)


def test_every_row_has_as_many_cells_as_its_table() -> None:
    """In HTML, counting the columns that a cell spans."""
    markup = render_html(sample_report())
    for table in re.findall(r"<table.*?</table>", markup, re.DOTALL):
        body = table.partition("</thead>")[2]
        counts = {
            sum(int(span or 1) for span in re.findall(r'<t[hd](?:[^>]*?colspan="(\d+)")?[^>]*>', row))
            for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
        }
        assert len(counts) == 1, table[:200]


def test_tables_in_markdown_have_equal_columns() -> None:
    """A pipe in a name is no column."""
    report = sample_report()
    report["models"][0]["name"] = "gru|fp32"
    text = render_markdown(report)
    assert r"gru\|fp32" in text
    for block in text.split("\n\n"):
        if block.startswith("|"):
            counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(counts) == 1, block
            assert re.fullmatch(r"\|( -+:? \|)+", block.splitlines()[1])


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b", "x</style>"])
def test_names_are_escaped(name: str) -> None:
    """Wherever a report can hold a text of its own."""
    report = sample_report()
    for model in report["models"][:9]:
        model.update(name=name, architecture=name, widths=name)
    report.update(machine=name, command=name, made=name, versions={name: name})
    report["layers"][name] = [{"name": name, "kind": name, "width": name, "sqnr_db": 20.0}]
    report["drift"][name] = {name: {"minutes": [1, 2], "state": [1.0, 1.0], "logits": [1.0, 1.0]}}
    report["states"][name] = [{"name": name, "saturated": 0.1, "dead": 0.2}]
    report["histograms"][name] = [{"tensor": name, "what": name, "low": -1.0, "high": 1.0, "counts": [1, 2]}]
    report["calibration"][0].update(trained_on=name, calibrated_on=name, method=name)
    read = Reader(render_html(report))
    assert not {tag for tag, _ in read.tags} & {"script", "img"}
    assert any(name in text for text in read.text)
    outside = re.sub(r"```sh\n.*?\n```", "", render_markdown(report), flags=re.DOTALL)
    assert not re.search(r"<(script|img|/style)", outside)


@pytest.mark.parametrize("path", ["calibration", "layers", "drift", "states", "histograms"])
def test_a_part_that_is_missing_has_no_section(path: str, page: Reader) -> None:
    """Nor a place in the contents."""
    assert path in set(page.attributes("id"))
    for report in (without(sample_report(), path), {**sample_report(), path: None}, {**sample_report(), path: {}}):
        assert path not in set(Reader(render_html(report)).attributes("id"))


def test_a_model_without_figures_is_a_row_of_dashes() -> None:
    """And the page stands."""
    bare = {"name": "gru-int8", "architecture": "gru", "kind": "RNN", "scheme": "int8", "format": "tflite"}
    report = {"models": [bare, *sample_report()["models"][1:3]]}
    row = next(part for part in re.findall(r"<tr>.*?</tr>", render_html(report)) if ">gru-int8<" in part)
    assert set(re.findall(r'<td[^>]*><span class="figure">(.*?)</span></td>', row)) == {MISSING}
    assert f"| gru-int8 (TFLite) | {MISSING} | {MISSING} | {MISSING} |" in render_markdown(report)


@pytest.mark.parametrize(
    "report", [{}, {"models": []}, {"models": None}, {"models": [{}]}, {"models": [{"name": "a"}]}]
)
def test_an_empty_report_is_a_page_that_says_so(report: dict[str, Any]) -> None:
    """Three sentences of what was not measured."""
    read = Reader(render_html(report))
    assert sum("not measured" in sentence for sentence in verdict(report)) == 3
    assert {"verdict", "how"} <= set(read.attributes("id"))
    assert render_markdown(report).startswith("# ")


@given(st.data())
def test_any_figure_may_be_missing(data: st.DataObject) -> None:
    """Neither page nor verdict fails, whatever was not measured, or came out as no number."""
    report = sample_report()
    report["models"] = report["models"][3:5] + report["models"][27:29]
    for _ in range(data.draw(st.integers(1, 6))):
        spoil(report, data)
    Reader(render_html(report))
    render_markdown(report)
    assert len(verdict(report)) == 3


def spoil(tree: Any, data: st.DataObject) -> None:
    """Put nothing, or what is no number, in place of a part that is drawn."""
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        key = data.draw(st.sampled_from(keys))
        inner = tree[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 4)) == 0:
            tree[key] = data.draw(st.sampled_from([None, float("nan"), float("inf"), {}, []]))
            return
        tree = inner


@given(st.floats(-3, 3), st.floats(0.01, 2), st.floats(0.01, 2))
def test_the_first_sentence_follows_the_interval(points: float, below: float, above: float) -> None:
    """Kept, lost, gained, or not known well enough, by where the interval lies."""
    low, high = points - below, points + above
    said = verdict(pair((points, low, high), None))[0]
    assert ("loses words" in said) == (high < 0)
    assert ("gains words" in said) == (low > 0)
    assert ("keeps its words" in said) == (-0.5 <= low <= 0 <= high)
    assert ("not ruled out" in said) == (low < -0.5 and high >= 0)


@given(st.floats(-3, 3), st.floats(0.01, 1), st.floats(-3, 3), st.floats(0.01, 1))
def test_the_second_sentence_names_who_loses_more(rnn: float, width: float, cnn: float, other: float) -> None:
    """Only where the difference is larger than both intervals together explain."""
    said = verdict(pair((rnn, rnn - width, rnn + width), (cnn, cnn - other, cnn + other)))[1]
    apart = abs(rnn - cnn) > (width**2 + other**2) ** 0.5 + 1e-9
    if apart:
        assert ("costs the RNN more than the CNN" in said) == (rnn < cnn)
        assert ("costs the CNN more than the RNN" in said) == (cnn < rnn)
    elif abs(rnn - cnn) < (width**2 + other**2) ** 0.5 - 1e-9:
        assert "cannot tell" in said


@pytest.mark.parametrize(
    ("rnn", "cnn", "missing"),
    [
        (None, (0.0, -0.1, 0.1), "the loss of the RNN was"),
        ((0.0, -0.1, 0.1), None, "the loss of the CNN was"),
        (None, None, "the loss of the RNN and of the CNN was"),
    ],
)
def test_the_second_sentence_names_what_is_missing(
    rnn: tuple[float, float, float] | None, cnn: tuple[float, float, float] | None, missing: str
) -> None:
    """One of the two, or both."""
    assert missing in verdict(pair(rnn, cnn))[1]


@pytest.mark.parametrize(("growth", "said"), [(1.0, "does not grow"), (1.1, "does not grow"), (1.11, "error grows")])
def test_the_third_sentence_follows_the_growth(growth: float, said: str) -> None:
    """Up to a tenth is none."""
    assert said in verdict(pair((0.0, -0.1, 0.1), (0.0, -0.1, 0.1), growth))[2]


def test_growth_is_found_in_the_drift_where_it_is_not_given() -> None:
    """The worst of the streams counts."""
    report = pair((0.0, -0.1, 0.1), None, None)
    assert "not measured" in verdict(report)[2]
    steady, rising = [1.0] * 60, [1.0 + minute / 20 for minute in range(60)]
    report["drift"] = {"RNN-int8": {"clips": {"logits": steady}, "silence": {"logits": rising}}}
    assert "error grows" in verdict(report)[2]
    del report["drift"]["RNN-int8"]["silence"]
    assert "does not grow: in the last ten minutes it is 1.00 times" in verdict(report)[2]


def test_without_intervals_the_verdict_is_careful() -> None:
    """A p-value stands in; without either nothing is claimed."""
    report = pair((-1.0, -1.2, -0.8), (-0.2, -0.3, -0.1))
    for model in report["models"]:
        del model["difference"]["interval"]
    assert "no interval is known" in verdict(report)[0]
    assert "seems to cost the RNN more" in verdict(report)[1]
    report["models"][0]["difference"]["p"] = 0.001
    assert "loses words" in verdict(report)[0]
    report["models"][0]["difference"]["p"] = 0.3
    assert "no loss beyond chance" in verdict(report)[0]


def test_the_verdict_is_three_sentences_each() -> None:
    """One full stop each, at its end."""
    for report in (sample_report(), pair(None, None), {}):
        said = verdict(report)
        assert len(said) == 3
        for sentence in said:
            assert sentence[0].isupper()
            assert re.findall(r"[.!?](?:\s|$)", sentence) == ["."]


def test_the_int8_file_that_agrees_best_on_words_stands_for_its_kind() -> None:
    """Of the first architecture, TFLite before ONNX; nothing of the test part decides."""
    report = sample_report()
    chosen = representative(report, "RNN")
    assert chosen is not None
    assert chosen["name"] == "gru-int8-qat"
    report["models"] = [model for model in report["models"] if model["name"] != "gru-int8-qat"]
    chosen = representative(report, "RNN")
    assert chosen is not None
    assert chosen["name"] == "gru-int8"
    assert representative({"models": []}, "CNN") is None


def test_a_scheme_is_one_point_of_the_picture() -> None:
    """ONNX only where there is no TFLite; a model without a size or an accuracy has none."""
    models = sample_report()["models"]
    names = {point.name for point in points_of(models)}
    assert "gru-int8" in names
    assert "gru-int8.onnx" not in names
    assert "gru-int8.onnx" in {point.name for point in points_of([m for m in models if m["format"] == "onnx"])}
    assert points_of([{"name": "a", "bytes": 1000}, {"name": "b", "accuracy_words_carried": {"share": 0.9}}]) == []


def test_of_many_ops_the_noisiest_are_drawn_in_their_order() -> None:
    """A picture has room for forty."""
    ops = [{"name": str(place), "sqnr_db": float((place * 7) % 101)} for place in range(101)]
    drawn = noisiest(ops)
    assert [op["name"] for op in drawn] == sorted((op["name"] for op in drawn), key=int)
    assert max(op["sqnr_db"] for op in drawn) == 39.0


def test_a_histogram_without_extent_is_left_out() -> None:
    """Nothing to draw."""
    assert histogram("m", {"counts": [1, 2], "low": 1.0, "high": 1.0}, "", 320) == ""
    assert histogram("m", {"counts": [], "low": 0.0, "high": 1.0}, "", 320) == ""
    assert "outside" in histogram("m", {"counts": [1] * 8, "low": -4.0, "high": 4.0, "range": [-1.0, 1.0]}, "", 320)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_spread_places_are_apart_and_keep_their_order(places: list[float]) -> None:
    """Also at the ends."""
    moved = spread(places, 10, 0, 100)
    order = sorted(range(len(places)), key=lambda index: places[index])
    steps = [moved[after] - moved[before] for before, after in pairwise(order)]
    assert all(step >= 10 - 1e-6 for step in steps)
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in moved)


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_lie_within_their_axis(low: float, length: float) -> None:
    """A few, evenly spaced."""
    values = ticks(low, low + length)
    slack = 1e-6 * max(1.0, abs(low), length)
    assert 1 <= len(values) <= 7
    assert all(low - slack <= value <= low + length + slack for value in values)


def test_figures_are_rounded_as_people_read_them() -> None:
    """What is nearly all is not all; a minus is a minus; a missing figure is a dash."""
    assert [percent(share) for share in (0.9452, 1.0, 0.9999, 0.0, 0.0004)] == ["94.5", "100.0", "99.99", "0.0", "0.04"]
    assert [significant(value) for value in (0.01234, 12.0, 764.5, 1234.0)] == ["0.0123", "12.0", "764", "1,234"]
    assert [percent(None), significant(None), significant(0)] == [MISSING, MISSING, "0"]
    assert span((-0.2, 0.1), 2) == f"{MINUS}0.20 to +0.10"
    assert span((1.1, 10.2)) == f"1.1{TO}10.2"
    assert log_ticks(30_000, 1_200_000) == [50_000, 100_000, 200_000, 500_000, 1_000_000]
    assert len(shorten("a_very_long_name_of_an_op", 80)) <= 12
    assert growth_of([1.0] * 10 + [None] * 40 + [1.5] * 10) == 1.5
    assert growth_of([1.0] * 19) is None


def test_the_page_needs_no_tensorflow() -> None:
    """Nor numpy: a report.json can be rendered anywhere."""
    program = "import sys, kws_export.report; print({'tensorflow', 'keras', 'numpy', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
