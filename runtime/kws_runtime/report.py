"""The figures of `kws-eval` for people: lines on a terminal, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ENDURANCE = (("frr_first", "first ten minutes"), ("frr_last", "last ten minutes"))


def snr_name(snr_db: float | None) -> str:
    """An SNR of the sweep in words."""
    return "clean" if snr_db is None else f"{snr_db:g} dB"


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """The figures, one a line."""
    yield f"{figures['model']} on {figures['interpreter']}"
    for name, figure in {**figures.get("clips", {}), **figures.get("canonical", {})}.items():
        yield _share_line(name, figure)
    for name, figure in figures.get("scenes", {}).items():
        yield from _scene_lines(name, figure)
    for point in figures.get("det", {}).get("at", ()):
        said = f"  at most {point['fa_per_hour_at_most']:g} FA/h"
        if point["threshold"] is None:
            yield f"{said}: no threshold is high enough"
            continue
        frr = [f"{name} {one['share']:.2%} {_ends(one, '.2%')}" for name, one in point["frr"].items()]
        yield f"{said}: threshold {point['threshold']:g}   FRR {', '.join(frr)}"
    for row in figures.get("sweep", ()):
        yield _share_line(f"words in noise, {snr_name(row['snr_db'])}", row)


def _share_line(name: str, figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"  {name:24}{figure['share']:7.2%}   [{low:.2%}, {high:.2%}]   {figure['clips']} clips"


def _scene_lines(name: str, figure: dict[str, Any]) -> Iterator[str]:
    low, high = figure["fa_per_hour_interval"]
    line = f"  {name:16}FA/h {figure['fa_per_hour']:6.2f} [{low:.2f}, {high:.2f}]"
    if "frr" in figure:
        low, high = figure["frr_interval"]
        line += f"   FRR {figure['frr']:6.2%} [{low:.2%}, {high:.2%}] of {figure['words']} words"
    if "delay_p50" in figure:
        line += f"   delay p50 {figure['delay_p50']:.2f} s, p95 {figure['delay_p95']:.2f} s"
    yield line
    if "frr_holds" in figure:
        parts = [f"{said} FRR {figure[key]['share']:.2%} {_ends(figure[key], '.2%')}" for key, said in ENDURANCE]
        yield f"  {'':16}{', '.join(parts)}: {_holds(figure)}"


def _holds(figure: dict[str, Any]) -> str:
    return "ends as good as it began" if figure["frr_holds"] else "ends worse than it began"


def _ends(figure: dict[str, Any], form: str) -> str:
    low, high = figure["interval"]
    return f"[{low:{form}}, {high:{form}}]"


def markdown(figures: dict[str, Any]) -> str:
    """All figures as tables. In brackets: 95 % intervals."""
    blocks = [f"# {figures['model']} on {figures['interpreter']}\n\nIn brackets: 95 % intervals.\n"]
    clips = {**figures.get("clips", {}), **figures.get("canonical", {})}
    if clips:
        rows = [[f"`{name}`", _percent(figure), str(figure["clips"])] for name, figure in clips.items()]
        blocks.append(_table("Clips", ["figure", "right", "clips"], rows))
    if "scenes" in figures:
        rows = [_scene_row(name, figure) for name, figure in figures["scenes"].items()]
        header = ["scene", "minutes", "words", "missed (FRR)", "FA/h", "delay p50, p95"]
        blocks.append(_table("Scenes, at the model's threshold", header, rows))
        long = {name: figure for name, figure in figures["scenes"].items() if "frr_holds" in figure}
        if long:
            rows = [[name, *(_percent(one[key]) for key, _ in ENDURANCE), _holds(one)] for name, one in long.items()]
            blocks.append(_table("Endurance: FRR", ["scene", *(said for _, said in ENDURANCE), ""], rows))
    if "det" in figures:
        det = figures["det"]
        names = list(det["frr"])
        rows = []
        for point in det["at"]:
            shares = point.get("frr", {})
            threshold = "none does" if point["threshold"] is None else f"{point['threshold']:g}"
            cells = [_percent(shares[name]) if name in shares else "" for name in names]
            rows.append([f"{point['fa_per_hour_at_most']:g}", threshold, *cells])
        header = ["FA/h at most", "threshold", *(f"missed, {name}" for name in names)]
        blocks.append(_table(f"FRR at given FA/h in {', '.join(det['without_words'])}", header, rows))
    if "sweep" in figures:
        rows = [[snr_name(row["snr_db"]), _percent(row), str(row["clips"])] for row in figures["sweep"]]
        blocks.append(_table("Words in noise, one carried stream each", ["SNR", "right", "clips"], rows))
    return "\n".join(blocks)


def _scene_row(name: str, figure: dict[str, Any]) -> list[str]:
    low, high = figure["fa_per_hour_interval"]
    missed = delay = ""
    if "frr" in figure:
        missed = _percent({"share": figure["frr"], "interval": figure["frr_interval"]})
    if "delay_p50" in figure:
        delay = f"{figure['delay_p50']:.2f}, {figure['delay_p95']:.2f} s"
    accepts = f"{figure['fa_per_hour']:.1f} [{low:.1f}, {high:.1f}]"
    return [name, f"{figure['seconds'] / 60:.1f}", str(figure["words"]), missed, accepts, delay]


def _percent(figure: dict[str, Any]) -> str:
    low, high = (100 * end for end in figure["interval"])
    return f"{100 * figure['share']:.1f} % [{low:.1f}, {high:.1f}]"


def _table(title: str, header: list[str], rows: list[list[str]]) -> str:
    """A table; the first column is text, the others stand to the right."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return f"## {title}\n\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in (header, ruler, *rows))
