"""The models whose cost script/measure-cost measures: made, not trained, for what a step costs does not depend on its
weights. TensorFlow is imported in processes that do nothing else: tflite-runtime fails beside it."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kws_runtime.audio import read_wav
from kws_runtime.frontend import frames_of
from kws_runtime.listen import DEMO
from kws_runtime.modelfile import write_model
from kws_train.zoo import ARCHITECTURES

CNN, GRU = ("ds-cnn", "m"), ("gru", "l")  # of the comparison by the hop: the two that are bundled
STEP_FRAMES = (1, 2, 4, 8, 16, 32)  # new frames of a step
GRU_PAST = 3  # frames before a step that the convolution of `gru` sees: its kernel of 5 less its stride of 2
FLOAT_ONLY = ("tutorial-cnn",)  # its Resizing has no int8 form here
LEFT_OUT = ("question-gru",)  # unrolled over its window; docs/cnn-to-gru.md counts it
PROCESSES = 2  # each takes up to a gigabyte
CALIBRATION_S = 4  # of the bundled scene; any ranges will do


@dataclass(frozen=True)
class Wanted:
    """A network, and the steps at which its cost is wanted: a window is the same whatever the step."""

    architecture: str
    size: str
    steps: tuple[int, ...]  # frames

    @property
    def sizes(self) -> dict[str, Any]:
        """Its configuration; the convolution of `gru` grows with the step, for it has to see every frame."""
        sizes = dict(ARCHITECTURES[self.architecture].sizes[self.size])
        if (self.architecture, self.size) == GRU:
            sizes |= {"stride": self.steps[0], "kernel": self.steps[0] + GRU_PAST}
        return sizes


def all_wanted() -> list[Wanted]:
    """Every size of every network at its own step, and CNN and GRU at each of STEP_FRAMES."""
    found = [Wanted(*GRU, (frames,)) for frames in STEP_FRAMES]
    for name, architecture in ARCHITECTURES.items():
        for size in architecture.sizes:
            if name not in LEFT_OUT and (name, size) != GRU:
                found.append(Wanted(name, size, STEP_FRAMES if (name, size) == CNN else (architecture.stride,)))
    return found


def make_all(folder: Path) -> list[dict[str, Any]]:
    """Write all into the folder; a row for each network and step, with its files by scheme. Takes a minute or two."""
    wanted = all_wanted()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as processes:
        made = processes.map(_make, wanted, [folder] * len(wanted))
        return [row for rows in made for row in rows]


def _make(wanted: Wanted, folder: Path) -> list[dict[str, Any]]:
    """The rows of a network; in a process of its own."""
    from kws_train.quiet import import_tensorflow

    import_tensorflow()
    from kws_export.main import model_info, written
    from kws_export.steps import Source, step_of
    from kws_train.graph.convert import graph_of
    from kws_train.graph.float_step import FloatStep
    from kws_train.graph.ranges import observe
    from kws_train.macs import step_macs
    from kws_train.models import build

    model = build(wanted.architecture, **wanted.sizes)
    float_step = FloatStep(model)
    step = graph_of(float_step)
    samples = read_wav(DEMO)[: CALIBRATION_S * model.frontend.sample_rate]
    float_only = wanted.architecture in FLOAT_ONLY
    source = Source(step, {} if float_only else observe(step, frames_of(samples, model.frontend)))
    labels = ["_background_", *(f"word{number}" for number in range(1, model.config.labels))]
    description = {"architecture": wanted.architecture, "labels": labels, "frontend": model.frontend.to_json()}
    exported = SimpleNamespace(description=description, float_step=float_step, taught=False)
    schemes = ("fp32",) if float_only else ("int8", "fp32")
    contents = {scheme: written("tflite", source, step_of(source, scheme), scheme)[0] for scheme in schemes}
    macs, rows = step_macs(model), []
    for frames in wanted.steps:
        files = {scheme: folder / f"{wanted.architecture}-{wanted.size}-{frames}-{scheme}.tflite" for scheme in schemes}
        for scheme, path in files.items():
            info = model_info(exported, replace(step, frames_per_step=frames), scheme, "", "")
            write_model(path, info, contents[scheme])
        seconds = frames * model.frontend.hop / model.frontend.sample_rate
        rows.append(
            {
                "architecture": wanted.architecture,
                "size": wanted.size,
                "step_ms": round(1000 * seconds),
                "parameters": model.count_params(),
                "macs_a_step": macs,
                "macs_an_hour": round(macs * 3600 / seconds),
                "files": files,
            }
        )
    return rows
