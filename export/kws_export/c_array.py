"""An integer streaming step as one C source file for TensorFlow Lite Micro (TFLM).

The file holds the flatbuffer, what the numbers of each input and output mean, the ops to register and the memory to
set aside. A step that TFLM cannot run is refused here, not on the device.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import NDArray

from kws_export import tflm
from kws_runtime.errors import ModelError
from kws_runtime.files import write_text
from kws_runtime.modelfile import ModelInfo
from kws_runtime.quantization import Quantization, quantize
from kws_train.graph.ir import Graph, Tensor, read_graph

MOST_DIMENSIONS = 6
BYTES_A_LINE = 16
HEX = [f"0x{number:02x}," for number in range(256)]
COMMENT_WIDTH = 116

ABOUT = Template("""\
$model: one step of a keyword spotter, for TensorFlow Lite Micro (TFLM). Made by kws-export; do not edit.

Labels: $labels
Licence: $licence
Attribution: $attribution
Quantization: $scheme. $activations; number = round(real / scale) + zero_point, held within the type's range; \
real = scale * (number - zero_point).

Frames: $frontend. A step takes $frames new ones, so there is a step each $step_ms ms.$window
A step: write every input, Invoke(), then copy every output to memory of your own before you write an input again, as \
TFLM may lay an output where an input was. Where `copy_to` of an output is not -1, it is a new state: its numbers, as \
they are, go into that input in the next step.
A reset, and the start: fill what has `reset_length` > 0 with its `reset` numbers, over and over until it is full.
Logits: their $activation, averaged over $smoothing steps, is a word's score. A word is heard where its score reaches \
its threshold ($thresholds) and did not a step before; then not again for $same_s s, and no other for $other_s s.

Compile this file once, as C11 or C++11. Elsewhere, for its tables and macros:
#define KWS_DECLARATIONS_ONLY
#include "$file"
#define ADD_OP(op) resolver.Add##op();
tflite::MicroMutableOpResolver<${NAME}_OP_COUNT> resolver;
${NAME}_OPS(ADD_OP)
KWS_ALIGN(16) static uint8_t arena[${NAME}_ARENA_BYTES];
tflite::MicroInterpreter interpreter(tflite::GetModel(${name}_model), resolver, arena, sizeof(arena));

Ops: $ops.$per_channel
Arena: an estimate. The activations, in steps of $alignment bytes, the largest first, each in the first gap between \
those it lives with, take $planned bytes; TFLM's own records take the rest ($base bytes, $tensor a tensor, $edge an \
input or output, $op an op, $channel a channel of weights), as measured with its reference kernels and pointers of 8 \
bytes. Pointers of 4 need less; scratch of optimized kernels (CMSIS-NN, ESP-NN) comes on top. Set aside more, ask \
interpreter.arena_used_bytes(), then cut.""")

PER_CHANNEL = """ FullyConnected must know a scale for each channel: TFLM does for int8 since September 2024, for \
int16 since some time after January 2025. Before May 2024 it computed them wrongly and did not say so."""

SOURCE = Template("""\
$comment
#ifndef ${NAME}_C
#define ${NAME}_C

#include <stddef.h>
#include <stdint.h>

#ifndef KWS_TENSOR
#define KWS_TENSOR
#ifdef __cplusplus
#define KWS_ALIGN(bytes) alignas(bytes)
#else
#define KWS_ALIGN(bytes) _Alignas(bytes)
#endif

typedef struct {
  const char *name;
  const char *type; /* "int8" or "int16" */
  int dimensions;
  int shape[$most];
  float scale;
  int zero_point;
  const int16_t *reset; /* NULL where a reset writes nothing */
  int reset_length;
  int copy_to; /* of a new state: the place of its input; else -1 */
} kws_tensor;
#endif

#define ${NAME}_MODEL_BYTES $model_bytes
#define ${NAME}_ARENA_BYTES $arena_bytes
#define ${NAME}_LABELS $label_count
#define ${NAME}_INPUTS $input_count
#define ${NAME}_OUTPUTS $output_count
#define ${NAME}_OP_COUNT $op_count
#define ${NAME}_OPS(ADD_OP) \\
$op_macro

#ifdef __cplusplus
extern "C" {
#endif
extern const unsigned char ${name}_model[${NAME}_MODEL_BYTES];
extern const size_t ${name}_model_length;
extern const char *const ${name}_labels[${NAME}_LABELS];
extern const kws_tensor ${name}_inputs[${NAME}_INPUTS];   /* in the order of interpreter.input(i) */
extern const kws_tensor ${name}_outputs[${NAME}_OUTPUTS]; /* in the order of interpreter.output(i) */
#ifdef __cplusplus
}
#endif

#ifndef KWS_DECLARATIONS_ONLY
const char *const ${name}_labels[${NAME}_LABELS] = {$label_strings};

$resets
const kws_tensor ${name}_inputs[${NAME}_INPUTS] = {
$inputs
};
const kws_tensor ${name}_outputs[${NAME}_OUTPUTS] = {
$outputs
};

const size_t ${name}_model_length = ${NAME}_MODEL_BYTES;
KWS_ALIGN(16) const unsigned char ${name}_model[${NAME}_MODEL_BYTES] = {
$model
};
#endif
#endif
""")


def write_c_array(path: Path, flatbuffer: bytes, info: ModelInfo) -> None:
    """Write the C source file of a step, whole or not at all.

    Raises ModelError, one line with the path, where TFLM cannot run it or `info` does not fit it.
    """
    graph = read_graph(flatbuffer)
    try:
        tflm.check_ops(graph)
        text = _source(graph, info, flatbuffer, path.name)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    write_text(path, text)


@dataclass(frozen=True)
class _Row:
    """An input or output in the file's tables."""

    tensor: Tensor
    reset: list[int]  # the numbers that a reset writes, over and over until the tensor is full; none where none lasts
    copy_to: int = -1  # of a new state: the place among the inputs where it is the old one

    @property
    def quantization(self) -> Quantization:
        return _quantization(self.tensor)


def _quantization(tensor: Tensor) -> Quantization:
    if tensor.quantized is None:
        raise ModelError(f"its tensor {tensor.name!r} is not quantized; export with --int8")
    return Quantization(np.dtype(tensor.dtype), float(tensor.quantized.scale[0]), tensor.quantized.zero_point)


def _rows(graph: Graph, info: ModelInfo) -> tuple[list[_Row], list[_Row]]:
    """The tables of inputs and of outputs. Raises ModelError where they are not those that `info` names."""
    zeros = {state.input: state.zero for state in info.states}
    if info.window_frames is not None:
        zeros[info.frames_input] = info.frontend.silence
    goes_to = {state.output: state.input for state in info.states}
    expected = {info.frames_input, *goes_to.values()}, {info.logits_output, *goes_to}
    if (set(graph.inputs), set(graph.outputs)) != expected:
        raise ModelError(f"has {', '.join((*graph.inputs, *graph.outputs))}, which is not what its description names")
    inputs = [_Row(graph.tensors[name], _reset(graph.tensors[name], zeros.get(name))) for name in graph.inputs]
    outputs = []
    for name in graph.outputs:
        copy_to = graph.inputs.index(goes_to[name]) if name in goes_to else -1
        row = _Row(graph.tensors[name], [], copy_to)
        if copy_to >= 0 and not row.quantization.same_as(inputs[copy_to].quantization):
            raise ModelError(f"the numbers of {name!r} do not mean what those of {goes_to[name]!r} do")
        outputs.append(row)
    return inputs, outputs


def _reset(tensor: Tensor, zero: float | tuple[float, ...] | None) -> list[int]:
    """The numbers that stand for `zero`, a real or one for each place of the last axis: no more than it takes."""
    if zero is None:
        return []
    reals: NDArray[np.float32] = np.broadcast_to(np.asarray(zero, np.float32), tensor.shape)
    numbers = quantize(reals, _quantization(tensor)).ravel()
    lengths = (1, tensor.shape[-1], numbers.size)
    return next(numbers[:n].tolist() for n in lengths if (numbers.reshape(-1, n) == numbers[:n]).all())


def _source(graph: Graph, info: ModelInfo, flatbuffer: bytes, file: str) -> str:
    inputs, outputs = _rows(graph, info)
    name = "kws_" + re.sub(r"[^0-9A-Za-z]+", "_", info.name).lower()
    ops = sorted({tflm.TFLM_OPS[op.kind][0] for op in graph.ops})
    lines = [flatbuffer[at : at + BYTES_A_LINE] for at in range(0, len(flatbuffer), BYTES_A_LINE)]
    return SOURCE.substitute(
        name=name,
        NAME=name.upper(),
        comment=_comment(_about(graph, info, name, file, ops)),
        most=MOST_DIMENSIONS,
        model_bytes=len(flatbuffer),
        arena_bytes=tflm.arena_bytes(graph),
        label_count=len(info.labels),
        input_count=len(inputs),
        output_count=len(outputs),
        op_count=len(ops),
        op_macro=" \\\n".join(f"  ADD_OP({op})" for op in ops),
        label_strings=", ".join(map(_string, info.labels)),
        resets="".join(_reset_array(name, at, row) for at, row in enumerate(inputs) if row.reset),
        inputs="\n".join(_row(name, at, row) for at, row in enumerate(inputs)),
        outputs="\n".join(_row(name, at, row) for at, row in enumerate(outputs)),
        model="\n".join("".join(HEX[byte] for byte in line) for line in lines),
    )


def _about(graph: Graph, info: ModelInfo, name: str, file: str, ops: Iterable[str]) -> str:
    kinds = Counter(tensor.dtype for tensor in graph.activations())
    frontend = info.frontend.to_json()
    window = f" The input is the last {info.window_frames}; before the first lie those of a reset."
    per_channel = any(op.kind == "FULLY_CONNECTED" and tflm.channels(graph, op) > 1 for op in graph.ops)
    return ABOUT.substitute(
        model=info.name,
        name=name,
        NAME=name.upper(),
        file=file,
        labels=", ".join(info.labels),
        licence=info.licence or "not stated",
        attribution=info.attribution or "not stated",
        scheme=info.quantization.get("scheme", "not stated"),
        activations="Activations: " + ", ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items())),
        frontend=", ".join([frontend.pop("kind"), *(f"{key} {value}" for key, value in frontend.items())]),
        frames=info.frames_per_step,
        step_ms=f"{1000 * info.frames_per_step * info.frontend.hop / info.frontend.sample_rate:g}",
        window=window if info.window_frames is not None else "",
        activation=info.activation,
        smoothing=info.detection.smoothing_steps,
        thresholds=", ".join(f"{word} {info.detection.thresholds[word]:g}" for word in info.words),
        same_s=f"{info.detection.refractory_same_s:g}",
        other_s=f"{info.detection.refractory_other_s:g}",
        ops=", ".join(ops),
        per_channel=PER_CHANNEL if per_channel else "",
        alignment=tflm.ALIGNMENT,
        planned=tflm.planned_bytes(graph),
        base=tflm.BASE_BYTES,
        tensor=tflm.TENSOR_BYTES,
        edge=tflm.EDGE_BYTES,
        op=tflm.OP_BYTES,
        channel=tflm.CHANNEL_BYTES,
    )


def _comment(text: str) -> str:
    """A text as a C comment that nothing in it ends."""
    text = text.replace("*/", "* /").replace("/*", "/ *")
    text = re.sub(r"\?(?=\?)", "? ", text)  # no trigraphs
    lines = ["".join(sign if sign.isprintable() else " " for sign in line).rstrip() for line in text.splitlines()]
    wrapped = [part for line in lines for part in (textwrap.wrap(line, COMMENT_WIDTH) or [""])]
    return "/*\n" + "\n".join(f" * {line}".rstrip() for line in wrapped) + "\n */"


def _string(text: str) -> str:
    """A text as a C string of its UTF-8 bytes. Escaped: what C reads otherwise, and ? for the sake of trigraphs."""
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in text.encode()) + '"'


def _reset_array(name: str, at: int, row: _Row) -> str:
    numbers = textwrap.fill(", ".join(map(str, row.reset)), COMMENT_WIDTH, initial_indent="  ", subsequent_indent="  ")
    return f"static const int16_t {name}_reset{at}[{len(row.reset)}] = {{\n{numbers}}};\n"


def _row(name: str, at: int, row: _Row) -> str:
    tensor, meaning = row.tensor, row.quantization
    if len(tensor.shape) > MOST_DIMENSIONS:
        raise ModelError(f"its tensor {tensor.name!r} has more than {MOST_DIMENSIONS} dimensions")
    shape = ", ".join(map(str, (*tensor.shape, *[0] * (MOST_DIMENSIONS - len(tensor.shape)))))
    reset = f"{name}_reset{at}" if row.reset else "NULL"
    scale = np.format_float_scientific(np.float32(meaning.scale), trim="0")
    start = f"{_string(tensor.name)}, {_string(tensor.dtype)}, {len(tensor.shape)}, {{{shape}}}, {scale}f"
    return f"  {{{start}, {meaning.zero_point}, {reset}, {len(row.reset)}, {row.copy_to}}},"
