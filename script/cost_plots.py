"""The pictures that script/measure-cost makes of docs/cost.json: cost by the step, cost by the size."""

from __future__ import annotations

from statistics import median
from typing import Any

import matplotlib
from cost_models import CNN, GRU
from cost_page import DOCS, SCHEMES, by_size, by_step, cpu
from peer_page import INK

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import EngFormatter

COLOURS = {
    "gru": "#d9692e",
    "gru2": "#d99a2e",
    "crnn": "#b05a8c",
    "raw-gru": "#8d6ccf",
    "trigger-gru": "#c2493f",
    "bc-resnet": "#3f9c86",
    "ds-cnn": "#5588c7",
    "tutorial-cnn": "#4aa3b5",
}
LINES = ("-", (0, (4, 1.5)))  # of the interpreters
SIZE_MARKER = {"s": 25, "m": 50, "l": 85}  # square points
TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def draw(results: dict[str, Any]) -> None:
    """Write docs/cost-hop.png and docs/cost-size.png; readable on light and dark."""
    for name, make in (("cost-hop", _hops), ("cost-size", _sizes)):
        figure = make(results)
        figure.savefig(DOCS / f"{name}.png", dpi=130, transparent=True)
        plt.close(figure)


def _hops(results: dict[str, Any]) -> Any:
    """Three panels over the step: multiply-accumulates, CPU time in int8, CPU time in float."""
    figure, panels = plt.subplots(1, 3, figsize=(11, 4.4), layout="constrained")
    for network in (CNN, GRU):
        rows, colour = by_step(results, network), COLOURS[network[0]]
        steps, counted = list(rows), [row["macs_an_hour"] / 1e9 for row in rows.values()]
        panels[0].plot(steps, counted, "o-", color=colour, label=f"{network[0]}")
        for axes, scheme in zip(panels[1:], SCHEMES, strict=True):
            for interpreter, line in zip(results["interpreters"], LINES, strict=False):
                values = [cpu(row, (scheme, interpreter), "step") for row in rows.values()]
                middle = [median(one) for one in values]
                around = [[m - min(v) for m, v in zip(middle, values, strict=True)]]
                around.append([max(v) - m for m, v in zip(middle, values, strict=True)])
                style = {"color": colour, "linestyle": line, "marker": "o", "markersize": 4.5, "capsize": 2.5}
                axes.errorbar(steps, middle, yerr=around, label=f"{network[0]}, {interpreter}", **style)
    titles = ("billions of multiply-accumulates", "CPU s, int8, the step alone", "CPU s, float, the step alone")
    for axes, title in zip(panels, titles, strict=True):
        axes.set(xscale="log", yscale="log", xlabel="step, ms")
        axes.set_xticks(steps, [str(step) for step in steps])
        _plain(axes, title)
    low = min(axes.get_ylim()[0] for axes in panels[1:])
    high = max(axes.get_ylim()[1] for axes in panels[1:])
    for axes in panels[1:]:
        axes.set_ylim(low, high)
    for axes in panels:
        _ticks(axes)
    for axes in panels[:2]:
        axes.legend(frameon=False, labelcolor=INK, fontsize=9, loc="lower left")
    figure.suptitle("for an hour of audio; all axes are logarithmic", x=0.005, ha="left", color=INK, fontsize=10)
    return figure


def _sizes(results: dict[str, Any]) -> Any:
    """CPU time of the whole listener over parameters and multiply-accumulates, a row of panels an interpreter."""
    interpreters = results["interpreters"]
    figure, panels = plt.subplots(
        len(interpreters),
        2,
        figsize=(11, 4 * len(interpreters)),
        layout="constrained",
        sharex="col",
        sharey=True,
        squeeze=False,
    )
    networks: dict[str, list[dict[str, Any]]] = {}
    for row in by_size(results):
        networks.setdefault(row["architecture"], []).append(row)
    over = {"parameters": "parameters", "macs_an_hour": "multiply-accumulates an hour"}
    for interpreter, line in zip(interpreters, panels, strict=True):
        for axes, figure_name in zip(line, over, strict=True):
            for network, rows in networks.items():
                scheme = "int8" if "int8" in rows[0]["bytes"] else "fp32"
                places = [row[figure_name] for row in rows]
                values = [median(cpu(row, (scheme, interpreter), "listener")) for row in rows]
                face = COLOURS[network] if scheme == "int8" else "none"
                sizes = [SIZE_MARKER[row["size"]] for row in rows]
                axes.plot(places, values, color=COLOURS[network], linewidth=1.3)
                name = network if scheme == "int8" else f"{network}, float"
                axes.scatter(places, values, sizes, color=face, edgecolors=COLOURS[network], label=name, zorder=3)
            axes.set(xscale="log", yscale="log")
            _plain(axes, f"CPU s for an hour of audio, int8, {interpreter}")
    for axes, label in zip(panels[-1], over.values(), strict=True):
        axes.set_xlabel(f"{label}; dots: sizes s, m, l")
        axes.xaxis.set_major_formatter(EngFormatter())
    _ticks(panels[0, 0])
    names, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(names, labels, frameon=False, labelcolor=INK, loc="outside right center")
    return figure


def _plain(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.xaxis.label.set_color(INK)
    axes.minorticks_off()
    axes.tick_params(colors=INK, length=0)
    axes.grid(color=INK, alpha=0.3, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _ticks(axes: Any) -> None:
    """Plain numbers, those of TICKS that lie within."""
    low, high = axes.get_ylim()
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
