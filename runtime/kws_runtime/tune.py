"""`kws-tune`: thresholds for the false accepts that can be borne, stored in the model file.

A budget is for all words together, and holds in each noise recording by itself. One that allows less than one event in
the recording's length allows none. How the thresholds are found, `thresholds` says.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from kws_runtime.cli import command_parser, run_command
from kws_runtime.errors import DataError
from kws_runtime.interpreter import INTERPRETER_NAMES
from kws_runtime.listener import Listener
from kws_runtime.modelfile import read_model, write_model
from kws_runtime.native import native_chatter_shut
from kws_runtime.plot import need_matplotlib, plot_tuning
from kws_runtime.thresholds import one_threshold, threshold_per_word, tuning_curves
from kws_runtime.tunereport import alternative, figures_of, lines
from kws_runtime.tuneset import Budget, budget_of, hear_clips, hear_noises, rate_of, word_clips_in

EXAMPLES = """\
  kws-tune MODEL --noise reading.wav                       at most one false accept an hour of reading
  kws-tune MODEL --noise reading.wav=5 ambience.wav=0.5    at most 5 an hour of reading, half a one an hour of ambience
  kws-tune MODEL --noise evenings/ --words kept/words      the WAVs of a folder, as one stream; and what is missed then
  kws-tune MODEL --noise evenings/ --words kept/words --fa-per-hour 5 --per-word --plot det.png --dry-run

A noise recording holds none of the words; what is heard in it is a false accept. The budget is for all words
together. The longer the recording, the more can be said: no false accept in T hours means at most 3.7 / T an
hour (95 %). --words DIR holds DIR/<word>/*.wav, clips of any length; folders of other words are left out. They
tell what the thresholds miss, and --per-word needs them. It pays only where the budget is tight and there are
hours of noise (docs/thresholds.md)."""

# Of continuous speech. It is the rate at which keyword spotters are usually compared, and hours in which somebody
# speaks without a pause are few in a home.
FA_PER_HOUR = 1.0


def _tune(args: argparse.Namespace) -> None:
    if args.plot:
        need_matplotlib()
    file = read_model(args.model)
    clips_found = word_clips_in(args.words, file.info.words) if args.words else []
    with native_chatter_shut():
        listener = Listener(file, interpreter=args.interpreter)
    info = listener.info
    noises = hear_noises(listener, args.noise, args.fa_per_hour)
    clips = hear_clips(listener, clips_found) if clips_found else None
    one = one_threshold(noises, info)
    of_each = threshold_per_word(noises, list(clips.peaks.values()), info) if args.per_word and clips else one
    if one is None or of_each is None:
        raise DataError(f"no threshold keeps the budgets; do the recordings hold the words? ({noises[0].name}, ...)")
    tuned = dataclasses.replace(info.detection, thresholds=of_each)
    figures: dict[str, Any] = {"model": str(file.path), "interpreter": listener.interpreter}
    figures |= {"per_word": args.per_word, "written": not args.dry_run}
    figures |= figures_of(noises, clips, info, tuned)
    if args.per_word and clips:
        alone = dataclasses.replace(info.detection, thresholds=one)
        figures["one_threshold"] = alternative(clips, info, alone)
    if args.plot and clips:
        plot_tuning(figures | {"curves": tuning_curves(noises, clips.peaks, info)}, args.plot)
    if not args.dry_run:
        write_model(file.path, dataclasses.replace(file.info, detection=tuned), file.flatbuffer)
    print(json.dumps(figures) if args.json else "\n".join(lines(figures)))


def _budget(text: str) -> Budget:
    try:
        return budget_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not WAV, DIR, WAV=NUMBER or DIR=NUMBER") from error


def _rate(text: str) -> float:
    try:
        return rate_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of false accepts an hour") from error


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-tune`; returns the exit code."""
    parser = command_parser("kws-tune", "Find a model's thresholds and store them in the model file.", EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="model file; it is rewritten")
    parser.add_argument(
        "--noise",
        type=_budget,
        nargs="+",
        required=True,
        metavar="WAV|DIR[=FA/h]",
        help="recordings without the words, each with its budget",
    )
    parser.add_argument(
        "--fa-per-hour",
        type=_rate,
        default=FA_PER_HOUR,
        metavar="N",
        help="budget of those that have none of their own (default: %(default)g)",
    )
    parser.add_argument("--words", type=Path, metavar="DIR", help="clips of the words (see below)")
    parser.add_argument("--per-word", action="store_true", help="a threshold for each word instead of one for all")
    parser.add_argument("--dry-run", action="store_true", help="tell, and leave the file as it is")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw misses against false accepts, by word")
    parser.add_argument("--interpreter", choices=sorted(INTERPRETER_NAMES), help="default: the first that is installed")
    args = parser.parse_args(arguments)
    if (args.per_word or args.plot) and not args.words:
        parser.error("--per-word and --plot need --words")
    if args.plot and args.plot.suffix != ".png":
        parser.error("--plot writes PNG: give it a name that ends in .png")
    return run_command(lambda: _tune(args))
