"""Instructions of a hop, counted by valgrind, against those that are committed.

Times on a shared machine differ by tens of percents, counts of instructions by less than one. Valgrind shows
programs a processor of its own (a Haswell, wherever there is AVX2), so libraries choose the same code on every such
machine. What else changes the counts, beside our code, is in `Baseline.made_with`: where that is another, nothing can
be compared.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import kws_runtime
from kws_runtime.errors import KwsError
from kws_runtime.machine import describe
from tests.latency.workload import STAGES

HERE = Path(__file__).parent
WORKLOADS, BASELINE = HERE / "workloads.py", HERE / "baseline.json"
RENEW = "script/count-instructions"
MODEL = "gru-int8"
HOPS = (100, 300)  # what 200 cost is the difference; by the hundredth, Python has adapted its bytecode
MARGIN = 0.03  # counts of the same code differ by nothing in one venv, by 0.01 at most in another
LONGEST_RUN_S = 300.0
# The quickest tool of valgrind's that counts; callgrind counts the same, and which function they are of, in half again
# as much time.
COUNTER = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
COUNTED = re.compile(r"I\s+refs:\s+([\d,]+)")


class CountError(KwsError):
    """Instructions cannot be counted, or not compared."""


@dataclass(frozen=True)
class Baseline:
    """What a hop of 20 ms executes, by stage, and with what."""

    made_with: dict[str, str]
    instructions_a_hop: dict[str, int]

    @staticmethod
    def read() -> Baseline:
        """The committed one."""
        return Baseline(**json.loads(BASELINE.read_text()))

    def write(self) -> None:
        BASELINE.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def other_than(self, here: dict[str, str]) -> str:
        """What is another here than where it was made, in words; nothing where all is the same."""
        pairs = [(name, was, here.get(name)) for name, was in self.made_with.items()]
        return ", ".join(f"{name} {found} (baseline: {was})" for name, was, found in pairs if found != was)


def made_with() -> dict[str, str]:
    """What counts depend on beside our own code. Raises CountError where there is no valgrind."""
    if not shutil.which("valgrind"):
        raise CountError("valgrind, which counts instructions, is not installed: apt-get install valgrind")
    here = describe(("numpy", "tflite-runtime"))
    flags = Path("/proc/cpuinfo").read_text().split()
    return {
        "machine": here.architecture + (" with AVX2" if "avx2" in flags else ""),
        "valgrind": _run(["valgrind", "--version"]).stdout.strip(),
        "compiler": platform.python_compiler(),  # of Python
        **here.versions,
    }


def count() -> dict[str, int]:
    """Instructions a hop of each stage. Raises CountError where a run fails."""
    _run([sys.executable, str(WORKLOADS), MODEL, "chain", "2"])  # so that all bytecode lies on the disk, or none
    runs = [(stage, hops) for stage in STAGES for hops in HOPS]
    arguments = [str(argument) for run in runs for argument in run]
    told = _run([*COUNTER, sys.executable, str(WORKLOADS), MODEL, *arguments]).stderr
    *counted, _ = (int(digits.replace(",", "")) for digits in COUNTED.findall(told))  # the last is the start's alone
    counts = dict(zip(runs, counted, strict=True))
    few, many = HOPS
    return {stage: round((counts[stage, many] - counts[stage, few]) / (many - few)) for stage in STAGES}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run it in the same environment each time."""
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(Path(kws_runtime.__file__).parent.parent),  # what is tested here is what is counted
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",  # threads that wait in loops would be counted too
    }
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LONGEST_RUN_S, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise CountError(f"{' '.join(command)} was not done in {LONGEST_RUN_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        raise CountError(f"{' '.join(command)} ended with {error.returncode}: {error.stderr.strip()}") from error


def change(found: dict[str, int], baseline: Baseline, stage: str) -> float:
    """By what share the count is over the baseline's."""
    return found[stage] / baseline.instructions_a_hop[stage] - 1


def out_of_margin(found: dict[str, int], baseline: Baseline) -> list[str]:
    """The stages that are dearer or cheaper than they may be."""
    return [stage for stage in STAGES if abs(change(found, baseline, stage)) > MARGIN]


def line(found: dict[str, int], baseline: Baseline, stage: str) -> str:
    """A stage's count beside its baseline."""
    was = baseline.instructions_a_hop[stage]
    return f"{stage:9}  {found[stage]:7,} instructions a hop, {change(found, baseline, stage):+.1%} to {was:,}"
