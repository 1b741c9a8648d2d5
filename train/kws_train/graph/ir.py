"""A step as a graph: named tensors and a list of ops, read from a TFLite flatbuffer and written to one.

TensorFlow's converter turns a Keras step into a float flatbuffer, its normalizations folded into its convolutions.
All that comes after (simplifying, quantizing, teaching, ONNX, C) works on this, whatever the architecture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import ModelError

DTYPES = {"float32": np.float32, "float16": np.float16, "int8": np.int8, "int16": np.int16, "int32": np.int32}
DTYPES |= {"int64": np.int64}
BUFFER_ALIGNMENT = 16
# The lowest version of an op that knows int8, and int16; 1 where it is not named (tensorflow/lite/tools/versioning).
OP_VERSIONS = {
    "FULLY_CONNECTED": (4, 7),
    "CONV_2D": (3, 4),
    "DEPTHWISE_CONV_2D": (3, 5),
    "ADD": (2, 4),
    "SUB": (2, 5),
    "MUL": (2, 5),
    "LOGISTIC": (2, 3),
    "TANH": (2, 3),
    "CONCATENATION": (2, 3),
    "STRIDED_SLICE": (2, 4),
    "SPLIT": (2, 4),
    "SPLIT_V": (2, 3),
    "MEAN": (2, 3),
    "PAD": (2, 2),
    "AVERAGE_POOL_2D": (2, 3),
    "MAX_POOL_2D": (2, 3),
    "TRANSPOSE": (2, 4),
    "QUANTIZE": (2, 2),
    "DEQUANTIZE": (2, 3),
    "MAXIMUM": (2, 3),
    "MINIMUM": (2, 3),
}


@dataclass(frozen=True)
class Quantized:
    """How a tensor's numbers stand for real ones: real = scale * (number - zero_point), a scale for each channel
    along `axis` or one for all."""

    scale: NDArray[np.float64]  # (channels,) or (1,)
    zero_point: int = 0
    axis: int = 0


@dataclass(frozen=True)
class Tensor:
    """A tensor: a constant where it has `data`."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    data: NDArray[Any] | None = None
    quantized: Quantized | None = None


@dataclass(frozen=True)
class Op:
    """An op of TFLite's, by its builtin name; `options` are the fields of its table in the schema."""

    kind: str
    inputs: tuple[str, ...]  # "" for one that is left out
    outputs: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    """Ops in an order in which they can be run; `inputs` and `outputs` are the step's."""

    tensors: dict[str, Tensor]
    ops: list[Op]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def data(self, name: str) -> NDArray[Any]:
        """The numbers of a constant."""
        data = self.tensors[name].data
        if data is None:
            raise ModelError(f"the step's tensor {name} is no constant")
        return data

    def is_constant(self, name: str) -> bool:
        return bool(name) and self.tensors[name].data is not None

    def producer(self, name: str) -> Op | None:
        """The op that makes a tensor."""
        return next((op for op in self.ops if name in op.outputs), None)

    def consumers(self, name: str) -> list[Op]:
        """The ops that take a tensor."""
        return [op for op in self.ops if name in op.inputs]

    def activations(self) -> Iterator[Tensor]:
        """Inputs, and what the ops make, in order."""
        for name in self.inputs:
            yield self.tensors[name]
        for op in self.ops:
            for name in op.outputs:
                yield self.tensors[name]

    def put(self, tensor: Tensor) -> str:
        """Add or replace a tensor; returns its name."""
        self.tensors[tensor.name] = tensor
        return tensor.name

    def copy(self) -> Graph:
        return Graph(dict(self.tensors), list(self.ops), self.inputs, self.outputs)

    def drop_unused(self) -> None:
        """Forget tensors that nothing takes and nothing makes."""
        used = {name for op in self.ops for name in (*op.inputs, *op.outputs)} | {*self.inputs, *self.outputs}
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if name in used}


def _schema() -> Any:
    from tensorflow.lite.python import schema_py_generated

    return schema_py_generated


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def read_graph(flatbuffer: bytes) -> Graph:
    """A flatbuffer of one subgraph as a graph; inputs and outputs get the names of its signature, where it has one."""
    from tensorflow.lite.tools import flatbuffer_utils

    schema = _schema()
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    (source,) = model.subgraphs
    type_names, op_names = _names(schema.TensorType), _names(schema.BuiltinOperator)
    names = _unique_names(model, source)
    tensors = {}
    for tensor, name in zip(source.tensors, names, strict=True):
        dtype = type_names[tensor.type].lower()
        shape = tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()
        raw = model.buffers[tensor.buffer].data
        data = None
        if raw is not None and len(raw):
            data = np.frombuffer(bytes(bytearray(raw)), DTYPES[dtype]).reshape(shape)
        tensors[name] = Tensor(name, shape, dtype, data, _read_quantized(tensor.quantization))
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    ops = [
        Op(
            op_names[codes[op.opcodeIndex]],
            tuple("" if place < 0 else names[place] for place in op.inputs),
            tuple(names[place] for place in op.outputs),
            {} if op.builtinOptions is None else dict(vars(op.builtinOptions)),
        )
        for op in source.operators
    ]
    return Graph(tensors, ops, tuple(names[i] for i in source.inputs), tuple(names[i] for i in source.outputs))


def _unique_names(model: Any, source: Any) -> list[str]:
    names = [tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name for tensor in source.tensors]
    for signature in model.signatureDefs or ():
        for entry in [*signature.inputs, *signature.outputs]:
            name = entry.name.decode() if isinstance(entry.name, bytes) else entry.name
            names[entry.tensorIndex] = name
    seen: set[str] = set()
    for place, name in enumerate(names):
        while name in seen:
            name += "'"
        seen.add(name)
        names[place] = name
    return names


def _read_quantized(values: Any) -> Quantized | None:
    if values is None or values.scale is None or not len(values.scale):
        return None
    return Quantized(np.asarray(values.scale, np.float64), int(values.zeroPoint[0]), int(values.quantizedDimension))


def write_graph(graph: Graph) -> bytes:
    """The graph as a flatbuffer. Its tensors keep their names: a runtime binds by them."""
    from tensorflow.lite.tools import flatbuffer_utils

    schema = _schema()
    model, target = schema.ModelT(), schema.SubGraphT()
    model.version, model.description, model.subgraphs = 3, "kws-edge", [target]
    model.buffers, target.tensors, target.operators, target.name = [schema.BufferT()], [], [], "step"
    places = {name: place for place, name in enumerate(graph.tensors)}
    for tensor in graph.tensors.values():
        made = schema.TensorT()
        made.name, made.shape = tensor.name, list(tensor.shape)
        made.type = getattr(schema.TensorType, tensor.dtype.upper())
        if tensor.data is not None:
            made.buffer = len(model.buffers)
            model.buffers.append(_aligned_buffer(schema, np.ascontiguousarray(tensor.data).tobytes()))
        if tensor.quantized is not None:
            made.quantization = _write_quantized(schema, tensor.quantized)
        target.tensors.append(made)
    codes: dict[tuple[str, int], int] = {}
    for op in graph.ops:
        key = op.kind, _version(graph, op)
        made = schema.OperatorT()
        made.opcodeIndex = codes.setdefault(key, len(codes))
        made.inputs = [places[name] if name else -1 for name in op.inputs]
        made.outputs = [places[name] for name in op.outputs]
        made.builtinOptionsType, made.builtinOptions = _write_options(schema, op)
        target.operators.append(made)
    model.operatorCodes = [_operator_code(schema, *key) for key in codes]
    target.inputs, target.outputs = [places[n] for n in graph.inputs], [places[n] for n in graph.outputs]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _aligned_buffer(schema: Any, content: bytes) -> Any:
    """A buffer that begins at a multiple of 16, as TFLite's own writer has it: kernels of microcontrollers rely on it,
    and the Python writer aligns to 4."""

    class Aligned(schema.BufferT):
        def Pack(self, builder: Any) -> Any:  # noqa: N802
            builder.StartVector(1, len(content), BUFFER_ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            builder.vectorNumElems = len(content)
            data = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, data)
            return schema.BufferEnd(builder)

    return Aligned()


def _write_quantized(schema: Any, values: Quantized) -> Any:
    made = schema.QuantizationParametersT()
    made.scale = [float(np.float32(scale)) for scale in values.scale]
    made.zeroPoint = [values.zero_point] * len(values.scale)
    made.quantizedDimension = values.axis
    return made


def _version(graph: Graph, op: Op) -> int:
    kinds = {graph.tensors[name].dtype for name in (*op.inputs, *op.outputs) if name}
    if op.kind not in OP_VERSIONS or not kinds & {"int8", "int16"}:
        return 1
    return OP_VERSIONS[op.kind][1 if "int16" in kinds else 0]


def _operator_code(schema: Any, kind: str, version: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = version
    return code


OPTION_TABLES = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "MEAN": "ReducerOptions"}
OPTION_TABLES |= {"AVERAGE_POOL_2D": "Pool2DOptions", "MAX_POOL_2D": "Pool2DOptions", "SPLIT_V": "SplitVOptions"}
OPTION_TABLES |= {"MAXIMUM": "MaximumMinimumOptions", "MINIMUM": "MaximumMinimumOptions"}
WITHOUT_OPTIONS = ("LOGISTIC", "TANH", "RELU", "LOG")


def _write_options(schema: Any, op: Op) -> tuple[int, Any]:
    if op.kind in WITHOUT_OPTIONS:
        return 0, None
    table = OPTION_TABLES.get(op.kind) or "".join(part.capitalize() for part in op.kind.split("_")) + "Options"
    made = getattr(schema, f"{table}T")()
    for name, value in op.options.items():
        setattr(made, name, value)
    return getattr(schema.BuiltinOptions, table), made


def constant(name: str, values: NDArray[Any]) -> Tensor:
    """A constant tensor of numbers."""
    names = {np.dtype(kind): dtype for dtype, kind in DTYPES.items()}
    return Tensor(name, values.shape, names[values.dtype], values)


def renamed(op: Op, names: dict[str, str]) -> Op:
    """An op that takes and makes other tensors."""
    return replace(
        op,
        inputs=tuple(names.get(name, name) for name in op.inputs),
        outputs=tuple(names.get(name, name) for name in op.outputs),
    )
