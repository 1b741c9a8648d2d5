"""What was written is read back and run: types of tensors, list of ops, and agreement with the float model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import ModelError


@dataclass(frozen=True)
class Agreement:
    """A converted step beside its float model, on one carried stream."""

    steps: int
    overall: float  # share of the steps with the same top label
    on_words: float  # the same, of the steps at which either names a word
    steps_with_words: int  # how many these are
    largest_difference: float  # of a logit

    def to_json(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "agreement": round(self.overall, 5),
            "agreement_on_words": round(self.on_words, 5),
            "steps_with_words": self.steps_with_words,
            "largest_logit_difference": float(f"{self.largest_difference:.3g}"),
        }


def compare(reference: NDArray[np.float32], logits: NDArray[np.float32]) -> Agreement:
    """Logits (steps, labels) of the float model and of the converted one."""
    top, other = reference.argmax(1), logits.argmax(1)
    named = (top > 0) | (other > 0)
    on_words = float((top == other)[named].mean()) if named.any() else 1.0
    difference = float(np.abs(reference - logits).max())
    return Agreement(len(top), float((top == other).mean()), on_words, int(named.sum()), difference)


def read_back(flatbuffer: bytes) -> dict[str, Any]:
    """What a flatbuffer holds: the type of every tensor (counted), its ops, and its inputs and outputs."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    (graph,) = model.subgraphs
    type_names = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    op_names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    types: dict[str, int] = {}
    for tensor in graph.tensors:
        types[type_names[tensor.type]] = types.get(type_names[tensor.type], 0) + 1
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    ops: dict[str, int] = {}
    for operator in graph.operators:
        name = op_names[codes[operator.opcodeIndex]]
        ops[name] = ops.get(name, 0) + 1

    def edge(indices: Any) -> dict[str, str]:
        return {graph.tensors[i].name.decode(): type_names[graph.tensors[i].type] for i in indices}

    return {"tensors": types, "ops": ops, "inputs": edge(graph.inputs), "outputs": edge(graph.outputs)}


def check_integer(contents: dict[str, Any]) -> None:
    """Raise ModelError where a file that is called int8 holds a float tensor."""
    floats = [kind for kind in contents["tensors"] if kind.startswith("float")]
    if floats:
        raise ModelError(f"the converted step is not all integer: it holds {', '.join(floats)} tensors")
    if "CUSTOM" in contents["ops"]:
        raise ModelError("the converted step holds an op that is not built in")
