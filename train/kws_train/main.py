"""`kws-train`: a model from recordings."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.corpus import LABELS
from kws_runtime.errors import DataError
from kws_runtime.frontend import LogMel
from kws_train.quiet import import_tensorflow

EXAMPLES = """\
  kws-train gru --data DATA                     train the GRU; writes runs/gru
  kws-train ds-cnn --data DATA --epochs 10      a shorter run of the CNN
  kws-train gru --data DATA --resume            go on after an interruption
  kws-export runs/gru --int8                    what comes next

DATA holds words/<word>/<speaker>_nohash_<n>.wav (the layout of Speech Commands) and, if there,
speech/train, speech/dev (with transcripts.txt), noise/train and noise/dev."""

EPOCHS = {"gru": 60, "ds-cnn": 32}
VALIDATION_CHUNKS = 6
VALIDATION_SEED = 2
PACKAGES = ("kws-edge", "numpy", "tensorflow", "keras", "scipy", "soundfile")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("kws-train", "Train a keyword model that holds on an endless stream.", EXAMPLES)
    parser.add_argument("architecture", choices=sorted(EPOCHS), help="gru carries its state; ds-cnn slides a window")
    parser.add_argument("--data", type=Path, required=True, metavar="DATA", help="folder of recordings (see below)")
    parser.add_argument("--out", type=Path, metavar="RUN", help="run directory (default: runs/ARCHITECTURE)")
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="words to use; 80 %% train, 10 %% validate (default: official parts)"
    )
    parser.add_argument("--epochs", type=int, help="epochs of 200 chunks of 4 s of 64 streams (default: 60; ds-cnn 32)")
    parser.add_argument("--chunks", type=int, default=200, help="chunks an epoch (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and streams (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes that make streams (default: cores)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last finished epoch of RUN")
    parser.add_argument("--strict", action="store_true", help="stop at the first faulty recording")
    args = parser.parse_args(arguments)
    args.epochs = EPOCHS[args.architecture] if args.epochs is None else args.epochs
    args.out = args.out or Path("runs") / args.architecture
    if args.epochs < 1 or args.chunks < 1 or args.workers < 1:
        parser.error("--epochs, --chunks and --workers must be at least 1")
    return args


def _digest(*materials: Any) -> str:
    """SHA-256 over the names and samples of everything used, in order."""
    digest = hashlib.sha256()
    for material in materials:
        digest.update("\n".join(material.names).encode())
        for group in (*material.words.values(), *material.others.values(), material.speech, material.noise):
            for recording in group:
                digest.update(recording)
    return digest.hexdigest()


def _train(args: argparse.Namespace) -> None:
    try:
        from kws_train.batches import Batches, Plan, make_epoch
        from kws_train.data import load_material
        from kws_train.rundir import RunDir, unpack
        from kws_train.streams import Recipe
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "train") from error

    run, recipe = RunDir(args.out), Recipe()
    settings = {"architecture": args.architecture, "epochs": args.epochs, "chunks": args.chunks, "seed": args.seed}
    if args.resume:
        begun = run.read_json()["arguments"]
        changed = [name for name, value in settings.items() if begun.get(name) != value]
        if changed:
            raise DataError(f"{args.out}: was begun with {changed[0]}={begun.get(changed[0])}; resume with the same")
    else:
        run.create()
    training = load_material(args.data, "training", args.strict, args.list)
    validation = load_material(args.data, "validation", args.strict, args.list)
    plan = Plan(chunks=args.chunks, seed=args.seed)
    validation_plan = Plan(chunks=VALIDATION_CHUNKS, seed=VALIDATION_SEED, masks=False)
    validation_batches = list(make_epoch(validation, recipe, validation_plan, 0, range(validation_plan.streams)))
    first_plan = Plan(chunks=1, seed=args.seed, masks=False)
    first_batch = next(make_epoch(training, recipe, first_plan, 0, range(plan.streams)))
    done = len(run.history())

    with Batches(training, recipe, plan, range(done, args.epochs), args.workers) as batches:
        # TensorFlow comes after the fork: its threads would not survive it.
        import_tensorflow()
        try:
            import keras

            from kws_train.artifacts import finish
            from kws_train.loop import Schedule, Trainer, fit
            from kws_train.models import build
        except ModuleNotFoundError as error:
            raise need_extra(str(error.name), "train") from error
        keras.utils.set_random_seed(args.seed)
        model = build(args.architecture, labels=len(LABELS))
        model.normalize.adapt(first_batch.frames)
        schedule = Schedule(epochs=args.epochs, steps_an_epoch=args.chunks)
        description = {
            "format": 1,
            "architecture": args.architecture,
            "sizes": dataclasses.asdict(model.config),
            "parameters": model.count_params(),
            "labels": list(LABELS),
            "frontend": LogMel().to_json(),
            "arguments": settings | {"list": str(args.list) if args.list else None},
            "recipe": dataclasses.asdict(recipe),
            "plan": dataclasses.asdict(plan),
            "schedule": dataclasses.asdict(schedule),
            "data_digest": _digest(training, validation),
            "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        }
        run.write_json(description)
        trainer = Trainer(model, schedule)
        fit(trainer, batches, validation_batches, schedule, run)
    unpack("weight", run.read_arrays("best.npz"), model.variables, run.path / "best.npz")
    figures = finish(trainer, training, validation, recipe, run)
    run.write_json(description | {"figures": figures})
    print(json.dumps({"run": str(run.path), **figures}))


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-train`; returns the exit code."""
    args = _parse(arguments)
    return run_command(lambda: _train(args))
