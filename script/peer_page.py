"""The tables and the picture that script/bench-peers makes of its figures for docs/performance.md."""

from __future__ import annotations

from statistics import median
from typing import Any

from peer_venvs import OURS, PEERS, ROOT
from tables import fill, table

RESULTS, PAGE, PICTURE = (ROOT / "docs" / f"performance.{kind}" for kind in ("json", "md", "png"))
SCRIPT = "bench-peers"
OUR_NAMES = {peer.name for peer in PEERS if peer.ours}
COMPARED = (OURS, "kws-edge-litert", "kws-edge-fp32")
INK, OURS_BAR, OUR_OTHERS, OTHERS = "#767f8a", "#d9692e", "#dba98b", "#7f9cc0"
HOP_US_OF_HOURS = 1e6 * 0.02 / 3600  # seconds per hour of audio to µs per 20 ms of it
TICKS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000)  # CPU seconds per hour


def rounds_of(results: dict[str, Any], name: str, figure: str) -> list[float]:
    """A figure of a peer in each round."""
    return [one[figure] for one in results["peers"][name]["rounds"]]


def ratios(results: dict[str, Any], name: str, figure: str, ours: str = OURS) -> list[float]:
    """One of ours as a share of the peer's, each within a round."""
    pairs = zip(rounds_of(results, ours, figure), rounds_of(results, name, figure), strict=True)
    return [mine / theirs for mine, theirs in pairs]


def number(value: float) -> str:
    """Two or three figures."""
    if value < 1:
        return f"{value:#.2g}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ranged(values: list[float]) -> str:
    """The median with the range."""
    return f"{number(median(values))} ({number(min(values))}-{number(max(values))})"


def cheapest_first(results: dict[str, Any]) -> list[str]:
    """The names of all that were measured."""
    return sorted(results["peers"], key=lambda name: median(rounds_of(results, name, "cpu_s_per_hour")))


def tables_of(results: dict[str, Any]) -> dict[str, str]:
    """The tables of what there is: `peers`, which is time, and `peer_instructions`."""
    tables = {}
    if "peers" in results:
        part = results["peers"]
        about = f"\nOn {part['machine']}; {part['rounds']} rounds, medians, in brackets the range.\n"
        tables["peer ratios"] = _ratios(part)
        tables["peers"] = _figures(part) + about + _left_out(part)
    if "peer_instructions" in results:
        part = results["peer_instructions"]
        tables["peer instructions"] = _instructions(part) + _left_out(part)
    return tables


def _title(name: str, peer: dict[str, Any], version: str = "") -> list[str]:
    """The first two cells of a row."""
    return [f"**`{name}`**{version}" if name == OURS else f"`{name}`{version}", peer["hears"]]


def _ratios(results: dict[str, Any]) -> str:
    """Ours as a share of each other's: the CPU time of three of ours, the rest of the first."""
    compared = [name for name in COMPARED if name in results["peers"]]
    rows = []
    for name in cheapest_first(results):
        peer = results["peers"][name]
        if name not in OUR_NAMES:
            cpu = [ranged(ratios(results, name, "cpu_s_per_hour", ours)) for ours in compared]
            start, rss = (number(median(ratios(results, name, figure))) for figure in ("start_cpu_s", "rss_mib"))
            size = number(results["peers"][OURS]["installed_mb"] / peer["installed_mb"])
            rows.append([*_title(name, peer), *cpu, start, rss, size])
    header = [f"CPU, `{name}`" for name in compared]
    return table(["against", "which hears", *header, "start-up", "peak RSS", "installed"], rows, texts=2)


def _figures(results: dict[str, Any]) -> str:
    """What each takes."""
    rows = []
    for name in cheapest_first(results):
        peer = results["peers"][name]
        cpu = rounds_of(results, name, "cpu_s_per_hour")
        p50, p99, cpu_start, wall_start, rss, piece = (
            median(rounds_of(results, name, figure))
            for figure in ("p50_us", "p99_us", "start_cpu_s", "start_wall_s", "rss_mib", "piece_ms")
        )
        rows.append(
            [
                *_title(name, peer, f" {peer['rounds'][0]['version']}"),
                ranged(cpu),
                number(median(cpu) * HOP_US_OF_HOURS),
                f"{piece:.0f} ms",
                f"{number(p50)}, {number(p99)}",
                f"{cpu_start:.2f}, {wall_start:.2f}",
                number(rss),
                number(peer["installed_mb"]),
            ]
        )
    header = [
        "",
        "hears",
        "CPU s per hour",
        "CPU µs per 20 ms",
        "piece",
        "µs a piece: p50, p99",
        "start-up s: CPU, wall",
        "peak RSS, MiB",
        "installed, MB",
    ]
    return table(header, rows, texts=2)


def _instructions(results: dict[str, Any]) -> str:
    """Those per 10 ms, and ours as a share of each."""
    counts = {name: peer["insn_per_10ms"] for name, peer in results["peers"].items()}
    rows = [
        [*_title(name, results["peers"][name]), f"{counts[name]:,}", number(counts[OURS] / counts[name])]
        for name in sorted(counts, key=counts.__getitem__)
    ]
    return table(["", "hears", "instructions per 10 ms", f"`{OURS}` takes"], rows, texts=2)


def _left_out(results: dict[str, Any]) -> str:
    lines = [f"`{name}` is left out: {reason}\n" for name, reason in results["left_out"].items()]
    return "\n" + "\n".join(lines) if lines else ""


def render(results: dict[str, Any]) -> str:
    """What the page must say."""
    return fill(PAGE.read_text(), SCRIPT, tables_of(results))


def draw(results: dict[str, Any]) -> None:
    """The CPU time of all as bars on a logarithmic axis, the least on top. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cpu = {name: rounds_of(results, name, "cpu_s_per_hour") for name in results["peers"]}
    names = cheapest_first(results)[::-1]
    lowest, highest = (end(end(values) for values in cpu.values()) for end in (min, max))
    begin = max(tick for tick in TICKS if tick < lowest)
    ticks = [tick for tick in TICKS if begin <= tick <= 2 * highest]
    figure, axes = plt.subplots(figsize=(9, 0.48 * len(names) + 1.2), layout="constrained")
    for place, name in enumerate(names):
        value, low, high = median(cpu[name]), min(cpu[name]), max(cpu[name])
        bar, text = (OURS_BAR, OURS_BAR) if name == OURS else (OUR_OTHERS, INK) if name in OUR_NAMES else (OTHERS, INK)
        style = {"color": text, "fontweight": "bold" if name == OURS else "normal"}
        axes.barh(place, value - begin, left=begin, height=0.6, color=bar)
        axes.errorbar(value, place, xerr=[[value - low], [high - value]], color=INK, linewidth=1.4, capsize=3)
        axes.text(high * 1.08, place, f"{number(value)} s", va="center", fontsize=10, **style)
        axes.text(begin * 0.94, place + 0.02, name, ha="right", va="bottom", fontsize=10.5, **style)
        hears = results["peers"][name]["hears"]
        axes.text(begin * 0.94, place - 0.05, hears, ha="right", va="top", fontsize=8.5, color=INK)
    axes.set(xscale="log", xlim=(begin, 2 * highest), ylim=(-0.6, len(names) - 0.4), yticks=())
    axes.set_xticks(ticks, [f"{tick:g} s" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.tick_params(colors=INK, length=0)
    axes.grid(axis="x", color=INK, alpha=0.3, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.set_title("CPU time for an hour of audio; the axis is logarithmic", loc="left", color=INK, fontsize=11)
    figure.savefig(PICTURE, dpi=130, transparent=True)
    plt.close(figure)
