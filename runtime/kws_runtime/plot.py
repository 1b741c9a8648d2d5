"""The pictures of `kws-eval` (the DET curve of the scenes, the noise sweep) and of `kws-tune`. They need matplotlib
(extra `plot`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kws_runtime.cli import need_extra
from kws_runtime.files import write_atomically
from kws_runtime.report import snr_name

COLOURS = ("#3465a4", "#cc5500", "#59a14f", "#b07aa1", "#9c755f", "#76b7b2")
LINEAR_BELOW = 1.0  # FA/h: from here up the axis is logarithmic, so that 0 has a place too
TICKS = (0, 1, 5, 20, 100, 1000)  # FA/h


def need_matplotlib() -> None:
    """Raise MissingError at once rather than after the measurement."""
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "plot") from error
    matplotlib.use("Agg")


def plot_figures(figures: dict[str, Any], path: Path) -> None:
    """Draw what there is of `det` and `sweep` beside each other, as PNG. One of them must be there."""
    need_matplotlib()
    from matplotlib import pyplot as plt

    panels = [draw for name, draw in (("det", _draw_det), ("sweep", _draw_sweep)) if name in figures]
    figure, row = plt.subplots(1, len(panels), figsize=(5.5 * len(panels), 4.2), layout="constrained", squeeze=False)
    for axes, draw in zip(row[0], panels, strict=True):
        draw(axes, figures)
        _quiet_frame(axes)
    figure.suptitle(f"{figures['model']} on {figures['interpreter']}", fontsize=11)
    write_atomically(path, lambda unfinished: figure.savefig(unfinished, dpi=120, format="png"))
    plt.close(figure)


def plot_tuning(figures: dict[str, Any], path: Path) -> None:
    """Draw the `curves` of `kws-tune` over the false accepts an hour: each word's, and that of all words with one
    threshold, with the point at which the tuned thresholds lie, as PNG."""
    need_matplotlib()
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.5, 4.6), layout="constrained")
    curves = figures["curves"]
    for name, curve in curves.items():
        style = {"color": "black", "linewidth": 2.5} if name == "all" else {"linewidth": 1.0}
        label = "all, one threshold" if name == "all" else name
        axes.plot(curve["fa_per_hour"], [100 * share for share in curve["missed"]], label=label, **style)
    missed = figures["all"]["missed"]["after"]
    low, high = (100 * (abs(missed["share"] - end)) for end in missed["interval"])
    worst = max(row["after"]["fa_per_hour"] for row in figures["noise"])
    axes.errorbar(worst, 100 * missed["share"], [[low], [high]], color="black", fmt="o", capsize=3, label="tuned")
    _fa_axis(axes)
    _quiet_frame(axes)
    axes.set_xlabel("false accepts an hour: of all words, of each alone")
    axes.legend(frameon=False)
    figure.suptitle(f"{Path(figures['model']).name} on {figures['interpreter']}", fontsize=11)
    write_atomically(path, lambda unfinished: figure.savefig(unfinished, dpi=120, format="png"))
    plt.close(figure)


def _fa_axis(axes: Any) -> None:
    axes.set_xscale("symlog", linthresh=LINEAR_BELOW)
    axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axes.set(xlim=(0, TICKS[-1]), ylim=(0, 100), ylabel="words missed (%)")


def _quiet_frame(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


def _draw_det(axes: Any, figures: dict[str, Any]) -> None:
    det = figures["det"]
    for number, (name, shares) in enumerate(det["frr"].items()):
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(det["fa_per_hour"], [100 * share for share in shares], color=colour, label=name, linewidth=1.5)
        for point in det["at"]:
            if point["threshold"] is not None:
                one = point["frr"][name]
                missed, (low, high) = 100 * one["share"], (100 * end for end in one["interval"])
                axes.errorbar(
                    point["fa_per_hour"], missed, [[missed - low], [high - missed]], color=colour, fmt="o", capsize=3
                )
    _fa_axis(axes)
    axes.set_xlabel(f"false accepts an hour, {', '.join(det['without_words'])}")
    axes.legend(frameon=False)


def _draw_sweep(axes: Any, figures: dict[str, Any]) -> None:
    rows = figures["sweep"]
    shares = [100 * row["share"] for row in rows]
    below = [100 * (row["share"] - row["interval"][0]) for row in rows]
    above = [100 * (row["interval"][1] - row["share"]) for row in rows]
    axes.errorbar(range(len(rows)), shares, [below, above], color=COLOURS[0], marker="o", capsize=3)
    axes.set_xticks(range(len(rows)), [snr_name(row["snr_db"]) for row in rows])
    axes.set(xlabel="signal to noise", ylabel="words right, state carried (%)", ylim=(0, 100))
