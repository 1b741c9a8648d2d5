"""Latency of steps: set the inputs, invoke, get the outputs; files of one interpreter in turn, so that the ratios hold
on a noisy machine. Run as `python -m kws_export.report.latency INTERPRETER FILE ...`; prints JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from kws_runtime.errors import ModelError
from kws_runtime.interpreter import make_interpreter
from kws_runtime.modelfile import read_model

ROUNDS, STEPS_A_ROUND, WARM_UP = 40, 100, 50


def latencies(interpreter: str, files: list[Path]) -> dict[str, dict[str, float]]:
    """`p50_us` and `p99_us` of a step of each file (by its name), 1 thread, measured in a process of its own."""
    command = [sys.executable, "-m", "kws_export.report.latency", interpreter, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ModelError(f"{interpreter}: {(done.stderr.strip().splitlines() or ['died'])[-1]}")
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


class _Timed:
    def __init__(self, path: Path, interpreter: str) -> None:
        self.name, self.micros = path.name, np.zeros(0)
        _, self._runner = make_interpreter(read_model(path).flatbuffer, interpreter, 1)
        self._inputs = [(d["index"], np.zeros(d["shape"], d["dtype"])) for d in self._runner.get_input_details()]
        self._outputs = [d["index"] for d in self._runner.get_output_details()]

    def round(self, steps: int) -> None:
        micros = np.empty(steps)
        runner: Any = self._runner
        for number in range(steps):
            began = time.perf_counter_ns()
            for index, values in self._inputs:
                runner.set_tensor(index, values)
            runner.invoke()
            for index in self._outputs:
                runner.get_tensor(index)
            micros[number] = (time.perf_counter_ns() - began) / 1000
        self.micros = np.concatenate([self.micros, micros])


def _measure_here(interpreter: str, paths: list[Path]) -> dict[str, dict[str, float]]:
    timed = [_Timed(path, interpreter) for path in paths]
    for one in timed:
        one.round(WARM_UP)
        one.micros = np.zeros(0)
    for _ in range(ROUNDS):
        for one in timed:
            one.round(STEPS_A_ROUND)
    return {one.name: {f"p{p}_us": round(float(np.percentile(one.micros, p)), 2) for p in (50, 99)} for one in timed}


if __name__ == "__main__":
    print(json.dumps(_measure_here(sys.argv[1], [Path(name) for name in sys.argv[2:]])))
