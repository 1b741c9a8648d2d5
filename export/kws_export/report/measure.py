"""All figures of the report, of run directories with exported files."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kws_export.main import CALIBRATIONS, model_info
from kws_export.report.drift import KINDS, drift
from kws_export.report.files import (
    Heard,
    agreement_figures,
    clip_figures,
    difference,
    exported_files,
    kind_of,
    operating_point,
    recordings_of,
    scene_figures,
)
from kws_export.report.latency import latencies
from kws_export.report.layers import (
    common_outputs,
    float_constants,
    histograms,
    layer_errors,
    state_figures,
    tensors_along,
)
from kws_export.report.streams import Streams
from kws_export.sources import Exported
from kws_export.steps import step_of
from kws_export.tflm import arena_bytes
from kws_runtime.errors import DataError
from kws_runtime.interpreter import installed_interpreters
from kws_runtime.modelfile import ModelFile, read_model, write_model
from kws_train.graph.ir import read_graph, write_graph
from kws_train.rundir import RunDir

Parts = dict[str, Any]


class Run:
    """A run directory, its float file heard, and the streams that it is heard on."""

    def __init__(self, path: Path, streams: Streams, progress: Any) -> None:
        self.path, self.name, self.streams = path, path.name, streams
        self.exported = Exported(RunDir(path))
        self.files = exported_files(path)
        floats = [file for file in self.files if file.stem.endswith("-fp32") and file.suffix == ".tflite"]
        if not floats:
            raise DataError(f"{path}: no fp32 file to compare with; write one with kws-export {path} --fp32")
        self.float_file = floats[0]
        self.in_float = self.hear(read_model(self.float_file))
        progress.set_description(self.name)
        self.float_figures, self.right_in_float = clip_figures(self.in_float, streams)
        self.threshold = operating_point(recordings_of(self.in_float, streams), self.in_float.info)

    def hear(self, file: ModelFile) -> Heard:
        """A file's logits on everything."""
        interpreter = installed_interpreters(file.path.suffix[1:])[-1]  # the fastest
        return Heard(file, interpreter, self.streams, self.exported.stream)


def measure(paths: list[Path], data: Path, scenes: list[Path], quick: bool) -> Parts:
    """Everything that the page shows, by the parts of the schema; `quick` leaves the slow comparisons out."""
    cache: dict[str, Streams] = {}
    parts: Parts = {"models": [], "calibration": [], "layers": {}, "drift": {}, "states": {}, "histograms": {}}
    runs: dict[str, Run] = {}
    with tqdm(total=sum(map(_count_files, paths)), unit="file", file=sys.stderr) as progress:
        for path in paths:
            run = Run(path, _streams_for(path, data, scenes, cache), progress)
            runs[str(path)] = run
            parts["models"] += list(_models(run, runs, progress))
            _look_inside(run, parts)
            if not quick:
                parts["calibration"] += list(_calibrations(run, runs))
                _hours(run, parts)
    _time(runs, parts["models"])
    return parts


def _count_files(run: Path) -> int:
    count = len(exported_files(run))
    if not count:
        raise DataError(f"{run}: no exported files; write them with kws-export {run} --fp32 --int8")
    return count


def _streams_for(path: Path, data: Path, scenes: list[Path], cache: dict[str, Streams]) -> Streams:
    """The streams as a run's front end hears them; made once for runs that share it."""
    info = read_model(exported_files(path)[0]).info
    key = f"{info.frontend.to_json()} {info.frames_per_step} {info.words}"
    if key not in cache:
        cache[key] = Streams(info.frontend, info.frames_per_step, data, info.words, scenes)
    return cache[key]


def _models(run: Run, runs: dict[str, Run], progress: Any) -> Iterator[Parts]:
    """A row for each file of a run."""
    for path in run.files:
        file = read_model(path)
        is_float = path == run.float_file
        heard = run.in_float if is_float else run.hear(file)
        figures, right = (run.float_figures, run.right_in_float) if is_float else clip_figures(heard, run.streams)
        scheme = str(file.info.quantization["scheme"])
        row: Parts = {
            "name": f"{run.name}-{scheme}",
            "file": path.name,
            "run": str(run.path),
            "architecture": run.exported.description["architecture"],
            "kind": kind_of(run.exported.description["architecture"]),
            "scheme": scheme,
            "format": path.suffix[1:],
            "taught": run.exported.taught,
            "bytes": path.stat().st_size,
            "parameters": run.exported.description["parameters"],
            "widths": file.info.quantization["about"],
            **figures,
            "scenes": scene_figures(recordings_of(heard, run.streams), file.info, run.threshold),
            "threshold": run.threshold,
            "latency": {},
        }
        if path.suffix == ".tflite":
            row["memory_bytes"] = arena_bytes(read_graph(file.flatbuffer))
        if not is_float:
            row |= agreement_figures(heard, run.in_float.agreement)
            row["difference"] = difference(right, run.right_in_float)
            origin = runs.get(str(run.exported.description["arguments"].get("qat")))
            if origin is not None:
                row["origin"] = agreement_figures(heard, origin.in_float.agreement)
                row["origin"]["difference"] = difference(right, origin.right_in_float)
        progress.update()
        yield row


def _look_inside(run: Run, parts: Parts) -> None:
    """Error by layer, histograms, states: of the int8 step."""
    source = run.exported.source()
    integers = step_of(source, "int8")
    ops = common_outputs(source.step.graph, integers.graph)
    names = tuple(dict.fromkeys([*(name for name, _ in ops), *source.step.states.values()]))
    float_values = tensors_along(source.step, run.exported.stream, names, integer=False)
    int_values = tensors_along(float_constants(integers), run.exported.stream, names, integer=True)
    rows = layer_errors(float_values, int_values, integers.graph, ops)
    parts["layers"][run.name] = rows
    parts["histograms"][f"{run.name}-int8"] = histograms(rows, float_values, integers)
    states = state_figures(source.step, integers, float_values, int_values)
    if states:
        parts["states"][f"{run.name}-int8"] = states


def _calibrations(run: Run, runs: dict[str, Run]) -> Iterator[Parts]:
    """int8 of a recurrent run by the states that its ranges were looked for on; of a taught run as it is."""
    architecture = run.exported.description["architecture"]
    if kind_of(architecture) != "RNN":
        return
    for calibration in ["stream"] if run.exported.taught else CALIBRATIONS:
        step = step_of(run.exported.source(calibration), "int8")
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "step.tflite"
            write_model(path, model_info(run.exported, step, "int8", "", ""), write_graph(step.graph))
            heard = run.hear(read_model(path))
        figures, _ = clip_figures(heard, run.streams)
        yield {
            "architecture": architecture,
            "run": run.name,
            "trained_on": "clips" if run.exported.description["arguments"].get("recipe") == "clips" else "streams",
            "calibrated_on": calibration,
            "method": "QAT" if run.exported.taught else "PTQ",
            **agreement_figures(heard, run.in_float.agreement),
            **figures,
        }


def _hours(run: Run, parts: Parts) -> None:
    """Drift over an hour of clips, of speech and of silence."""
    found = [path for path in run.files if path.stem.endswith("-int8") and path.suffix == ".tflite"]
    if not found:
        return
    integers = found[0]
    interpreter = installed_interpreters("tflite")[-1]
    step_s = run.in_float.info.frames_per_step * run.in_float.info.frontend.hop / run.in_float.info.frontend.sample_rate
    hours: Parts = {}
    for kind in KINDS:
        frames = run.streams.hour(kind, run.exported.stream)
        hours[kind] = drift(run.float_file, integers, interpreter, frames, step_s)
    parts["drift"][f"{run.name}-int8"] = hours
    for row in parts["models"]:
        if row["file"] == integers.name and row["run"] == str(run.path):
            row["growth"] = hours["clips"]["growth"]


def _time(runs: dict[str, Run], models: list[Parts]) -> None:
    """p50 and p99 of a step of every file on every interpreter, the files of a run in turn."""
    for run in runs.values():
        for kind in ("tflite", "onnx"):
            files = [path for path in run.files if path.suffix == f".{kind}"]
            for interpreter in installed_interpreters(kind) if files else []:
                found = latencies(interpreter, files)
                for row in models:
                    if row["run"] == str(run.path) and row["file"] in found:
                        row["latency"][interpreter] = found[row["file"]]
