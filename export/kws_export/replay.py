"""Run a model file over a stream in a process of its own, by the runtime alone, as a device would.

Not in the process that exports: tflite-runtime 2.14 refuses every model ("vector::reserve") in a process that
has imported TensorFlow 2.21. Run as `python -m kws_export.replay MODEL INTERPRETER FRAMES.npy LOGITS.npy`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import ModelError
from kws_runtime.modelfile import read_model
from kws_runtime.step import Step


def replay(model: Path, interpreter: str, frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (steps, labels) on a carried stream of frames (n, features). Raises ModelError with the reason."""
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "frames.npy", Path(scratch) / "logits.npy"
        np.save(source, frames, allow_pickle=False)
        command = [sys.executable, "-m", "kws_export.replay", str(model), interpreter, str(source), str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"signal {-done.returncode}"])[-1]
            raise ModelError(f"{model}: cannot be run on {interpreter}: {last}")
        logits: NDArray[np.float32] = np.load(target, allow_pickle=False)
        return logits


def _replay_here(model: str, interpreter: str, frames: NDArray[np.float32]) -> NDArray[np.float32]:
    file = read_model(model)
    step, k = Step(file, interpreter), file.info.frames_per_step
    return np.array([step.process(frames[at : at + k]) for at in range(0, len(frames) - k + 1, k)])


if __name__ == "__main__":
    path, name, from_file, to_file = sys.argv[1:]
    np.save(to_file, _replay_here(path, name, np.load(from_file, allow_pickle=False)), allow_pickle=False)
