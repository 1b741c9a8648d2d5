"""Pictures of docs/cnn-to-gru.md: what each mend gave, how it was learned, what it costs."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, Literal

import matplotlib

from kws_runtime.corpus import WORDS
from kws_runtime.files import write_atomically

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {"tutorial-cnn": "#cc5500", "question-gru": "#a40000", "gru": "#3465a4"}
MEND_COLOUR = "#8fb0d6"
LEARNING = {"dropout": "#75507b", "log": "#4e9a06"}  # rows whose learning is shown beside those of COLOURS

Values = dict[str, Any]


def draw(figures: Values, docs: Path) -> None:
    """Write cnn-to-gru-accuracy.png, -learning.png and -cost.png."""
    rows = figures["rows"]
    _save(_accuracy(rows), docs / "cnn-to-gru-accuracy.png")
    _save(_learning(rows), docs / "cnn-to-gru-learning.png")
    _save(_cost([row for row in rows if not row["aside"]]), docs / "cnn-to-gru-cost.png")


def _colours(rows: list[Values]) -> list[str]:
    return ["#bbbbbb" if row["aside"] else COLOURS.get(row["name"], MEND_COLOUR) for row in rows]


def _plain(axes: Axes, grid: Literal["x", "y"]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, alpha=0.3)
    axes.set_axisbelow(True)


def _accuracy(rows: list[Values]) -> Figure:
    figure, axes = plt.subplots(figsize=(11, 4.8), layout="constrained")
    names = [f"{row['what']}  ({row['name']})".replace("`", "") for row in rows]
    means = [100 * statistics.mean(row["accuracy"]) for row in rows]
    axes.barh(names, means, color=_colours(rows), height=0.65)
    for place, row in enumerate(rows):
        axes.plot([100 * value for value in row["accuracy"]], [place] * len(row["accuracy"]), "k.", markersize=5)
        axes.text(1.5, place, f"{means[place]:.1f}", va="center", color="white", fontweight="bold", fontsize=9)
    axes.axvline(100 / len(WORDS), color="#555555", linestyle="--", linewidth=0.8)
    axes.text(100 / len(WORDS) + 0.5, -0.75, "chance", color="#555555", fontsize=8)
    axes.set(xlabel="test clips right (%); a dot is a seed", xlim=(0, 100))
    axes.invert_yaxis()
    _plain(axes, "x")
    return figure


def _learning(rows: list[Values]) -> Figure:
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for row in rows:
        colour = (COLOURS | LEARNING).get(row["name"])
        if colour is None:
            continue
        for number, curve in enumerate(row["validation"]):
            label = row["name"] if number == 0 else None
            epochs = range(1, len(curve) + 1)
            axes.plot(epochs, [100 * value for value in curve], color=colour, linewidth=1.2, label=label)
            axes.plot(len(curve), 100 * curve[-1], "o", color=colour, markersize=4)
    axes.set(xlabel="epoch; a dot is where a run ended", ylabel="validation clips right (%)", ylim=(0, 100))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    _plain(axes, "y")
    return figure


def _cost(rows: list[Values]) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", sharey=True)
    names = [row["name"] for row in rows]
    times = [statistics.mean(row["time_an_epoch"]) for row in rows]
    for axes, values, form in (
        (left, times, "{:.2f}"),
        (right, [row["macs_a_second"] / 1e6 for row in rows], "{:.0f}"),
    ):
        bars = axes.barh(names, values, color=_colours(rows), height=0.65)
        axes.bar_label(bars, [form.format(value) for value in values], padding=3, fontsize=9)
        _plain(axes, "x")
    left.set(xlabel="processor time an epoch (tutorial-cnn = 1)", xlim=(0, 1.15 * max(times)))
    right.set(xlabel="millions of multiplications a second of stream", xscale="log")
    right.set_xlim(1, 4e3)
    left.invert_yaxis()
    return figure


def _save(figure: Figure, path: Path) -> None:
    write_atomically(path, lambda unfinished: figure.savefig(unfinished, dpi=120, format="png"))
    plt.close(figure)
