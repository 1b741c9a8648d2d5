"""SavedModel to TFLite, in a process of its own: the converter can crash, and takes its process with it.

Run as `python -m kws_export.convert SAVED_MODEL SCHEME OUT [CALIBRATION.npz]`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kws_runtime.errors import ModelError

TIMEOUT_S = 900


def convert(saved_model: Path, scheme: str, out: Path, calibration: Path | None = None) -> bytes:
    """Convert in a subprocess; returns the flatbuffer. Raises ModelError with the converter's last line."""
    command = [sys.executable, "-m", "kws_export.convert", str(saved_model), scheme, str(out)]
    command += [str(calibration)] if calibration else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"the converter did not end within {TIMEOUT_S} s ({scheme})") from None
    if done.returncode != 0 or not out.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        how = f"crashed (signal {-done.returncode})" if done.returncode < 0 else "failed"
        raise ModelError(f"the converter {how} ({scheme}): {last}")
    return out.read_bytes()


def _convert_here(saved_model: str, scheme: str, calibration: str | None) -> bytes:
    import numpy as np
    import tensorflow as tf

    from kws_export.stepping import ENDPOINT

    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[ENDPOINT])
    if scheme == "int8":
        if calibration is None:
            raise ValueError("int8 needs calibration inputs")
        with np.load(calibration, allow_pickle=False) as arrays:
            inputs = dict(arrays)

        def representative() -> Iterator[tuple[str, dict[str, Any]]]:
            for number in range(len(inputs["frames"])):
                yield ENDPOINT, {name: values[number] for name, values in inputs.items()}

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    return name_tensors(bytes(converter.convert()))


def name_tensors(flatbuffer: bytes) -> bytes:
    """Give the tensors of the step's inputs and outputs the signature's names.

    The converter calls them `step_frames:0` and `StatefulPartitionedCall_1:1`; a runtime that binds by name needs
    the names of the contract, and a signature runner costs half a step.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    (signature,) = model.signatureDefs
    tensors = model.subgraphs[signature.subgraphIndex].tensors
    for entry in [*signature.inputs, *signature.outputs]:
        tensors[entry.tensorIndex].name = entry.name
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


if __name__ == "__main__":
    source, wanted, target, *rest = sys.argv[1:]
    Path(target).write_bytes(_convert_here(source, wanted, rest[0] if rest else None))
