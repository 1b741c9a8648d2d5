"""A training run, from the recordings to its figures; TensorFlow is imported in the midst of it."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kws_runtime.corpus import LABEL_SETS, words_of
from kws_runtime.errors import ClusterError, DataError
from kws_train.batches import Batches, Plan, make_epoch
from kws_train.data import load_material
from kws_train.distributed import read_cluster
from kws_train.more import add_more
from kws_train.recipe import Recipe
from kws_train.rundir import Arrays, RunDir, unpack
from kws_train.sounds import Sounds
from kws_train.store import Store
from kws_train.zoo import ARCHITECTURES

CHUNK_S, CLIP_S = 4.0, 1.0
SETTINGS = ("architecture", "size", "recipe", "labels", "epochs", "chunks", "seed")
HOW_MADE = ("arguments", "recipe", "schedule", "data_digest", "versions", "from")
TAUGHT_LEARNING_RATE = 1e-3  # at its highest, of a model that begins with the weights of another run
QAT_LEARNING_RATE = 2e-4  # of a model that is taught to live with int8
VALIDATION_CHUNKS = 6
VALIDATION_SEED = 2
PACKAGES = ("kws-edge", "numpy", "tensorflow", "keras", "scipy", "soundfile", "pyroomacoustics")


def _plan(args: argparse.Namespace) -> tuple[Plan, Plan]:
    """How the streams are cut, and what is learned from: these streams or clips."""
    chosen = ARCHITECTURES[args.architecture]
    streams = Plan(
        chunks=args.chunks,
        chunk_frames=chosen.chunk_frames(CHUNK_S),
        seed=args.seed,
        masks=chosen.frontend.kind != "raw",
        stride=chosen.stride,
        labels=LABEL_SETS[args.labels],
        frontend=chosen.frontend,
    )
    if args.recipe == "stream":
        return streams, streams
    count = int(streams.streams * CHUNK_S / CLIP_S)
    return streams, replace(streams, streams=count, chunk_frames=chosen.chunk_frames(CLIP_S), clips=True)


def _digest(*materials: Any) -> str:
    """SHA-256 over the names and samples of everything used, in order."""
    digest = hashlib.sha256()
    for material in materials:
        digest.update("\n".join(material.names).encode())
        for group in material.groups():
            for recording in group:
                digest.update(recording)
    return digest.hexdigest()


def _read_taught(path: Path, settings: dict[str, Any]) -> tuple[Arrays, dict[str, Any]]:
    """The best weights of the run at `path`, and how they were made. Raises DataError where it is of another
    architecture, size or set of labels."""
    run = RunDir(path)
    made = run.read_json()
    if made["arguments"].get("qat"):
        raise DataError(f"{path}: was taught to live with int8; give the run that it began with")
    for name in ("architecture", "size", "labels"):
        if made["arguments"].get(name) != settings[name]:
            flag = "--qat" if settings["qat"] else "--from"
            raise DataError(f"{path}: has {name}={made['arguments'].get(name)}; {flag} needs {settings[name]}")
    return run.read_arrays("best.npz"), {name: made[name] for name in HOW_MADE if name in made}


def _learner(model: Any, schedule: Any, plan: Plan, before: Path) -> Any:
    """What teaches a model to live with int8, beginning with the ranges of the run that it came from."""
    from kws_train.qat import Learner, taught_step

    return Learner(taught_step(model, RunDir(before)), schedule, plan)


def train(args: argparse.Namespace) -> None:
    """From the arguments of `kws-train` to a finished run."""
    cluster = read_cluster(os.environ)
    for name, given in (("--keep", args.keep), ("--qat", args.qat)):
        if cluster.others and given:
            raise ClusterError(f"{name}: is for one machine; leave it or TF_CONFIG out")
    run, recipe, chosen = RunDir(args.out), Recipe(), ARCHITECTURES[args.architecture]
    before = args.qat or args.begin
    if before and not args.size_given:
        args.size = RunDir(before).read_json()["arguments"].get("size", args.size)
    settings = {name: getattr(args, name) for name in SETTINGS}
    paths = {"from": args.begin, "qat": args.qat, "more": args.more}
    settings |= {name: str(path) if path else None for name, path in paths.items()}
    taught, taught_how = _read_taught(before, settings) if before else (None, None)
    if args.resume:
        begun = run.read_json()["arguments"]
        changed = [name for name, value in settings.items() if begun.get(name) != value]
        if changed:
            raise DataError(f"{args.out}: was begun with {changed[0]}={begun.get(changed[0])}; resume with the same")
    elif cluster.is_chief:
        run.create()
    stream_plan, plan = _plan(args)
    words = words_of(plan.labels)
    material = load_material(args.data, "training", words, args.strict, args.list)
    if args.more:
        add_more(material, args.more, words, args.strict)
    training = Sounds(material, words, args.seed)
    validation = Sounds(load_material(args.data, "validation", words, args.strict, args.list), words, VALIDATION_SEED)
    digest = _digest(training.material, validation.material)
    validation_plan = replace(plan, chunks=VALIDATION_CHUNKS, seed=VALIDATION_SEED, masks=False)
    validation_batches = list(make_epoch(validation, recipe, validation_plan, 0, range(plan.streams)))
    first_batch = next(make_epoch(training, recipe, replace(plan, chunks=1, masks=False), 0, range(plan.streams)))
    done = len(run.history())
    store = Store(args.keep, digest, recipe, plan) if args.keep else None

    share = cluster.share(plan.streams)
    with Batches(training, recipe, plan, range(done, args.epochs), args.workers, store, share) as batches:
        # TensorFlow comes after the fork: its threads would not survive it.
        team = cluster.join(plan.streams)
        team.check_same({"arguments": settings, "recordings": digest, "finished epochs": done})
        import keras

        from kws_train.artifacts import finish
        from kws_train.loop import Schedule, Trainer, fit
        from kws_train.models import build

        keras.utils.set_random_seed(args.seed + cluster.rank)  # other windows and dropouts on each; the chief's weights
        model = build(args.architecture, labels=len(plan.labels), **chosen.sizes[args.size])
        schedule = Schedule(epochs=args.epochs, steps_an_epoch=args.chunks)
        if taught:
            unpack("weight", taught, model.variables, before / "best.npz")
            schedule = replace(schedule, learning_rate=TAUGHT_LEARNING_RATE)
        else:
            model.normalize.adapt(first_batch.frames)
        if args.qat:  # the weights are nearly where they should be
            schedule = replace(schedule, learning_rate=QAT_LEARNING_RATE, warmup_share=0.05, weight_decay=0.0)
        description = {
            "format": 1,
            "architecture": args.architecture,
            "sizes": asdict(model.config),
            "parameters": model.count_params(),
            "labels": list(plan.labels),
            "frontend": chosen.frontend.to_json(),
            "arguments": settings | {"list": str(args.list) if args.list else None},
            "recipe": asdict(recipe),
            "plan": asdict(plan),
            "schedule": asdict(schedule),
            "from": taught_how,
            "data_digest": digest,
            "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        }
        if team.is_chief:
            run.write_json(description)
        trainer = _learner(model, schedule, plan, args.qat) if args.qat else Trainer(model, schedule, plan, team)
        with team:
            fit(trainer, batches, validation_batches, schedule, run)
    with team:
        if team.is_chief:
            unpack("weight", run.read_arrays("best.npz"), trainer.model.variables, run.path / "best.npz")
            if args.qat:
                from kws_train.qat import write_taught

                write_taught(trainer.model, run)
            figures = finish(trainer, training, validation, recipe, stream_plan, run)
            run.write_json(description | {"figures": figures})
            print(json.dumps({"run": str(run.path), **figures}))
        team.wait_for_all()
