"""`kws-export`: the streaming step of a trained model as files for a device."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kws_export.schemes import ABOUT, SCHEMES
from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.corpus import words_of
from kws_runtime.errors import DataError, ModelError
from kws_runtime.frontend import FrontEndConfig
from kws_runtime.interpreter import installed_interpreters
from kws_runtime.modelfile import Detection, ModelInfo, State, write_model
from kws_train.quiet import import_tensorflow

if TYPE_CHECKING:
    from kws_export.sources import Exported
    from kws_export.steps import Source
    from kws_train.graph.ranges import StepGraph

EXAMPLES = """\
  kws-export runs/gru --int8             writes runs/gru/gru-int8.tflite and runs/gru/gru-int8.onnx
  kws-export runs/gru --fp32 --int8      both schemes
  kws-export runs/gru --int8 --c-array   and runs/gru/gru-int8.c for a microcontroller
  kws-listen runs/gru/gru-int8.tflite    hear with it

Ranges are those of the states that the float model reached on runs/gru/calibration.npz. Each file is read back,
run on every interpreter that can run it over runs/gru/agreement.npz and compared with the float model; one that
does not agree is refused and kept aside as *.unverified.

schemes:
"""
EXAMPLES += "\n".join(f"  --{scheme:12} {about}" for scheme, about in ABOUT.items())

UNTUNED_THRESHOLD = 0.7  # until kws-tune finds a better one
TOLD = ("architecture", "sizes", "parameters", "data_digest", "arguments", "recipe", "schedule", "from", "figures")
FORMATS = ("tflite", "onnx")
WITHOUT_ONNX = ("fp16", "int8-narrow", "int16x8")  # onnxruntime computes elementwise ops of a quantized graph in float
CALIBRATIONS = ("stream", "clips", "random", "zero")


def model_info(exported: Exported, step: StepGraph, scheme: str, attribution: str, licence: str) -> ModelInfo:
    """What `kws.json` of a step says."""
    from kws_export.sources import zeros_of

    description, model = exported.description, exported.float_step.model
    labels = tuple(description["labels"])
    zeros = zeros_of(step)
    states = [State(name, out, step.graph.tensors[name].shape, zeros[name]) for name, out in step.states.items()]
    return ModelInfo(
        name=f"{description['architecture']}-{scheme}",
        labels=labels,
        frontend=FrontEndConfig.from_json(description["frontend"]),
        frames_per_step=step.frames_per_step,
        detection=Detection(dict.fromkeys(words_of(labels), UNTUNED_THRESHOLD)),
        states=tuple(states),
        activation=model.config.activation,
        window_frames=step.window_frames,
        training={key: description[key] for key in (*TOLD, "versions") if key in description},
        attribution=attribution,
        licence=licence,
        quantization={"scheme": scheme, "about": ABOUT[scheme], "taught": exported.taught and scheme == "int8"},
    )


def _export(args: argparse.Namespace) -> None:
    if not args.run.is_dir():
        raise DataError(f"{args.run}: no such run directory; train one with kws-train")
    import_tensorflow()
    try:
        from kws_export.sources import Exported
        from kws_export.steps import step_of
        from kws_train.rundir import RunDir
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "export") from error

    exported = Exported(RunDir(args.run))
    if exported.taught and args.calibration != "stream":
        raise DataError(f"{args.run}: its ranges were learned; --calibration is for a run without --qat")
    source, reference = exported.source(args.calibration), exported.reference()
    attribution = args.attribution.read_text(encoding="utf-8").strip() if args.attribution else ""
    for scheme in args.schemes:
        step = step_of(source, scheme)
        info = model_info(exported, step, scheme, attribution, args.licence)
        for kind in FORMATS:
            if kind == "onnx" and scheme in WITHOUT_ONNX:
                continue
            path = exported.run.path / f"{info.name}.{kind}"
            content, contents = written(kind, source, step, scheme)
            info.quantization.update(contents)
            found = _write_verified(path, info, content, exported.stream, reference)
            _report(path, found, args.json)
            if args.c_array and scheme == "int8" and kind == "tflite":
                from kws_export.c_array import write_c_array

                write_c_array(path.with_suffix(".c"), content, info)


def written(kind: str, source: Source, step: StepGraph, scheme: str) -> tuple[bytes, dict[str, Any]]:
    """A step as a flatbuffer or an ONNX model, and what is found in it. Raises ModelError where that is not what the
    scheme says."""
    from kws_export.onnx_graph import to_onnx, to_onnx_dynamic
    from kws_export.verify import check_integer, read_back, read_back_onnx
    from kws_train.graph.ir import write_graph

    if kind == "onnx":
        content = to_onnx_dynamic(source.step) if scheme == "dynamic" else to_onnx(step)
        return content, read_back_onnx(content)
    content = write_graph(step.graph)
    contents = read_back(content)
    check_integer(contents, scheme)
    return content, contents


def _write_verified(path: Path, info: ModelInfo, content: bytes, frames: Any, reference: Any) -> dict[str, Any]:
    """Write the file under another name, read it back and run it; it gets its name if it agrees with `reference`.

    Returns what was found on each interpreter. Raises ModelError, the file kept aside, where it does not agree.
    """
    from kws_export.replay import replay
    from kws_export.verify import agrees, compare

    interpreters = installed_interpreters(path.suffix[1:])
    if not interpreters:
        raise DataError(f"no interpreter is installed that runs {path.suffix} files, so nothing could be verified")
    unverified = path.with_name(f"{path.stem}.unverified{path.suffix}")
    write_model(unverified, info, content)
    found = {}
    for name in interpreters:
        agreement = compare(reference, replay(unverified, name, frames))
        found[name] = agreement.to_json()
        if not agrees(agreement, info.quantization["scheme"]):
            raise ModelError(
                f"{unverified}: refused: on {name} it does not agree with the float model "
                f"({json.dumps(found[name])}); it is kept aside for inspection"
            )
    info.quantization["verified"] = found
    write_model(path, info, content)
    unverified.unlink()
    return found


def _report(path: Path, found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"file": str(path), "bytes": path.stat().st_size, "verified": found}), flush=True)
        return
    print(f"{path}  {path.stat().st_size:,} bytes")
    for name, figures in found.items():
        print(
            f"  {name}: agrees with float on {figures['agreement']:.2%} of {figures['steps']} steps, "
            f"{figures['agreement_on_words']:.2%} of those with a word",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-export`; returns the exit code."""
    parser = command_parser("kws-export", "Turn a training run into files for a device.", EXAMPLES)
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory of kws-train")
    for scheme in SCHEMES:
        parser.add_argument(f"--{scheme}", dest="schemes", action="append_const", const=scheme, help=argparse.SUPPRESS)
    parser.add_argument("--c-array", action="store_true", help="the int8 step as C source for TFLite Micro too")
    parser.add_argument(
        "--calibration",
        choices=CALIBRATIONS,
        default="stream",
        help="states while the ranges are looked for; all but `stream` are for comparison",
    )
    parser.add_argument("--attribution", type=Path, metavar="FILE", help="text on the data's origin to put inside")
    parser.add_argument("--licence", default="", metavar="NAME", help="the model's licence, to put inside")
    parser.add_argument("--json", action="store_true", help="one JSON object a file")
    args = parser.parse_args(arguments)
    if not args.schemes:
        parser.error("say what to write: --int8, --fp32 or another scheme (see --help)")
    if args.c_array and "int8" not in args.schemes:
        parser.error("--c-array goes with --int8")
    return run_command(lambda: _export(args))
