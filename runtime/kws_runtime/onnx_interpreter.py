"""onnxruntime behind the methods of a TFLite interpreter that a step uses. Needs the extra `onnx`."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from kws_runtime.errors import ModelError

FLOAT = "tensor(float)"
FATAL = 4  # of onnxruntime's levels of severity: what fails reaches us as an exception
# On x86 without VNNI the products of uint8 and int8 are summed in 16 bits, which saturate. So weights become uint8 when
# a model is loaded: a convolution takes longer, and the same file says the same on every machine.
EXACT_PRODUCTS = ("session.x64quantprecision", "1")


class OnnxInterpreter:
    """A session, its inputs as they were last set, and the outputs of the last `invoke`."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        """Raises ModelError where onnxruntime refuses the model or a tensor at its edge is not float32."""
        onnxruntime.set_default_logger_severity(FATAL)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry(*EXACT_PRODUCTS)
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common base of their own
            raise ModelError(f"onnxruntime refuses the model: {' '.join(str(error).split())}") from error
        self._inputs = [_details(number, tensor) for number, tensor in enumerate(self._session.get_inputs())]
        self._outputs = [_details(number, tensor) for number, tensor in enumerate(self._session.get_outputs())]
        self._input_names = [details["name"] for details in self._inputs]
        self._output_names = [details["name"] for details in self._outputs]
        self._feeds: dict[str, NDArray[np.float32]] = {}
        self._results: list[NDArray[np.float32]] = []

    def get_input_details(self) -> list[dict[str, Any]]:
        """Name, index, shape, type and quantization of each input."""
        return self._inputs

    def get_output_details(self) -> list[dict[str, Any]]:
        """The same of each output; their indices are a row of their own."""
        return self._outputs

    def set_tensor(self, index: int, values: NDArray[np.float32]) -> None:
        """Set an input. It is read when `invoke` is called, not copied here."""
        self._feeds[self._input_names[index]] = values

    def invoke(self) -> None:
        """Run the model."""
        self._results = self._session.run(self._output_names, self._feeds)

    def get_tensor(self, index: int) -> NDArray[np.float32]:
        """An output of the last `invoke`."""
        return self._results[index]


def _details(index: int, tensor: Any) -> dict[str, Any]:
    if tensor.type != FLOAT:
        raise ModelError(f"its tensor {tensor.name} is of type {tensor.type} where only {FLOAT} can be")
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]  # -1: any size, which no step has
    return {"name": tensor.name, "index": index, "shape": shape, "dtype": np.float32, "quantization": (0.0, 0)}
