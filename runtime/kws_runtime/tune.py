"""`kws-tune`: the operating point, stored in the model file.

One threshold for all words: the lowest on a grid of 0.005 (finer near 1) from which on no noise recording gives more
false accepts an hour than its budget. A budget that allows less than one event in the recording's length allows none.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kws_runtime.cli import command_parser, run_command
from kws_runtime.det import THRESHOLDS, false_accepts, hear, lowest_place, with_threshold
from kws_runtime.errors import DataError
from kws_runtime.interpreter import INTERPRETER_NAMES
from kws_runtime.listener import Listener
from kws_runtime.modelfile import read_model, write_model
from kws_runtime.native import native_chatter_shut

EXAMPLES = """\
  kws-tune MODEL --noise reading.wav=5 ambience.wav=0.5    at most 5 false accepts an hour of reading,
                                                           half a one an hour of ambience
A noise recording holds none of the words; what is heard in it is a false accept."""


@dataclass(frozen=True)
class Budget:
    """A recording without words, and how many false accepts an hour are bearable in it."""

    wav: Path
    fa_per_hour: float


def _budget(text: str) -> Budget:
    wav, equals, rate = text.rpartition("=")
    try:
        budget = Budget(Path(wav), float(rate))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not WAV=NUMBER") from error
    if not equals or not wav or not budget.fa_per_hour >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not WAV=NUMBER")
    return budget


def lowest_threshold(listener: Listener, budgets: list[Budget]) -> tuple[float, list[int]]:
    """The lowest threshold from which on every budget is kept, and the false accepts in each recording there.

    Raises DataError where even the highest does not keep them.
    """
    recordings = [hear(listener, budget.wav) for budget in budgets]
    counts = false_accepts(recordings, listener.info)
    hours = np.array([recording.truth.seconds / 3600 for recording in recordings])
    place = lowest_place(counts, hours * [budget.fa_per_hour for budget in budgets])
    if place is None:
        raise DataError(f"no threshold keeps the budgets; do the recordings hold the words? ({budgets[0].wav}, ...)")
    return THRESHOLDS[place], counts[place].tolist()


def _tune(args: argparse.Namespace) -> None:
    file = read_model(args.model)
    with native_chatter_shut():
        listener = Listener(file, interpreter=args.interpreter)
    threshold, counts = lowest_threshold(listener, args.noise)
    info = dataclasses.replace(file.info, detection=with_threshold(file.info.detection, threshold))
    write_model(file.path, info, file.flatbuffer)
    heard = {budget.wav.name: count for budget, count in zip(args.noise, counts, strict=True)}
    print(json.dumps({"model": str(file.path), "threshold": threshold, "false_accepts": heard}))


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-tune`; returns the exit code."""
    parser = command_parser("kws-tune", "Find a model's threshold and store it in the model file.", EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="model file; it is rewritten")
    parser.add_argument(
        "--noise", type=_budget, nargs="+", required=True, metavar="WAV=FA/h", help="budgets (see below)"
    )
    parser.add_argument("--interpreter", choices=sorted(INTERPRETER_NAMES), help="default: the first that is installed")
    args = parser.parse_args(arguments)
    return run_command(lambda: _tune(args))
