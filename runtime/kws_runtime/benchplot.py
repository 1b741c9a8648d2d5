"""The picture of `kws-bench`: how long hops take. It needs matplotlib (extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.benchreport import Measurement
from kws_runtime.files import write_atomically
from kws_runtime.plot import COLOURS, need_matplotlib
from kws_runtime.timing import HOP_MS, HOP_US, Timings, percentiles_us

BINS_A_DECADE = 40
US_A_MS = 1000
MARGIN = 0.15  # decades, left and right of what is drawn
TICKS = {1: "1 µs", 10: "10 µs", 100: "100 µs", 1000: "1 ms", 10_000: "10 ms", 100_000: "100 ms", 1_000_000: "1 s"}
WITHOUT_STEP, WITH_STEP = 0.35, 0.9  # opacity
PANEL_INCHES, FRAME_INCHES = 0.95, 1.25


def plot_hops(measurements: Sequence[Measurement], title: str, path: Path) -> None:
    """Draw the hops of each measurement, flat out and in real time, each histogram as high as the other, as PNG."""
    need_matplotlib()
    from matplotlib import pyplot as plt

    edges = _edges([timings for one in measurements for timings in (one.flat, one.paced)])
    size = (8.0, FRAME_INCHES + PANEL_INCHES * len(measurements))
    figure, column = plt.subplots(len(measurements), 1, figsize=size, sharex=True, squeeze=False, layout="constrained")
    for axes, one in zip(column[:, 0], measurements, strict=True):
        bars = [
            *_draw(axes, edges, one.flat, "flat out", COLOURS[0], 0.86),
            *_draw(axes, edges, one.paced, "in real time", COLOURS[1], 0.62),
        ]
        axes.axvspan(HOP_US, edges[-1], color="0.88", linewidth=0)
        axes.set_title(one.name, loc="left", fontsize=9, pad=3)
        axes.set(xscale="log", xlim=(edges[0], edges[-1]), ylim=(0, 1.15), yticks=[])
        axes.spines[["top", "right", "left"]].set_visible(False)
    ticks = [tick for tick in TICKS if edges[0] <= tick <= edges[-1]]
    axes.set_xticks(ticks, [TICKS[tick] for tick in ticks])
    axes.set_xlabel(f"what a hop takes; grey: more than its {HOP_MS:g} ms", fontsize=9)
    figure.suptitle(title, fontsize=11)
    figure.legend(handles=bars, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    write_atomically(path, lambda unfinished: figure.savefig(unfinished, dpi=120, format="png"))
    plt.close(figure)


def _edges(timings: Sequence[Timings]) -> NDArray[np.float64]:
    """Of the bins, in microseconds: equally wide in the logarithm, from the shortest hop to beyond the deadline."""
    shortest = min(float(one.work_ns.min()) for one in timings) / 1000
    longest = max(HOP_US, *(float(one.work_ns.max()) / 1000 for one in timings))
    first, last = np.log10(shortest) - MARGIN, np.log10(longest) + MARGIN
    return np.logspace(first, last, int((last - first) * BINS_A_DECADE) + 2)


def _draw(axes: Any, edges: NDArray[np.float64], timings: Timings, name: str, colour: str, height: float) -> list[Any]:
    """The hops without a step and, upon them, those with one; where the p99 of all lies."""
    kinds = {
        "without a step": (timings.without_step_ns, WITHOUT_STEP),
        "with a step": (timings.with_step_ns, WITH_STEP),
    }
    counts = [np.histogram(ns / 1000, edges)[0] for ns, _ in kinds.values()]
    highest, floor, bars = np.sum(counts, axis=0).max(), np.zeros(len(edges) - 1), []
    for (kind, (_, opacity)), count in zip(kinds.items(), counts, strict=True):
        top = floor + count / highest
        label = f"{name}, {kind}"
        bars.append(axes.stairs(top, edges, baseline=floor, fill=True, color=colour, alpha=opacity, label=label))
        floor = top
    p99 = percentiles_us(timings.work_ns)["p99"]
    text = f"p99 {p99:.0f} µs" if p99 < US_A_MS else f"p99 {p99 / US_A_MS:.1f} ms"
    side = "left" if p99 < edges[len(edges) * 3 // 4] else "right"  # so that it stays in the panel
    axes.axvline(p99, color=colour, linewidth=1)
    axes.text(p99, height, f"  {text}  ", color=colour, fontsize=8, horizontalalignment=side)
    return bars
