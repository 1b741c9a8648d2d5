"""What a listener costs beside its hops: start-up to the first posterior, memory, and the disk it needs."""

from __future__ import annotations

import importlib.util
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from kws_runtime.errors import KwsError
from kws_runtime.interpreter import DISTRIBUTIONS
from kws_runtime.listen import DEMO

RUNS = 3  # of start-up; the first one may read from disk what the others find in memory
LONGEST_RUN_S = 300.0  # even a slow machine under an emulator is through then
OURS = "kws-edge"
BASE = (OURS, "numpy", "sounddevice", "soxr")  # of the base install, beside the interpreter
IMPORT_NAMES = {OURS: "kws_runtime"}  # where it is not the distribution's, with _ for -
PROGRAM = "import sys; from kws_runtime.startup import main; sys.exit(main())"


@dataclass(frozen=True)
class Footprint:
    """Of `kws-listen --wav` with a model on an interpreter; medians of RUNS processes."""

    startup_cpu_s: float  # from the start of the process to the first posterior, of all threads
    startup_wall_s: float
    peak_rss_bytes: int | None
    installed_bytes: int  # of a base install with this interpreter


def footprint(model: Path, interpreter: str) -> Footprint:
    """Measure it. Raises KwsError with what `kws-listen` says where it cannot."""
    runs = [_listen(model, interpreter) for _ in range(RUNS)]
    cpu, wall, peaks = zip(*runs, strict=True)
    known = [peak for peak in peaks if peak is not None]
    return Footprint(
        startup_cpu_s=statistics.median(cpu),
        startup_wall_s=statistics.median(wall),
        peak_rss_bytes=int(statistics.median(known)) if known else None,
        installed_bytes=installed_bytes(interpreter),
    )


def _listen(model: Path, interpreter: str) -> tuple[float, float, int | None]:
    """CPU and wall seconds to the first posterior, and the peak of the memory in bytes."""
    listen = [str(model), "--interpreter", interpreter, "--wav", str(DEMO), "--quiet"]
    command = [sys.executable, "-P", "-c", PROGRAM, *listen]  # -P: what lies in this folder is not to be imported
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_RUN_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise KwsError(f"kws-listen did not get through {DEMO.name} in {LONGEST_RUN_S:.0f} s") from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"kws-listen ended with {done.returncode}"]
        raise KwsError(last[0].removeprefix("error: "))
    seen = json.loads(done.stdout.splitlines()[-1])
    return seen["cpu_s"], seen["monotonic_s"] - began, seen["peak_rss_bytes"]


def installed_bytes(interpreter: str) -> int:
    """What a base install with this interpreter and nothing else takes on the disk."""
    return sum(_bytes(name) for name in _required([*BASE, DISTRIBUTIONS[interpreter]]))


def _required(names: list[str]) -> Iterator[str]:
    """These distributions and those that they need, without extras, each once; those that are installed."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in seen:
            continue
        seen.add(key)
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        yield name
        if name != OURS:  # which names both interpreters; BASE has its others
            waiting += [re.split(r"[^\w.-]", need)[0] for need in needs if "extra ==" not in need]


def _bytes(name: str) -> int:
    """The size of a distribution's files: those that its installer listed, and the package itself where it did not
    (Debian lists none, an editable install not the package)."""
    listed = {Path(str(file.locate())).resolve() for file in distribution(name).files or ()}
    spec = importlib.util.find_spec(IMPORT_NAMES.get(name, name.replace("-", "_")))
    if spec and spec.origin and Path(spec.origin).resolve() not in listed:
        folders = spec.submodule_search_locations
        listed |= set(Path(folders[0]).resolve().rglob("*")) if folders else {Path(spec.origin).resolve()}
    return sum(path.stat().st_size for path in listed if path.is_file())
