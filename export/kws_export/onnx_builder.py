"""Nodes and initializers of an ONNX graph while it is made of a step's graph.

A tensor of the step may be there in three forms: as TFLite has it, channels last; channels first, as ONNX' convolutions
want it; and as rows, as a dense layer gives and takes it. A Transpose or a Reshape stands only where a form is asked
for that is not there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from kws_runtime.errors import ModelError
from kws_train.graph.ir import Graph, Quantized, Tensor

CHANNELS_FIRST, CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
UNSIGNED = 128  # what is added to an int8 number and its zero point to have uint8


class Builder:
    """Takes what the translations of ops make."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._last: dict[str, str] = {}  # a tensor of the step: its value, channels last
        self._first: dict[str, str] = {}  # the same of maps (1, H, W, C), as (1, C, H, W)
        self._rows: dict[str, tuple[int, str]] = {}  # of what dense layers make: its width, and it as (rows, width)
        self._roundings: dict[str, tuple[str, str]] = {}  # of a value that was rounded: its scale and zero point
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._taken: set[str] = {*graph.inputs, *graph.outputs}
        for name in graph.inputs:
            self._last[name] = self._rounded(name, name)

    def node(self, kind: str, inputs: Iterable[str], base: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """Add a node; the names of its outputs, which are made of `base`."""
        made = [self._fresh(base) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), made, **attributes))
        return made

    def constant(self, values: NDArray[Any] | np.generic | list[int], base: str) -> str:
        """Add an initializer, or take the one that holds the same; lists are of int64, as ONNX' shapes and axes.
        Returns its name."""
        array = np.asarray(values, np.int64) if isinstance(values, list) else np.array(values, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.own(array, base)
        return self._constants[key]

    def own(self, values: NDArray[Any], base: str) -> str:
        """Add an initializer for one node alone: onnxruntime fails where two nodes share a zero point of weights that
        it turns into uint8."""
        name = self._fresh(base)
        self.initializers.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def reshaped(self, value: str, shape: tuple[int, ...], base: str) -> str:
        """A value in another shape."""
        return self.node("Reshape", [value, self.constant(list(shape), f"{base}.shape")], base)[0]

    def value(self, name: str) -> str:
        """A tensor of the step in float, channels last."""
        if name in self._last:
            return self._last[name]
        tensor = self.graph.tensors[name]
        if tensor.data is not None:
            made = self._constant_value(tensor)
        elif name in self._rows:
            made = self._rounded(name, self.reshaped(self.value_in_order(name), tensor.shape, name))
        else:
            made = self._transposed(name, self._first[name], CHANNELS_LAST)
        self._last[name] = made
        return made

    def value_in_order(self, name: str) -> str:
        """A tensor of the step in float, its numbers in the order of channels last, in whatever shape."""
        return self.value(name) if name in self._last or name not in self._rows else self._rows[name][1]

    def value_first(self, name: str) -> str:
        """A tensor (1, H, W, C) of the step in float, as (1, C, H, W)."""
        if name not in self._first:
            self._first[name] = self._transposed(name, self.value(name), CHANNELS_FIRST)
        return self._first[name]

    def value_rows(self, name: str, width: int) -> str:
        """A tensor of the step in float, as (rows, width)."""
        known, rows = self._rows.get(name, (0, ""))
        shape = (math.prod(self.graph.tensors[name].shape) // width, width)
        if known == width:
            return rows
        if self.graph.tensors[name].shape == shape:
            return self.value(name)
        made = self._rounded(name, self.reshaped(self.value_in_order(name), shape, name))
        self._rows[name] = width, made
        return made

    def put(self, name: str, value: str) -> None:
        """What stands for a tensor of the step from now on, rounded where the step rounds it."""
        self._last[name] = self._rounded(name, value)

    def put_first(self, name: str, value: str) -> None:
        """The same, channels first."""
        self._first[name] = self._rounded(name, value)

    def put_rows(self, name: str, value: str, width: int) -> None:
        """The same, as (rows, width)."""
        rounded = self._rounded(name, value)
        self._rows[name] = width, rounded
        if self.graph.tensors[name].shape == (math.prod(self.graph.tensors[name].shape) // width, width):
            self._last[name] = rounded

    def weights(self, name: str, axes: tuple[int, ...] = ()) -> str:
        """Weights or biases of the step in float, their axes transposed so that the channels lie along the first."""
        data, quantized = self.graph.data(name), self.graph.tensors[name].quantized
        data = data.transpose(axes) if axes else data
        if quantized is None:
            return self.constant(data, name)
        if data.dtype == np.int64:  # the bias of a product of 16 bits, which ONNX cannot dequantize
            return self.constant((data * quantized.scale).astype(np.float32), name)
        zero = self.own(np.zeros(quantized.scale.shape, data.dtype), f"{name}.zero")
        scale = self.constant(quantized.scale.astype(np.float32), f"{name}.scale")
        return self.node("DequantizeLinear", [self.own(data, name), scale, zero], name, axis=0)[0]

    def finish(self) -> None:
        """Give the step's outputs their names."""
        names: dict[str, str] = {}
        made = {value for node in self.nodes for value in node.output}
        for name in self.graph.outputs:
            value = self.value(name)
            if value in made and value not in names:
                names[value] = name
            else:
                self.nodes.append(helper.make_node("Identity", [value], [name]))
        for node in self.nodes:
            node.input[:] = [names.get(value, value) for value in node.input]
            node.output[:] = [names.get(value, value) for value in node.output]

    def _rounded(self, name: str, value: str) -> str:
        """A value through 8 bits and back, where the step's tensor has 8 bits; as it is otherwise.

        uint8 and not int8, for the same real numbers: onnxruntime on x86 multiplies uint8 by int8, and turns int8 into
        it only where a tensor has a single reader.
        """
        tensor = self.graph.tensors[name]
        if tensor.dtype != "int8" or tensor.quantized is None:
            return value
        meaning = self._meaning(name, tensor.quantized)
        if self._roundings.get(value) == meaning:
            return value
        (made,) = self.node("QuantizeLinear", [value, *meaning], name)
        (made,) = self.node("DequantizeLinear", [made, *meaning], name)
        self._roundings[made] = meaning
        return made

    def _meaning(self, name: str, quantized: Quantized) -> tuple[str, str]:
        """Scale and zero point of a tensor whose numbers are uint8."""
        scale = self.constant(np.float32(quantized.scale[0]), f"{name}.scale")
        return scale, self.constant(np.uint8(quantized.zero_point + UNSIGNED), f"{name}.zero")

    def _constant_value(self, tensor: Tensor) -> str:
        """A constant that an elementwise op takes: 8 bits as other tensors have them, or float."""
        data, quantized, name = self.graph.data(tensor.name), tensor.quantized, tensor.name
        if quantized is None:
            return self.constant(data, name)
        if tensor.dtype != "int8":
            return self.constant(((data - float(quantized.zero_point)) * quantized.scale).astype(np.float32), name)
        numbers = self.constant((data.astype(np.int16) + UNSIGNED).astype(np.uint8), name)
        return self.node("DequantizeLinear", [numbers, *self._meaning(name, quantized)], name)[0]

    def _transposed(self, name: str, value: str, axes: tuple[int, ...]) -> str:
        if len(self.graph.tensors[name].shape) != len(axes):
            raise ModelError(f"the step's tensor {name} is no map of rows, columns and channels")
        return self._rounded(name, self.node("Transpose", [value], name, perm=list(axes))[0])

    def _fresh(self, base: str) -> str:
        """A name that nothing has yet: short ones, as each tensor of 8 bits needs several."""
        name, number = base, 1
        while name in self._taken:
            name, number = f"{base}:{number}", number + 1
        self._taken.add(name)
        return name
