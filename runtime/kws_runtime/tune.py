"""`kws-tune`: the operating point, stored in the model file.

One threshold for all words: the lowest on a grid of 0.005 at which no noise recording gives more false accepts
an hour than its budget. A budget that allows less than one event in the recording's length allows none.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_runtime.audio import read_wav
from kws_runtime.cli import command_parser, native_chatter_shut, run_command
from kws_runtime.detector import Detector, events_in
from kws_runtime.errors import DataError
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.interpreter import INTERPRETERS
from kws_runtime.listener import Listener
from kws_runtime.modelfile import Detection, read_model, write_model
from kws_runtime.scoring import Truth, score_scene

EXAMPLES = """\
  kws-tune MODEL --noise reading.wav=5 ambience.wav=0.5    at most 5 false accepts an hour of reading,
                                                           half a one an hour of ambience
A noise recording holds none of the words; what is heard in it is a false accept."""

GRID = 0.005
PIECE_SECONDS = 60


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


def smoothed_stream(listener: Listener, samples: Samples) -> NDArray[np.float32]:
    """Smoothed posteriors (steps, labels) of a whole recording; the listener begins anew."""
    listener.reset()
    detector = Detector(listener.info.labels, listener.info.detection)
    size = PIECE_SECONDS * SAMPLE_RATE
    pieces = [listener.posteriors(samples[at : at + size]) for at in range(0, len(samples), size)]
    rows = [detector.smooth(row) for piece in pieces for row in piece]
    return np.array(rows, np.float32).reshape(-1, len(listener.info.labels))


def with_threshold(detection: Detection, threshold: float) -> Detection:
    """The same detection with one threshold for all words."""
    return dataclasses.replace(detection, thresholds=dict.fromkeys(detection.thresholds, threshold))


def lowest_threshold(listener: Listener, budgets: list[Budget]) -> tuple[float, list[int]]:
    """The lowest threshold of the grid that keeps every budget, and the false accepts in each recording.

    Raises DataError where even the highest does not.
    """
    streams = []
    for budget in budgets:
        samples = read_wav(budget.wav)
        smoothed = smoothed_stream(listener, samples)
        times = np.array([listener.info.step_end(step) for step in range(len(smoothed))])
        streams.append((budget, Truth(budget.wav.stem, len(samples) / SAMPLE_RATE, ()), smoothed, times))
    for place in range(1, round(1 / GRID)):
        threshold = round(place * GRID, 6)
        detection = with_threshold(listener.info.detection, threshold)
        counts = []
        for budget, truth, smoothed, times in streams:
            events = events_in(smoothed, times, listener.info.labels, detection)
            counts.append(score_scene(events, truth).false_accepts)
            if counts[-1] > budget.fa_per_hour * truth.seconds / 3600:
                break
        else:
            return threshold, counts
    raise DataError(f"no threshold keeps the budgets; do the recordings hold the words? ({budgets[0].wav}, ...)")


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
    parser.add_argument("--interpreter", choices=sorted(INTERPRETERS), help="default: the first that is installed")
    args = parser.parse_args(arguments)
    return run_command(lambda: _tune(args))
