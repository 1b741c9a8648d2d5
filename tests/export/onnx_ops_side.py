"""Graphs of one op, run in TensorFlow and written as ONNX, in a process of its own (see `keras_side`)."""

from __future__ import annotations

from typing import Any

import numpy as np

X = "x"  # stands for the graph's input among an op's inputs
MASKS = ("beginMask", "endMask", "ellipsisMask", "newAxisMask", "shrinkAxisMask")
POOL = {"filterHeight": 3, "filterWidth": 2, "strideH": 2, "strideW": 2}
CONV = {"dilationHFactor": 1, "dilationWFactor": 1}
MAP, SAME, VALID = (1, 7, 6, 3), 0, 1


def _ints(*values: Any) -> np.ndarray:
    return np.array(values, np.int32)


def _floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(0, 1, shape).astype(np.float32)


def _slice(begin: list[int], end: list[int], step: list[int], *masks: int) -> tuple[list[Any], dict[str, Any]]:
    return [X, _ints(*begin), _ints(*end), _ints(*step)], dict(zip(MASKS, masks, strict=True))


def _conv(kernel: tuple[int, ...], stride: int, padding: int, **options: int) -> tuple[list[Any], dict[str, Any]]:
    outputs = kernel[3] if kernel[0] == 1 else kernel[0]
    return [X, _floats(*kernel), _floats(outputs)], {**CONV, "strideH": stride, "strideW": stride} | {
        "padding": padding,
        **options,
    }


# What the op takes, its options, the shape of X, and the shapes that it makes.
CASES: dict[str, tuple[str, tuple[list[Any], dict[str, Any]], tuple[int, ...], list[tuple[int, ...]]]] = {
    "pool, SAME": ("AVERAGE_POOL_2D", ([X], {**POOL, "padding": SAME}), MAP, [(1, 4, 3, 3)]),
    "pool, VALID": ("AVERAGE_POOL_2D", ([X], {**POOL, "padding": VALID}), MAP, [(1, 3, 3, 3)]),
    "maximum pool": ("MAX_POOL_2D", ([X], {**POOL, "padding": SAME}), MAP, [(1, 4, 3, 3)]),
    "convolution, SAME": ("CONV_2D", _conv((4, 4, 3, 3), 2, SAME), MAP, [(1, 4, 3, 4)]),
    "convolution, VALID": ("CONV_2D", _conv((4, 4, 3, 3), 2, VALID), MAP, [(1, 2, 2, 4)]),
    "ReLU6": ("CONV_2D", _conv((4, 4, 3, 3), 1, SAME, fusedActivationFunction=3), MAP, [(1, 7, 6, 4)]),
    "depthwise, two for each": ("DEPTHWISE_CONV_2D", _conv((1, 3, 3, 6), 2, SAME), MAP, [(1, 4, 3, 6)]),
    "depthwise, dilated": (
        "DEPTHWISE_CONV_2D",
        _conv((1, 3, 2, 3), 1, SAME, dilationHFactor=2, dilationWFactor=3),
        MAP,
        [MAP],
    ),
    "dense on rows": ("FULLY_CONNECTED", ([X, _floats(5, 3), ""], {}), MAP, [(1, 7, 6, 5)]),
    "dense on all": ("FULLY_CONNECTED", ([X, _floats(5, 126), _floats(5)], {}), MAP, [(1, 5)]),
    "split": ("SPLIT", ([_ints(-1)[0], X], {"numSplits": 3}), MAP, [(1, 7, 6, 1)] * 3),
    "split in parts": ("SPLIT_V", ([X, _ints(4, 3), _ints(1)[0]], {"numSplits": 2}), MAP, [(1, 4, 6, 3), (1, 3, 6, 3)]),
    "pad": ("PAD", ([X, _ints([0, 0], [1, 0], [0, 2], [0, 0])], {}), MAP, [(1, 8, 8, 3)]),
    "mean": ("MEAN", ([X, _ints(1, 2)], {"keepDims": False}), MAP, [(1, 3)]),
    "transpose": ("TRANSPOSE", ([X, _ints(0, 2, 1, 3)], {}), MAP, [(1, 6, 7, 3)]),
    "ReLU": ("RELU", ([X], {}), MAP, [MAP]),
    "maximum": ("MAXIMUM", ([X, _floats(3)], {}), MAP, [MAP]),
    "slice": ("STRIDED_SLICE", _slice([0, 1, -3, 0], [1, 6, -1, 3], [1, 2, 1, 1], 0, 0, 0, 0, 0), MAP, [(1, 3, 2, 3)]),
    "slice of all": ("STRIDED_SLICE", _slice([0, 0], [0, 0], [1, 1], 3, 3, 0, 0, 0), MAP, [MAP]),
    "slice backwards": ("STRIDED_SLICE", _slice([0, 5], [1, 0], [1, -2], 0, 2, 0, 0, 0), MAP, [(1, 3, 6, 3)]),
    "slice of one": ("STRIDED_SLICE", _slice([0, -2, 0], [1, 0, 6], [1, 1, 1], 0, 0, 0, 0, 2), MAP, [(1, 6, 3)]),
    "slice with ...": ("STRIDED_SLICE", _slice([0, 0, 1], [1, 0, 3], [1, 1, 1], 0, 0, 2, 0, 0), MAP, [(1, 7, 6, 2)]),
    "slice, new axis": (
        "STRIDED_SLICE",
        _slice([0, 0, 2], [1, 0, 5], [1, 1, 1], 0, 0, 0, 2, 0),
        MAP,
        [(1, 1, 3, 6, 3)],
    ),
}


def run_cases() -> dict[str, tuple[bytes, np.ndarray, list[np.ndarray]]]:
    """For each case, and each again in 8 bits: the ONNX model, its input, and what TensorFlow makes of it."""
    from kws_export.onnx_graph import to_onnx
    from kws_train.graph.execute import rounded, run
    from kws_train.graph.ranges import StepGraph

    found = {}
    for case in CASES:
        for suffix in ("", ", int8"):
            graph = _graph(case, bool(suffix))
            x = _floats(*graph.tensors[X].shape)
            values = run(graph, {X: x}, {}, rounded)
            made = [np.array(values[name]) for name in graph.outputs]
            found[case + suffix] = (to_onnx(StepGraph(graph, {}, 1)), x, made)
    return found


def _graph(case: str, rounds: bool) -> Any:
    from kws_train.graph.ir import Graph, Op, Quantized, Tensor, constant

    kind, (inputs, options), taken, shapes = CASES[case]
    dtype, quantized = ("int8", Quantized(np.array([0.05]), 7)) if rounds else ("float32", None)
    made = [Tensor(f"y{number}", shape, dtype, None, quantized) for number, shape in enumerate(shapes)]
    tensors = [Tensor(X, taken, dtype, None, quantized), *made]
    names = []
    for number, part in enumerate(inputs):
        if isinstance(part, str):
            names.append(part)
        else:
            tensors.append(constant(f"constant{number}", np.asarray(part)))
            names.append(f"constant{number}")
    outputs = tuple(tensor.name for tensor in made)
    return Graph({tensor.name: tensor for tensor in tensors}, [Op(kind, tuple(names), outputs, options)], (X,), outputs)


def ops_of_one_side() -> set[str]:
    """The ops that only TensorFlow's run or only ONNX knows."""
    from kws_export.onnx_ops import TRANSLATIONS
    from kws_train.graph.execute import OPS

    return set(OPS) ^ set(TRANSLATIONS)


def unknown_op() -> str:
    """What is said of an op that is not known."""
    from kws_export.onnx_graph import to_onnx
    from kws_runtime.errors import ModelError
    from kws_train.graph.ir import Graph, Op, Tensor
    from kws_train.graph.ranges import StepGraph

    tensors = {name: Tensor(name, (1, 2)) for name in "xy"}
    try:
        to_onnx(StepGraph(Graph(tensors, [Op("SVDF", ("x",), ("y",))], ("x",), ("y",)), {}, 1))
    except ModelError as error:
        return str(error)
    return ""
