"""What was written is read back and run: types of tensors, list of ops, and agreement with the float model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_export.schemes import INTEGER
from kws_runtime.errors import ModelError
from kws_runtime.scoring import wilson_interval
from kws_train.graph.ir import read_graph

FLOAT_TOLERANCE = 1e-3  # of a logit, after 20 minutes carried
# Agreement on all steps and on those with a word; a file whose 95 % interval lies below is refused.
BOUNDS = {"fp16": (0.995, 0.97), "dynamic": (0.99, 0.95), "int8": (0.98, 0.9), "int16x8": (0.99, 0.95)}
BOUNDS["int8-narrow"] = (0.98, 0.9)


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


def agrees(agreement: Agreement, scheme: str) -> bool:
    """Whether a file of that scheme is near enough to float to be given out."""
    if not np.isfinite(agreement.largest_difference):
        return False
    if scheme == "fp32":
        return agreement.largest_difference <= FLOAT_TOLERANCE
    shares = ((agreement.overall, agreement.steps), (agreement.on_words, max(1, agreement.steps_with_words)))
    highest = [wilson_interval(round(share * steps), steps)[1] for share, steps in shares]
    return all(high >= bound for high, bound in zip(highest, BOUNDS[scheme], strict=True))


def read_back(flatbuffer: bytes) -> dict[str, Any]:
    """What a flatbuffer holds: the type of every tensor (counted), its ops, and its inputs and outputs."""
    graph = read_graph(flatbuffer)
    edges = {
        kind: {name: graph.tensors[name].dtype for name in names}
        for kind, names in (("inputs", graph.inputs), ("outputs", graph.outputs))
    }
    types = Counter(tensor.dtype for tensor in graph.tensors.values())
    return {"tensors": dict(types), "ops": dict(Counter(op.kind for op in graph.ops)), **edges}


def read_back_onnx(model: bytes) -> dict[str, Any]:
    """The same of an ONNX model; the types counted are those of its constants."""
    import onnx

    read = onnx.load_from_string(model)
    name_of = {value: name.lower().removeprefix("float32") for name, value in onnx.TensorProto.DataType.items()}
    types = Counter(name_of[constant.data_type] for constant in read.graph.initializer)
    edges = {
        kind: {value.name: name_of[value.type.tensor_type.elem_type] for value in values}
        for kind, values in (("inputs", read.graph.input), ("outputs", read.graph.output))
    }
    ops = Counter(node.op_type for node in read.graph.node)
    return {"tensors": dict(types), "ops": dict(ops), **edges, "opset": read.opset_import[0].version}


def check_integer(contents: dict[str, Any], scheme: str) -> None:
    """Raise ModelError where a file of integers holds a float tensor, or any file an op that is not built in."""
    floats = [kind for kind in contents["tensors"] if kind.startswith("float")]
    if scheme in INTEGER and floats:
        raise ModelError(f"the {scheme} step is not all integer: it holds {', '.join(floats)} tensors")
    if "CUSTOM" in contents["ops"]:
        raise ModelError(f"the {scheme} step holds an op that is not built in")
