"""`kws-export`: the streaming step of a trained model as one file for a device."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.corpus import words_of
from kws_runtime.errors import DataError, ModelError
from kws_runtime.frontend import FrontEndConfig
from kws_runtime.interpreter import installed_interpreters
from kws_runtime.modelfile import Detection, ModelInfo, State, write_model
from kws_runtime.scoring import wilson_interval
from kws_train.quiet import import_tensorflow

EXAMPLES = """\
  kws-export runs/gru --int8             writes runs/gru/gru-int8.tflite
  kws-export runs/gru --fp32 --int8      both
  kws-listen runs/gru/gru-int8.tflite    hear with it

int8 is calibrated on the states that the float model reached on runs/gru/calibration.npz. Each file is read
back, run on every installed interpreter over runs/gru/agreement.npz and compared with the float model; one
that does not agree is refused."""

UNTUNED_THRESHOLD = 0.7  # until kws-tune finds a better one
MAX_CALIBRATION_WINDOWS = 1000  # of a model that slides: neighbours are nearly alike, and each costs 10 ms
FLOAT_TOLERANCE = 1e-3  # of a logit, after 20 minutes carried
INT8_AGREEMENT, INT8_AGREEMENT_ON_WORDS = 0.98, 0.9  # a file whose 95 % interval lies below is refused


def _info(description: dict[str, Any], step: Any, scheme: str, attribution: str, licence: str) -> ModelInfo:
    labels = tuple(description["labels"])
    words = words_of(labels)
    keys = ("architecture", "sizes", "parameters", "data_digest", "arguments", "recipe", "schedule", "from", "figures")
    return ModelInfo(
        name=f"{description['architecture']}-{scheme}",
        labels=labels,
        frontend=FrontEndConfig.from_json(description["frontend"]),
        frames_per_step=step.frames_per_step,
        detection=Detection(dict.fromkeys(words, UNTUNED_THRESHOLD)),
        states=tuple(State(name, f"{name}_out", (1, *shape)) for name, shape in step.state_shapes.items()),
        activation=step.model.config.activation,
        window_frames=step.window_frames,
        training={key: description[key] for key in (*keys, "versions") if key in description},
        attribution=attribution,
        licence=licence,
        quantization={"scheme": scheme},
    )


def _calibration_inputs(step: Any, frames: Any) -> dict[str, Any]:
    """Inputs of the step along a stream: each state as the float model reached it before those frames."""
    import numpy as np

    every = 1
    if step.window_frames:
        every = max(1, len(frames) // step.frames_per_step // MAX_CALIBRATION_WINDOWS)
    inputs = [taken for number, (taken, _) in enumerate(step.follow(frames)) if number % every == 0]
    return {name: np.stack([taken[name] for taken in inputs]) for name in inputs[0]}


def _export(args: argparse.Namespace) -> None:
    if not args.run.is_dir():
        raise DataError(f"{args.run}: no such run directory; train one with kws-train")
    import_tensorflow()
    try:
        import numpy as np

        from kws_export.convert import convert
        from kws_export.stepping import FloatStep, load_run
        from kws_train.rundir import RunDir
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "export") from error

    run = RunDir(args.run)
    description, model = load_run(run)
    step = FloatStep(model)
    attribution = args.attribution.read_text(encoding="utf-8").strip() if args.attribution else ""
    frames = run.read_arrays("agreement.npz")["frames"]
    reference = np.array([logits for _, logits in step.follow(frames)])
    with tempfile.TemporaryDirectory() as scratch:
        inputs = Path(scratch) / "calibration.npz"
        if "int8" in args.schemes:
            np.savez(inputs, **_calibration_inputs(step, run.read_arrays("calibration.npz")["frames"]))
        for scheme in args.schemes:
            saved_model, out = Path(scratch) / scheme, Path(scratch) / f"{scheme}.tflite"
            step.save(saved_model, quantized=scheme == "int8")
            flatbuffer = convert(saved_model, scheme, out, inputs if scheme == "int8" else None)
            info = _info(description, step, scheme, attribution, args.licence)
            path = run.path / f"{info.name}.tflite"
            found = _write_verified(path, info, flatbuffer, frames, reference)
            _report(path, found, args.json)


def _write_verified(path: Path, info: ModelInfo, flatbuffer: bytes, frames: Any, reference: Any) -> dict[str, Any]:
    """Write the file under another name, read it back and run it; it gets its name if it agrees with `reference`.

    Returns what was found on each interpreter. Raises ModelError, the file kept aside, where it does not agree.
    """
    from kws_export.replay import replay
    from kws_export.verify import check_integer, compare, read_back

    scheme = info.quantization["scheme"]
    info.quantization.update(read_back(flatbuffer))
    if scheme == "int8":
        check_integer(info.quantization)
    interpreters = installed_interpreters()
    if not interpreters:
        raise DataError("no TFLite interpreter is installed, so nothing could be verified")
    unverified = path.with_suffix(".unverified")
    write_model(unverified, info, flatbuffer)
    found = {}
    for name in interpreters:
        agreement = compare(reference, replay(unverified, name, frames))
        found[name] = agreement.to_json()
        if not _agrees(agreement, scheme):
            raise ModelError(
                f"{unverified}: refused: on {name} it does not agree with the float model "
                f"({json.dumps(found[name])}); it is kept aside for inspection"
            )
    info.quantization["verified"] = found
    write_model(path, info, flatbuffer)
    unverified.unlink()
    return found


def _agrees(agreement: Any, scheme: str) -> bool:
    if scheme == "fp32":
        return bool(agreement.largest_difference <= FLOAT_TOLERANCE)
    shares = ((agreement.overall, agreement.steps), (agreement.on_words, max(1, agreement.steps_with_words)))
    highest = [wilson_interval(round(share * steps), steps)[1] for share, steps in shares]
    return highest[0] >= INT8_AGREEMENT and highest[1] >= INT8_AGREEMENT_ON_WORDS


def _report(path: Path, found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"file": str(path), "bytes": path.stat().st_size, "verified": found}))
        return
    print(f"{path}  {path.stat().st_size:,} bytes")
    for name, figures in found.items():
        print(
            f"  {name}: agrees with float on {figures['agreement']:.2%} of {figures['steps']} steps, "
            f"{figures['agreement_on_words']:.2%} of those with a word"
        )


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-export`; returns the exit code."""
    parser = command_parser("kws-export", "Turn a training run into a file for a device.", EXAMPLES)
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory of kws-train")
    parser.add_argument("--int8", dest="schemes", action="append_const", const="int8", help="integers only")
    parser.add_argument("--fp32", dest="schemes", action="append_const", const="fp32", help="float")
    parser.add_argument("--attribution", type=Path, metavar="FILE", help="text on the data's origin to put inside")
    parser.add_argument("--licence", default="", metavar="NAME", help="the model's licence, to put inside")
    parser.add_argument("--json", action="store_true", help="one JSON object a file")
    args = parser.parse_args(arguments)
    if not args.schemes:
        parser.error("say what to write: --int8, --fp32 or both")
    return run_command(lambda: _export(args))
