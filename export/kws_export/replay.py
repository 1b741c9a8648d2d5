"""Run a model file over a stream in a process of its own, by the runtime alone, as a device would.

Not in the process that exports: tflite-runtime 2.14 refuses every model ("vector::reserve") in a process that
has imported TensorFlow 2.21. Run as
`python -m kws_export.replay MODEL INTERPRETER FRAMES.npy OUT.npz NEW_EVERY STATES`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import KwsError, ModelError
from kws_runtime.modelfile import read_model
from kws_runtime.step import Step

Arrays = dict[str, NDArray[np.float32]]


def replay(model: Path, interpreter: str, frames: NDArray[np.float32], new_every: int = 0) -> NDArray[np.float32]:
    """Logits (steps, labels) on a stream of frames (n, features), carried; or begun anew after each `new_every` steps.

    Raises ModelError with the reason.
    """
    return replay_whole(model, interpreter, frames, new_every)["logits"]


def replay_whole(
    model: Path, interpreter: str, frames: NDArray[np.float32], new_every: int = 0, states: bool = False
) -> Arrays:
    """`logits` (steps, labels) and, if wanted, each state after every step, in real numbers: (steps, ...) by name."""
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "frames.npy", Path(scratch) / "out.npz"
        np.save(source, frames, allow_pickle=False)
        command = [sys.executable, "-m", "kws_export.replay", str(model), interpreter, str(source), str(target)]
        command += [str(new_every), str(int(states))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"signal {-done.returncode}"])[-1]
            raise ModelError(f"{model}: cannot be run on {interpreter}: {last.removeprefix('error: ')}")
        with np.load(target, allow_pickle=False) as arrays:
            return dict(arrays)


def _replay_here(model: str, interpreter: str, frames: NDArray[np.float32], new_every: int, states: bool) -> Arrays:
    file = read_model(model)
    step, k = Step(file, interpreter), file.info.frames_per_step
    rows: dict[str, list[NDArray[np.float32]]] = {"logits": []}
    for number, at in enumerate(range(0, len(frames) - k + 1, k)):
        if new_every and number % new_every == 0:
            step.reset()
        rows["logits"].append(step.process(frames[at : at + k]))
        if states:
            for name, values in step.states().items():
                rows.setdefault(name, []).append(values)
    return {name: np.array(values) for name, values in rows.items()}


if __name__ == "__main__":
    path, name, from_file, to_file, every, with_states = sys.argv[1:]
    try:
        found = _replay_here(path, name, np.load(from_file, allow_pickle=False), int(every), with_states == "1")
    except KwsError as error:
        sys.exit(f"error: {error}")
    np.savez(to_file, **found)
