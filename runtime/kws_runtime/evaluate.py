"""`kws-eval`: how well a model hears, on clips and on scenes, by the very code that listens."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from kws_runtime.accuracy import evaluate_clips
from kws_runtime.canonical import evaluate_canonical
from kws_runtime.cli import command_parser, run_command
from kws_runtime.corpus import PARTS
from kws_runtime.det import det_curve, hear, score
from kws_runtime.errors import DataError
from kws_runtime.files import write_text
from kws_runtime.interpreter import INTERPRETER_NAMES
from kws_runtime.listener import Listener
from kws_runtime.native import native_chatter_shut
from kws_runtime.plot import need_matplotlib, plot_figures
from kws_runtime.report import lines, markdown
from kws_runtime.scoring import Truth, read_truth
from kws_runtime.sweep import evaluate_sweep

EXAMPLES = """\
  kws-eval --data DATA                               clips of the test part, state reset and carried
  kws-eval MODEL --data DATA --part validation       the same on the validation part
  kws-eval MODEL --scene dev-quiet.wav dev-reading.wav   scenes; the truth lies beside each as .json
  kws-eval MODEL --scene dev-quiet.wav dev-reading.wav --plot det.png   and FRR against FA/h as a curve
  kws-eval MODEL --data DATA --sweep DATA/noise/dev  words in recorded noise, from -5 dB to none
  kws-eval MODEL --data DATA --canonical LIST        over all labels, for models with _unknown_ and _silence_
  kws-eval MODEL --data DATA --json --markdown figures.md > figures.json

DATA holds words/<word>/*.wav and, for the labels that are no word, canonical/_unknown_ and
canonical/_silence_ (Speech Commands' canonical test set). LIST names clips below DATA,
.../<label>/<name>.wav, a line. Where scenes with words and without (reading, noise) are given, the
misses of the first are set against the false accepts of the worst of the second, at all thresholds.
A scene of half an hour or more tells the misses of its first and of its last ten minutes too."""

RATES = (5.0, 20.0)  # FA/h


def _truth(wav: Path, words: tuple[str, ...]) -> Truth:
    """What is said in a scene; a word that the model does not know is an other word to it."""
    truth = read_truth(wav.with_suffix(".json"))
    return dataclasses.replace(truth, words=tuple(word for word in truth.words if word.label in words))


def _draws(args: argparse.Namespace, truths: list[Truth]) -> bool:
    """Whether there will be something to plot."""
    return bool(args.sweep) or len({bool(truth.words) for truth in truths}) == 2


def _evaluate(args: argparse.Namespace) -> None:
    with native_chatter_shut():
        listener = Listener(args.model, interpreter=args.interpreter)
    truths = [_truth(wav, listener.info.words) for wav in args.scene]
    if args.plot:
        if not _draws(args, truths):
            raise DataError("--plot draws scenes with words against scenes without, or --sweep; neither is given")
        need_matplotlib()
    figures: dict[str, Any] = {"model": listener.info.name, "interpreter": listener.interpreter}
    if args.data:
        figures["clips"] = evaluate_clips(listener, args.data, args.part)
    if args.canonical:
        figures["canonical"] = evaluate_canonical(listener, args.canonical, args.data)
    if args.scene:
        heard = {wav.stem: hear(listener, wav, truth) for wav, truth in zip(args.scene, truths, strict=True)}
        figures["scenes"] = {name: score(recording, listener.info).to_json() for name, recording in heard.items()}
        det = det_curve(heard, listener.info, args.fa_per_hour)
        if det:
            figures["det"] = det
    if args.sweep:
        figures["sweep"] = evaluate_sweep(listener, args.data, args.part, args.sweep)
    if args.markdown:
        write_text(args.markdown, markdown(figures))
    if args.plot:
        plot_figures(figures, args.plot)
    print(json.dumps(figures) if args.json else "\n".join(lines(figures)))


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 <= rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of false accepts an hour")
    return rate


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-eval`; returns the exit code."""
    parser = command_parser("kws-eval", "Measure how well a model hears, on clips and on scenes.", EXAMPLES)
    parser.add_argument("model", nargs="?", metavar="MODEL", help="model file or bundled model (default: gru-int8)")
    parser.add_argument("--data", type=Path, metavar="DATA", help="folder of clips (see below)")
    parser.add_argument("--part", choices=PARTS[1:], default="testing", help="default: %(default)s")
    parser.add_argument("--canonical", type=Path, metavar="LIST", help="clips to be scored over all labels")
    parser.add_argument("--sweep", type=Path, metavar="NOISE", help="WAV or folder of noise to lay under the words")
    parser.add_argument(
        "--scene", type=Path, nargs="+", default=[], metavar="WAV", help="scenes with their truth beside them"
    )
    parser.add_argument(
        "--fa-per-hour", type=_rate, nargs="+", default=RATES, metavar="N", help="tell FRR at these (default: 5 20)"
    )
    parser.add_argument("--interpreter", choices=sorted(INTERPRETER_NAMES), help="default: the first that is installed")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the figures as tables too")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the DET curve and the sweep")
    args = parser.parse_args(arguments)
    if not args.data and not args.scene:
        parser.error("nothing to evaluate: give --data or --scene")
    if (args.canonical or args.sweep) and not args.data:
        parser.error("--canonical and --sweep need --data")
    if args.plot and args.plot.suffix != ".png":
        parser.error("--plot writes PNG: give it a name that ends in .png")
    return run_command(lambda: _evaluate(args))
