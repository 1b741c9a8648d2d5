"""The tables that script/measure-cost makes of docs/cost.json for docs/performance.md."""

from __future__ import annotations

import itertools
import json
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

from cost_models import CNN, GRU
from peer_page import number, ranged
from tables import fill, table

from kws_train.zoo import ARCHITECTURES

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, RESULTS, ZOO = DOCS / "performance.md", DOCS / "cost.json", DOCS / "zoo.json"
SCRIPT = "measure-cost"
SCHEMES = {"int8": "int8", "fp32": "float"}
OWN_STEP = 40  # ms, of both bundled models

Row = dict[str, Any]


def name_of(row: Row) -> str:
    """As one names it to kws-train."""
    return f"{row['architecture']} {row['size']}"


def forms(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Each interpreter with each scheme."""
    return [(scheme, interpreter) for interpreter in results["interpreters"] for scheme in SCHEMES]


def titles(results: dict[str, Any]) -> list[str]:
    """The same in words."""
    return [f"{SCHEMES[scheme]}, {interpreter}" for scheme, interpreter in forms(results)]


def cpu(row: Row, form: tuple[str, str], what: str) -> list[float]:
    """CPU seconds for an hour of audio in each round, of the `step` alone or the `listener`; [] where there is none."""
    scheme, interpreter = form
    return row["cpu_s_an_hour"][scheme][interpreter][what] if scheme in row["cpu_s_an_hour"] else []


def by_step(results: dict[str, Any], network: tuple[str, str]) -> dict[int, Row]:
    """The rows of a network by the milliseconds of its step."""
    rows = [row for row in results["models"] if (row["architecture"], row["size"]) == network]
    return {row["step_ms"]: row for row in sorted(rows, key=lambda row: row["step_ms"])}


def by_size(results: dict[str, Any]) -> list[Row]:
    """The rows of all networks, each at its own step, in the order of the zoo."""
    compared = {CNN, GRU}
    rows = [
        row
        for row in results["models"]
        if (row["architecture"], row["size"]) not in compared or row["step_ms"] == OWN_STEP
    ]
    order = [(name, size) for name, architecture in ARCHITECTURES.items() for size in architecture.sizes]
    return sorted(rows, key=lambda row: order.index((row["architecture"], row["size"])))


def render(results: dict[str, Any]) -> str:
    """What the page must say."""
    zoo = json.loads(ZOO.read_text())
    tables = {
        "cost-hop times": _times(results),
        "cost-hop lines": _hop_lines(results),
        "cost-hop": _hops(results),
        "cost-size lines": _size_lines(results),
        "cost-size": _sizes(results, zoo),
        "cost-about": _about(results),
    }
    return fill(PAGE.read_text(), SCRIPT, tables)


def _ratios(above: list[float], below: list[float]) -> list[float]:
    """Each within a round."""
    return [one / other for one, other in zip(above, below, strict=True)]


def _times(results: dict[str, Any]) -> str:
    """How often the CNN takes what the GRU takes."""
    cnn, gru = by_step(results, CNN), by_step(results, GRU)
    rows = []
    for step in cnn:
        counted = cnn[step]["macs_an_hour"] / gru[step]["macs_an_hour"]
        found = [_ratios(cpu(cnn[step], form, "step"), cpu(gru[step], form, "step")) for form in forms(results)]
        rows.append([f"{step} ms", number(counted), *map(ranged, found)])
    return table(["step", "multiply-accumulates", *titles(results)], rows)


def _hops(results: dict[str, Any]) -> str:
    """What each takes at each step."""
    rows = []
    for network in (CNN, GRU):
        for step, row in by_step(results, network).items():
            figures = [median(cpu(row, form, "step")) for form in forms(results)]
            figures += [median(cpu(row, form, "listener")) for form in _integer(results)]
            rows.append([f"`{network[0]}`, {step} ms", _giga(row["macs_an_hour"]), *map(number, figures)])
    whole = [f"int8, {interpreter}: all" for _, interpreter in _integer(results)]
    return table(["", "G MACs an hour", *(f"{title}: step" for title in titles(results)), *whole], rows)


def _integer(results: dict[str, Any]) -> list[tuple[str, str]]:
    return [form for form in forms(results) if form[0] == "int8"]


def _giga(macs: int) -> str:
    return f"{macs / 1e9:.1f}"


def _hop_lines(results: dict[str, Any]) -> str:
    """What the two tables say in words."""
    cnn, gru = by_step(results, CNN), by_step(results, GRU)
    half = OWN_STEP // 2
    grown = {}
    for network, rows in ((CNN, cnn), (GRU, gru)):
        counted = rows[half]["macs_an_hour"] / rows[OWN_STEP]["macs_an_hour"]
        found = [_ratios(cpu(rows[half], form, "step"), cpu(rows[OWN_STEP], form, "step")) for form in forms(results)]
        low, high = (end(median(one) for one in found) for end in (min, max))
        grown[network] = f"`{network[0]}` {number(counted)} times the multiplications, {low:.2f}-{high:.2f} the time"
    same = [f"{_same(cnn, gru[OWN_STEP]['macs_an_hour'], lambda row: row['macs_an_hour'])} by multiplications"]
    for form, title in zip(forms(results), titles(results), strict=True):
        wanted = median(cpu(gru[OWN_STEP], form, "step"))
        same.append(f"{_same(cnn, wanted, lambda row, form=form: median(cpu(row, form, 'step')))} in {title}")
    return (
        f"- Steps of {half} ms instead of {OWN_STEP} take {', and '.join(grown.values())}.\n"
        f"- What `{GRU[0]}` takes to answer each {OWN_STEP} ms, `{CNN[0]}` takes to answer each {'; '.join(same)}.\n"
    )


def _same(rows: dict[int, Row], wanted: float, cost: Any) -> str:
    """The step at which the cost of these rows falls to what is wanted: a straight line between two of them, where
    both axes are logarithmic."""
    points = [(step, cost(row)) for step, row in rows.items()]
    if wanted >= points[0][1]:
        return f"{points[0][0]} ms or less"
    for (step, dear), (next_step, cheap) in itertools.pairwise(points):
        if dear >= wanted >= cheap:
            part = log(dear / wanted) / log(dear / cheap)
            return f"{exp(log(step) + part * log(next_step / step)):.0f} ms"
    return f"more than {points[-1][0]} ms"


def _sizes(results: dict[str, Any], zoo: list[Row]) -> str:
    """What each network takes, and what is known of how well it hears."""
    rows = []
    for row in by_size(results):
        heard = _heard(zoo, row)
        figures = [cpu(row, form, "listener") for form in forms(results)]
        rows.append(
            [
                f"`{name_of(row)}`",
                f"{row['parameters']:,}",
                " / ".join(
                    f"{row['bytes'][scheme] / 1e3:.0f}" if scheme in row["bytes"] else "-" for scheme in SCHEMES
                ),
                f"{row['macs_a_step'] / 1e3:,.0f}",
                *(ranged(values) if values else "-" for values in figures),
                _percent(heard and heard["clips"]["accuracy_words_carried"]["share"]),
                _percent(heard and heard["operating_point"] and heard["scenes"]["dev-quiet"]["frr"]),
            ]
        )
    header = ["network", "parameters", "kB: int8 / float", "k MACs a step", *titles(results), "words right", "missed"]
    return table(header, rows)


def _heard(zoo: list[Row], row: Row) -> Row | None:
    """The zoo's figures of a network, of streams where it learned from both; None where it was not trained."""
    network = row["architecture"], row["size"]
    found = [one for one in zoo if (one["architecture"], one["size"], one["labels"]) == (*network, "words")]
    return min(found, key=lambda one: one["recipe"] == "clips", default=None)


def _percent(share: float | None) -> str:
    return f"{100 * share:.1f} %" if share else "-"


def _size_lines(results: dict[str, Any]) -> str:
    """How far apart they are, and what all have in common."""
    rows = [row for row in by_size(results) if "int8" in row["bytes"]]

    def spread(values: list[float]) -> str:
        return f"{number(max(values) / min(values))} times"

    times = [
        f"{spread([median(cpu(row, form, 'listener')) for row in rows])} (on {form[1]})" for form in _integer(results)
    ]
    parameters, macs = spread([row["parameters"] for row in rows]), spread([row["macs_an_hour"] for row in rows])
    rest: dict[str, list[float]] = {}
    for row in by_size(results):
        kind = ARCHITECTURES[row["architecture"]].frontend.kind
        for form in forms(results):
            pairs = zip(cpu(row, form, "listener"), cpu(row, form, "step"), strict=True)
            rest.setdefault(kind, []).extend(whole - step for whole, step in pairs)
    kinds = ", ".join(f"{number(median(values))} s with `{kind}`" for kind, values in rest.items())
    return (
        f"- Of those in int8 the largest has {parameters} the parameters of the smallest, and the one with the most "
        f"multiplications an hour {macs} those of the one with the fewest; the dearest takes {' and '.join(times)} the "
        "CPU time of the cheapest.\n"
        f"- What is not the step (front end, detector, Python) takes {kinds}.\n"
    )


def _about(results: dict[str, Any]) -> str:
    """The machine, how far rounds differ, and what training changes."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    apart = sorted(
        abs(value / median(values) - 1)
        for row in results["models"]
        for form in forms(results)
        for what in ("step", "listener")
        if (values := cpu(row, form, what))
        for value in values
    )
    trained = []
    for network, bundled in ((GRU, "gru-int8"), (GRU, "gru-fp32"), (CNN, "ds-cnn-int8")):
        row, scheme = by_step(results, network)[OWN_STEP], bundled.rpartition("-")[2]
        for interpreter in results["interpreters"]:
            measured = results["bundled"][bundled][interpreter]["step"]
            trained.append(median(_ratios(measured, cpu(row, (scheme, interpreter), "step"))))
    return (
        f"On {machine['cpu']}, {machine['cores']} cores, {versions}; {results['rounds']} rounds, medians, in brackets "
        f"the range. Half of the figures lie within {100 * median(apart):.1f} % of their median, the farthest "
        f"{100 * apart[-1]:.0f} % away. The bundled, trained models take {min(trained):.2f}-{max(trained):.2f} of what "
        "the same networks take untrained.\n"
    )
