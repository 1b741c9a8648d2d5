"""Silero VAD on onnxruntime, in the pieces of 32 ms that it wants.

Its own wrapper takes torch only to hold arrays; this is what that wrapper does, with numpy. So it costs less here, in
time and above all in size, than by its own package.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime

PACKAGE, PIECE = "silero-vad", 512
CONTEXT = 64  # samples of the piece before that go in again
STATE = (2, 1, 128)
THRESHOLD = 0.5  # of its README


def start(_: str) -> Callable[[bytes], int]:
    """With one thread, as its wrapper has it."""
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    (package,) = find_spec("silero_vad").submodule_search_locations  # not imported, as it would import torch
    model = Path(package) / "data" / "silero_vad.onnx"
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rate = np.array(16_000, np.int64)
    state, context = np.zeros(STATE, np.float32), np.zeros((1, CONTEXT), np.float32)

    def push(pcm: bytes) -> int:
        nonlocal state, context
        samples = np.frombuffer(pcm, np.int16).astype(np.float32)[None] / 32768
        samples = np.concatenate([context, samples], axis=1)
        speech, state = session.run(None, {"input": samples, "state": state, "sr": rate})
        context = samples[:, -CONTEXT:]
        return int(speech[0, 0] > THRESHOLD)

    return push
