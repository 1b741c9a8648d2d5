"""The figures of docs/cnn-to-gru.md: from runs to rows, from rows to tables. No figure there is typed by hand."""

from __future__ import annotations

import math
import statistics
from typing import Any

from kws_runtime.errors import DataError

BEGIN, END = "<!-- {name}: script/question -->\n", "<!-- end of {name} -->"
FIRST, ASKED, OURS = "tutorial-cnn", "question-gru", "gru"

Values = dict[str, Any]


def summarize(rows: list[Values], runs: list[Values]) -> list[Values]:
    """Rows with the figures of their runs, a list with a value a seed for each; time as multiple of the first row's
    with the same seed, which ran just before on the same machine."""
    first = {run["seed"]: run["cpu_seconds_an_epoch"] for run in runs if run["row"] == FIRST}
    summed = []
    for row in rows:
        own = [run for run in runs if run["row"] == row["name"]]
        columns = {name: [run[name] for run in own] for name in ("accuracy", "accuracy_a_step", "epochs")}
        seconds = [run["cpu_seconds_an_epoch"] for run in own]
        columns |= {
            "seconds_an_epoch": [round(value, 2) for value in seconds],
            "time_an_epoch": [round(run["cpu_seconds_an_epoch"] / first[run["seed"]], 3) for run in own],
            "validation": [run["history"]["val_clip_accuracy"] for run in own],
        }
        summed.append(row | {"parameters": own[0]["parameters"]} | columns)
    return summed


def _spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _with_spread(mean: float, spread: float, seeds: int, form: str) -> str:
    return f"{mean:{form}}" + (f" ± {spread:.1f}" if seeds > 1 else "")


def _share(values: list[float]) -> str:
    """Mean and standard deviation over the seeds, in percent."""
    percents = [100 * value for value in values]
    return _with_spread(statistics.mean(percents), _spread(percents), len(values), ".1f") + " %"


def _worth(row: Values, before: Values) -> float:
    return 100 * (statistics.mean(row["accuracy"]) - statistics.mean(before["accuracy"]))


def _difference(row: Values, before: Values) -> str:
    """Difference of the means in percentage points; its spread is the root of the summed squares of both spreads."""
    spread = 100 * math.hypot(_spread(row["accuracy"]), _spread(before["accuracy"]))
    return _with_spread(_worth(row, before), spread, len(row["accuracy"]), "+.1f")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _ladder(named: dict[str, Values]) -> str:
    cells = []
    for name, row in named.items():
        before = named.get(row["after"])
        cells.append(
            [
                f"({name})" if row["aside"] else f"`{name}`",
                row["what"],
                _share(row["accuracy"]),
                _difference(row, before) if before else "",
                f"{row['parameters']:,}",
                f"{statistics.mean(row['time_an_epoch']):.2f}",
            ]
        )
    head = ["row", "what is new", "clips right", "worth (points)", "parameters", "time an epoch"]
    return _table(head, cells)


def _costs(named: dict[str, Values]) -> str:
    cells = []
    for name in (FIRST, ASKED, "40-bands", OURS):
        row = named[name]
        way = "carries its state" if name == OURS else "slides its window"
        cells.append([f"`{name}`", way, _millions(row["macs_a_clip"]), _millions(row["macs_a_second"])])
    return _table(["row", "on a stream", "a clip of 1 s", "a second of stream"], cells)


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} M"


def _interval(row: Values, clips: int) -> str:
    """95 % (Wilson) of the mean accuracy, as if of one run on the testing part."""
    share, z = statistics.mean(row["accuracy"]), 1.96
    middle = (share + z * z / (2 * clips)) / (1 + z * z / clips)
    half = z * math.sqrt(share * (1 - share) / clips + z * z / (4 * clips * clips)) / (1 + z * z / clips)
    return f"{100 * (middle - half):.1f}-{100 * (middle + half):.1f} %"


def _short(figures: Values, named: dict[str, Values]) -> str:
    first, asked, ours = named[FIRST], named[ASKED], named[OURS]
    mends = [row for row in named.values() if not row["aside"] and row["name"] not in (FIRST, ASKED)]
    ranked = sorted(mends, key=lambda row: _worth(row, named[row["after"]]), reverse=True)
    best = "; ".join(f"{row['what']} ({_difference(row, named[row['after']])})" for row in ranked[:3])
    clips = figures["clips"]["testing"]
    dry, again, fair = (named[name] for name in ("dropout", "dropout-again", "cnn-log"))
    lines = [
        f"Of the {clips} test clips the tutorial's CNN names {_share(first['accuracy'])}, the question's GRU "
        f"{_share(asked['accuracy'])} and a GRU set up as below {_share(ours['accuracy'])} "
        f"(95 % interval for so many clips: {_interval(ours, clips)}).",
        f"`{OURS}` is {_difference(ours, first)} points from the CNN, with {ours['parameters']:,} parameters instead "
        f"of {first['parameters']:,} and {statistics.mean(ours['time_an_epoch']):.2f} of its time an epoch; the "
        f"question's GRU takes {statistics.mean(asked['time_an_epoch']):.1f} times the CNN's.",
        f"To tell the network from what it is fed: the CNN with the logarithm and all its epochs has "
        f"{_share(fair['accuracy'])}; from there to `{OURS}` it is {_difference(ours, fair)} points.",
        f"What was worth most, in points, in this order of mending: {best}.",
        f"Counted as Keras counts in the question, over all 55 steps of each clip, its GRU has "
        f"{_share(asked['accuracy_a_step'])}. With Dropout 0.2 it has {_share(dry['accuracy_a_step'])} counted so, "
        f"while its last step names {_share(dry['accuracy'])} of the clips: steps before the word is said count too.",
        f"Dropout 0.8 put back into the mended network: {_difference(again, named[again['after']])} points.",
        f"A second of stream with an answer each 40 ms costs {_millions(first['macs_a_second'])} multiplications with "
        f"the CNN and {_millions(ours['macs_a_second'])} with `{OURS}`, "
        f"{first['macs_a_second'] / ours['macs_a_second']:.0f} times less.",
    ]
    return "".join(f"- {line}\n" for line in lines)


def _made(figures: Values) -> str:
    clips, settings = figures["clips"], figures["settings"]
    seconds = statistics.mean(figures["rows"][0]["seconds_an_epoch"])
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    seeds = "one seed" if settings["seeds"] == 1 else f"{settings['seeds']} seeds"
    return (
        f"{clips['training']:,} clips to train, {clips['validation']} to validate, {clips['testing']} to test; at most "
        f"{settings['epochs']} epochs, Adam at its defaults, batches of {settings['batch']}, {seeds}: mean ± standard "
        f"deviation. An epoch of `{FIRST}` took {seconds:.1f} s of processor time ({figures['machine']}; {versions}); "
        f"the other times are multiples of it.\n"
    )


def render(figures: Values, page: str) -> str:
    """The page with its figures, each between two marks. Raises DataError where a mark is missing."""
    named = {row["name"]: row for row in figures["rows"]}
    parts = {
        "short": _short(figures, named),
        "ladder": _ladder(named),
        "costs": _costs(named),
        "made": _made(figures),
    }
    for name, text in parts.items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        if begin not in page or end not in page:
            raise DataError(f"cnn-to-gru.md: the marks of {name!r} are missing")
        before, _, rest = page.partition(begin)
        page = before + begin + text + end + rest.partition(end)[2]
    return page
