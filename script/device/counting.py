"""Instructions, counted by a TCG plugin: what a stage of the listener executes for 10 ms of audio."""

from __future__ import annotations

import tempfile
from pathlib import Path

from device.build import HERE, PROJECT, Fault, run

WORKLOAD = PROJECT / "tests" / "latency" / "workload.py"
STAGES = ("front_end", "step", "detector")
HOPS = (500, 2500)  # the difference is the bundled scene once, 40 s
TEN_MS_A_HOP = 2
# The same on each run: no hash seeds drawn by lot, and no threads of OpenBLAS that wait in loops and are counted too.
STEADY = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}


def make_counter(folder: Path) -> Path:
    """Compile the plugin; returns its path."""
    counter = folder / "count.so"
    run("gcc", "-O2", "-shared", "-fPIC", "-o", counter, HERE / "count.c", seconds=60)
    return counter


def count(python: Path, counter: Path, *arguments: str | Path, **variables: str) -> int:
    """How many instructions an emulated Python executes for these arguments, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "count"
        run(python, *arguments, seconds=300, QEMU_PLUGIN=f"{counter},out={out}", **variables)
        if not out.exists():
            raise Fault("QEMU did not count: this needs Debian 12's qemu-user, Debian 13's takes no plugins")
        return int(out.read_text())


def insn_per_10ms(python: Path, counter: Path, stage: str, model: str, **variables: str) -> int:
    """What `stage` executes for 10 ms of audio: the difference between two numbers of hops, so start-up falls out."""
    few, many = (count(python, counter, WORKLOAD, stage, str(hops), model, **variables) for hops in HOPS)
    return round((many - few) / (HOPS[1] - HOPS[0]) / TEN_MS_A_HOP)


def count_listener(python: Path, counter: Path, models: tuple[str, ...]) -> dict[str, object]:
    """The whole chain of each model; the stages of the first, and how far two counts of it lie apart."""
    first, *others = models
    chain, again = (insn_per_10ms(python, counter, "chain", first, **STEADY) for _ in range(2))
    stages = {stage: insn_per_10ms(python, counter, stage, first, **STEADY) for stage in STAGES}
    stages["rest"] = chain - sum(stages.values())
    return {
        "insn_per_10ms": chain,
        "spread": abs(chain - again) / chain,
        "threads_of_blas_not_held": insn_per_10ms(python, counter, "chain", first, PYTHONHASHSEED="0"),
        "by_stage": stages,
        "by_model": {first: chain}
        | {model: insn_per_10ms(python, counter, "chain", model, **STEADY) for model in others},
    }
