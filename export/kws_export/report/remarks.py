"""A sentence or two above a section, made from its figures; nothing where they are missing."""

from __future__ import annotations

from statistics import median

from kws_export.report.figures import (
    NO_BREAK,
    TIMES,
    Tree,
    entries,
    fixed,
    growth_of,
    named,
    number,
    numbers,
    percent,
    word,
)


def on_calibration(report: Tree) -> str:
    """The best and the worst calibration of one network, and what teaching adds."""
    rows = [row for row in entries(report, "calibration") if number(row, "agreement_on_words", "share") is not None]
    if not rows:
        return ""
    architecture, trained_on = word(rows[0], "architecture"), word(rows[0], "trained_on")
    same = [row for row in rows if (word(row, "architecture"), word(row, "trained_on")) == (architecture, trained_on)]
    after = [row for row in same if word(row, "method") == "PTQ"]
    said = []
    if len(after) > 1:
        best, worst = max(after, key=_on_words), min(after, key=_on_words)
        said.append(
            f"Quantized after training, the {architecture} that learned from {trained_on} agrees with float at "
            f"{_percent(best)} of the word steps when it is calibrated on {_states(best)}, and at {_percent(worst)} "
            f"when on {_states(worst)}."
        )
    for row in same:
        pair = [other for other in after if word(other, "calibrated_on") == word(row, "calibrated_on")]
        if word(row, "method") == "QAT" and pair:
            said.append(f"Taught to be quantized it agrees at {_percent(row)}, against {_percent(pair[0])} untaught.")
            break
    return " ".join(said)


def _on_words(row: Tree) -> float:
    return number(row, "agreement_on_words", "share") or 0.0


def _percent(row: Tree) -> str:
    return f"{percent(_on_words(row))}{NO_BREAK}%"


def _states(row: Tree) -> str:
    where = word(row, "calibrated_on")
    return {"stream": "the states of a stream", "clips": "the states of clips"}.get(where, f"{where} states")


def on_layers(report: Tree) -> str:
    """The noisiest op of each architecture and the middle of all."""
    said = []
    for architecture, ops in named(report, "layers"):
        measured = [op for op in entries({"all": ops}, "all") if number(op, "sqnr_db") is not None]
        if measured:
            values = [number(op, "sqnr_db") or 0.0 for op in measured]
            worst = measured[values.index(min(values))]
            said.append(
                f"The median op of {architecture} has {fixed(median(values), 1)}{NO_BREAK}dB, its noisiest, "
                f"{word(worst, 'name')}, {fixed(min(values), 1)}{NO_BREAK}dB."
            )
    return " ".join(said)


def on_drift(report: Tree) -> str:
    """The stream whose error grew most."""
    grown = [
        (growth, model, kind, quantity)
        for model, kinds in named(report, "drift")
        for kind, stream in named(kinds)
        for quantity in ("state", "logits")
        if (growth := growth_of(numbers(stream, quantity))) is not None
    ]
    if not grown:
        return ""
    growth, model, kind, quantity = max(grown)
    return (
        f"Between the first and the last ten minutes the error changes by {TIMES}{fixed(min(grown)[0], 2)} to "
        f"{TIMES}{fixed(growth, 2)}; it grows most in the {quantity} of {model} on {kind}."
    )


def on_states(report: Tree) -> str:
    """The largest shares."""
    said = []
    for key, what in (
        ("saturated", "of the elements lie at an end of the range"),
        ("dead", "of the updates are below half a step"),
    ):
        found = [
            (share, word(state, "name"), model)
            for model, states in named(report, "states")
            for state in entries({"all": states}, "all")
            if (share := number(state, key)) is not None
        ]
        if found:
            share, name, model = max(found)
            said.append(f"at most {percent(share)}{NO_BREAK}% {what} ({name} of {model})")
    return f"{'; '.join(said).capitalize()}." if said else ""
