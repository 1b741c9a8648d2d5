"""`kws-train`: a model from recordings."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.corpus import LABEL_SETS
from kws_train.zoo import ARCHITECTURES

QAT_EPOCHS = 7

EXAMPLES = """\
  kws-train gru --data DATA                     train the GRU; writes runs/gru
  kws-train ds-cnn --data DATA --epochs 10      a shorter run of the CNN
  kws-train gru --data DATA --resume            go on after an interruption
  kws-train gru --data DATA --from runs/gru --out runs/gru-2 --epochs 12 --seed 1
                                                teach a trained model more, from other streams
  kws-train gru --data DATA --qat runs/gru --out runs/gru-qat
                                                teach a trained model to live with the rounding of int8
  kws-train gru --data DATA --more DIR --from runs/gru --out runs/gru-mine
                                                teach it what kws-listen --save DIR kept, once it is sorted
  kws-export runs/gru --int8                    what comes next
  TF_CONFIG=... kws-train gru --data DATA       on several machines: docs/more-than-one-machine.md

DATA holds words/<word>/<speaker>_nohash_<n>.wav (the layout of Speech Commands) and, if there,
speech/train, speech/dev (with transcripts.txt), noise/train, noise/dev and synthetic (what kws-words writes)."""


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("kws-train", "Train a keyword model that holds on an endless stream.", EXAMPLES + _zoo())
    parser.add_argument("architecture", choices=sorted(ARCHITECTURES), metavar="ARCHITECTURE", help="see below")
    parser.add_argument("--data", type=Path, required=True, metavar="DATA", help="folder of recordings (see below)")
    parser.add_argument(
        "--more", type=Path, metavar="DIR", help="recordings of your own: DIR/words/<word>/*.wav and DIR/noise/*.wav"
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="run directory (default: runs/ARCHITECTURE)")
    parser.add_argument("--size", choices=("s", "m", "l"), help="preset (default: m; gru l; RUN's)")
    parser.add_argument(
        "--recipe", choices=("stream", "clips"), default="stream", help="learn from endless streams or single clips"
    )
    parser.add_argument(
        "--labels", choices=sorted(LABEL_SETS), default="words", help="the eight words, or the literature's twelve"
    )
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="words to use; 80 %% train, 10 %% validate (default: official parts)"
    )
    parser.add_argument("--epochs", type=int, help="epochs of 200 chunks of 4 s of 64 streams (default: see below)")
    parser.add_argument("--chunks", type=int, default=200, help="chunks an epoch (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and streams (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes that make streams (default: cores)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the streams' features there for other runs (0.4 GB an epoch)"
    )
    parser.add_argument(
        "--from", type=Path, dest="begin", metavar="RUN", help="begin with that run's best weights, and learn slower"
    )
    parser.add_argument(
        "--qat", type=Path, metavar="RUN", help="begin with that run's and learn with the rounding of int8 in place"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last finished epoch of RUN")
    parser.add_argument("--strict", action="store_true", help="stop at the first faulty recording")
    args = parser.parse_args(arguments)
    chosen = ARCHITECTURES[args.architecture]
    if args.qat and args.begin:
        parser.error("--qat and --from: give one of them")
    if args.epochs is None:
        args.epochs = QAT_EPOCHS if args.qat else chosen.epochs
    args.size_given, args.size = bool(args.size), args.size or chosen.default
    args.out = args.out or Path("runs") / args.architecture
    if args.size not in chosen.sizes:
        parser.error(f"{args.architecture} comes in size {', '.join(chosen.sizes)} only")
    if args.epochs < 1 or args.chunks < 1 or args.workers < 1:
        parser.error("--epochs, --chunks and --workers must be at least 1")
    return args


def _zoo() -> str:
    """The architectures as lines of the help."""
    rows = [f"  {name:13} {chosen.epochs:3} epochs   {chosen.about}" for name, chosen in sorted(ARCHITECTURES.items())]
    return "\n".join(["\n\narchitectures:", *rows])


def _train(args: argparse.Namespace) -> None:
    try:
        from kws_train.session import train
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "train") from error
    train(args)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-train`; returns the exit code."""
    args = _parse(arguments)
    return run_command(lambda: _train(args))
