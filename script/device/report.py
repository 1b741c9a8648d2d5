"""A machine's figures as lines for the terminal, and all machines' as tables for the page."""

from __future__ import annotations

from typing import Any

from tables import table

from device.counting import STAGES

Figures = dict[str, Any]  # of one machine, as `script/test-device` makes them
BITS = {"aarch64": "64 bit", "armv7": "32 bit", "x86_64": "x86-64"}


def lines(figures: Figures) -> list[str]:
    """What a person wants to read."""
    demo, tests = figures["demo"], figures["tests"]
    found = [
        f"{figures['arch']}, Debian {figures['suite']}: {', '.join(figures['versions'])}",
        f"demo   {demo['heard']} of {demo['words']} words, the events of this machine, scores apart by at most "
        f"{demo['scores_apart']:.3f}",
        f"tests  {tests['passed']} passed, {tests.get('skipped', 0)} skipped",
    ]
    if figures["insn_per_10ms"]:
        found.append(f"instructions for 10 ms of audio on {figures['emulator']}:")
        found += [f"  {number:>9,}  gru-int8, {stage}" for stage, number in figures["by_stage"].items()]
        found += [f"  {number:>9,}  {model}, the whole listener" for model, number in figures["by_model"].items()]
        found.append("estimated share of a core:")
        for estimate in figures["estimates"]:
            core = estimate["core"]
            found.append(
                f"  {share(estimate):20}  {estimate['board']}: {core['name']} at {estimate['ghz']} GHz, "
                f"{core['ipc']} instructions a cycle ({core['worst']}-{core['best']})"
            )
    found.append(f"{sum(figures['seconds'].values()) / 60:.1f} minutes from nothing")
    return found


def share(estimate: Figures) -> str:
    """An estimate with its range, in percent."""
    low, high = estimate["range"]
    return f"{100 * estimate['share_of_core']:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def name_of(figures: Figures) -> str:
    return f"{BITS[figures['arch']]}, {figures['suite'].capitalize()}"


def pages_tables(machines: list[Figures]) -> dict[str, str]:
    """The tables of docs/on-a-pi.md, by the names of their places."""
    counted = [figures for figures in machines if figures["insn_per_10ms"]]
    return {
        "proved": _proved(machines),
        "left out": _left_out(machines),
        "instructions": _instructions(counted) if counted else table([], []),
        "estimates": _estimates(counted),
    }


def _proved(machines: list[Figures]) -> str:
    header = ["", "with", "processor", "words heard", "scores apart", "tests passed", "skipped", "minutes"]
    rows = []
    for figures in machines:
        demo, tests = figures["demo"], figures["tests"]
        emulated = f"`{figures['emulator']}`" if figures["emulator"] else "this one"
        row = [name_of(figures), ", ".join(figures["versions"]), emulated, f"{demo['heard']} of {demo['words']}"]
        row += [f"{demo['scores_apart']:.3f}", str(tests["passed"]), str(tests.get("skipped", 0))]
        rows.append([*row, f"{sum(figures['seconds'].values()) / 60:.1f}"])
    return table(header, rows, texts=3)


def _left_out(machines: list[Figures]) -> str:
    where: dict[str, list[str]] = {}
    for figures in machines:
        for reason in figures["tests"]["left_out"]:
            where.setdefault(reason, []).append(name_of(figures))
    rows = [
        [reason, "everywhere" if len(names) == len(machines) else "; ".join(names)] for reason, names in where.items()
    ]
    return table(["what is missing", "where"], rows, texts=2)


def _instructions(counted: list[Figures]) -> str:
    names = {stage: stage.replace("_", " ") for stage in STAGES} | {"rest": "what joins them"}
    rows = [[name, *(f"{each['by_stage'][stage]:,}" for each in counted)] for stage, name in names.items()]
    rows += [
        [f"**`{model}`, the whole listener**", *(f"{each['by_model'][model]:,}" for each in counted)]
        for model in counted[0]["by_model"]
    ]
    rows.append(["two counts of it apart by", *(f"{100 * each['spread']:.3f} %" for each in counted)])
    rows.append(["BLAS with threads as it likes", *(f"{each['threads_of_blas_not_held']:,}" for each in counted)])
    return table(["instructions for 10 ms of audio", *map(name_of, counted)], rows)


def _estimates(counted: list[Figures]) -> str:
    rows: dict[str, list[str]] = {}
    for place, figures in enumerate(counted):
        for estimate in figures["estimates"]:
            core = estimate["core"]
            assumed = [f"{core['name']}, {estimate['ghz']} GHz", f"{core['ipc']} ({core['worst']}-{core['best']})"]
            row = rows.setdefault(estimate["board"], [estimate["board"], *assumed, *["-"] * len(counted)])
            row[3 + place] = share(estimate)
    header = ["", "core and clock", "instructions a cycle, assumed", *map(name_of, counted)]
    return table(header, list(rows.values()), texts=3)
