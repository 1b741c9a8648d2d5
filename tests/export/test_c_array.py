"""The C file for TensorFlow Lite Micro: it compiles, says what the flatbuffer says, and plans its memory soundly."""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_export.tflm import ALIGNMENT, TFLM_OPS, Buffer, arena_bytes, buffers_of, check_ops, plan, planned_bytes
from kws_runtime.errors import ModelError
from kws_train.graph.ir import Graph, Op, Quantized, Tensor
from tests.export.c_array_side import BAND_ZEROS, LABELS, refusals, small_graph, write_files
from tests.export.keras_side import apart

STANDARDS = {"gcc": "-std=c11", "g++": "-std=c++17"}
STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic")
MAIN = r"""
#define KWS_DECLARATIONS_ONLY
#include "small.c"
#include <stdint.h>
#include <stdio.h>
#define PRINT_OP(op) printf(" " #op);

static void print_table(const kws_tensor *rows, int count) {
  for (int i = 0; i < count; i++) {
    const kws_tensor *row = &rows[i];
    printf("%s %s", row->name, row->type);
    for (int j = 0; j < row->dimensions; j++) printf(" %d", row->shape[j]);
    printf(" / %.9g %d /", (double)row->scale, row->zero_point);
    for (int j = 0; j < row->reset_length; j++) printf(" %d", row->reset[j]);
    printf(" / %d\n", row->copy_to);
  }
}

int main(void) {
  unsigned long a = 1, b = 0; /* Adler-32 */
  for (size_t i = 0; i < kws_tiny_gru_int8_model_length; i++) {
    a = (a + kws_tiny_gru_int8_model[i]) % 65521;
    b = (b + a) % 65521;
  }
  printf("%lu %lu %d\n", (unsigned long)sizeof(kws_tiny_gru_int8_model), b << 16 | a,
         (int)((uintptr_t)kws_tiny_gru_int8_model % 16));
  for (int i = 0; i < KWS_TINY_GRU_INT8_LABELS; i++) printf("%s\n", kws_tiny_gru_int8_labels[i]);
  print_table(kws_tiny_gru_int8_inputs, KWS_TINY_GRU_INT8_INPUTS);
  print_table(kws_tiny_gru_int8_outputs, KWS_TINY_GRU_INT8_OUTPUTS);
  printf("%d:", KWS_TINY_GRU_INT8_OP_COUNT);
  KWS_TINY_GRU_INT8_OPS(PRINT_OP)
  printf("\n%d\n", KWS_TINY_GRU_INT8_ARENA_BYTES);
  return 0;
}
"""


@pytest.fixture
def compile_c() -> Callable[..., None]:
    """Compiles with gcc or g++, every warning an error."""

    def run(compiler: str, *arguments: str | Path, cwd: Path) -> None:
        if shutil.which(compiler) is None:
            if os.environ.get("CI"):
                pytest.fail(f"{compiler} is missing in CI")
            pytest.skip(f"{compiler} is not installed")
        command = [compiler, STANDARDS[compiler], *STRICT, *map(str, arguments)]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """The folder with the C files, and the flatbuffer of `small.c`."""
    folder = tmp_path_factory.mktemp("c")
    return folder, apart(write_files, folder)


def expected_output(flatbuffer: bytes) -> list[str]:
    """What the program prints, from the graph that was written and numbers worked out by hand."""
    resets = {"conv_state": [round(zero / 0.05) - 7 for zero in BAND_ZEROS], "gru": [0]}
    copy_to = {"conv_state_out": 2, "gru_out": 1}
    graph, lines = small_graph(), [f"{len(flatbuffer)} {zlib.adler32(flatbuffer)} 0", *LABELS]
    for name in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[name]
        assert tensor.quantized is not None
        words = [name, tensor.dtype, *tensor.shape, "/", f"{np.float32(tensor.quantized.scale[0]):.9g}"]
        words += [tensor.quantized.zero_point, "/", *resets.get(name, []), "/", copy_to.get(name, -1)]
        lines.append(" ".join(map(str, words)))
    lines.append("6: Add Cast Concatenation FullyConnected StridedSlice Tanh")
    return [*lines, str(arena_bytes(graph))]


@pytest.mark.parametrize("program", STANDARDS)
@pytest.mark.parametrize("model", STANDARDS)
def test_the_file_compiles_and_says_what_the_flatbuffer_says(
    written: tuple[Path, bytes], tmp_path: Path, compile_c: Callable[..., None], model: str, program: str
) -> None:
    """As C and as C++, from a program in either: bytes, alignment, labels, tables, ops and arena."""
    folder, flatbuffer = written
    (tmp_path / "main.c").write_text(MAIN, encoding="utf-8")
    compile_c(model, "-c", folder / "small.c", "-o", "model.o", cwd=tmp_path)
    compile_c(program, f"-I{folder}", "-c", "main.c", "-o", "main.o", cwd=tmp_path)
    compile_c(program, "model.o", "main.o", "-o", "main", cwd=tmp_path)
    done = subprocess.run([tmp_path / "main"], capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == expected_output(flatbuffer)


@pytest.mark.parametrize("compiler", STANDARDS)
def test_a_model_without_states_resets_its_window_to_silence(
    written: tuple[Path, bytes], tmp_path: Path, compile_c: Callable[..., None], compiler: str
) -> None:
    """Its frames before the first are those of digital silence, ln(1e-3)."""
    compile_c(compiler, "-c", written[0] / "window.c", "-o", "window.o", cwd=tmp_path)
    text = (written[0] / "window.c").read_text(encoding="utf-8")
    assert "The input is the last 5" in text
    silence = max(-128, round(np.log(1e-3) / 0.05) - 7)
    assert f"static const int16_t kws_window_reset0[1] = {{\n  {silence}}};" in text


def test_what_tflm_cannot_run_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    """One line with the path that names the op, or the tensor that is not as described."""
    said = apart(refusals, tmp_path)
    path = tmp_path / "refused.c"
    assert said["an op"] == f"{path}: TFLite Micro does not have TILE (its output is 'logits')"
    assert "conv_state_out" in said["a name"]
    assert said["a scale"] == f"{path}: the numbers of 'gru_out' do not mean what those of 'gru' do"
    assert "'logits' is not quantized" in said["no scale"]
    assert not list(tmp_path.iterdir())


def one_op(kind: str, taken: str, made: str, weights: str = "int8") -> Graph:
    """A graph of one op with a constant second input."""
    scale = Quantized(np.array([0.1]))
    tensors = [Tensor("x", (1, 4), taken, None, scale), Tensor("y", (1, 4), made, None, scale)]
    tensors.append(Tensor("c", (4, 4), weights, np.zeros((4, 4), weights), scale))
    return Graph({tensor.name: tensor for tensor in tensors}, [Op(kind, ("x", "c"), ("y",))], ("x",), ("y",))


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (one_op("TILE", "int8", "int8"), "TILE (its output is 'y')"),
        (one_op("CUSTOM", "int8", "int8"), "CUSTOM (its output is 'y')"),
        (one_op("HARD_SWISH", "int16", "int16"), "HARD_SWISH (its output is 'y') for int16"),
        (one_op("ADD", "float32", "float32"), "ADD (its output is 'y') for float32"),
        (one_op("FULLY_CONNECTED", "int8", "int16"), "FULLY_CONNECTED (its output is 'y') from int8 to int16"),
        (one_op("CONV_2D", "int16", "int16", "int16"), "CONV_2D (its output is 'y') with weights of int16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_op_that_tflm_lacks_for_these_types_is_named(graph: Graph, says: str) -> None:
    """Which op, where it is, and for what."""
    with pytest.raises(ModelError) as refused:
        check_ops(graph)
    assert str(refused.value) == f"TFLite Micro does not have {says}"


@pytest.mark.parametrize(("taken", "made"), [("int8", "int16"), ("int16", "int8")])
@pytest.mark.parametrize("kind", ["CAST", "QUANTIZE"])
def test_conversions_may_change_the_type(kind: str, taken: str, made: str) -> None:
    """Both directions between 8 and 16 bits."""
    check_ops(one_op(kind, taken, made))


def test_each_method_of_tflm_stands_once() -> None:
    """Two ops under one name would leave one unregistered."""
    methods = [method for method, _ in TFLM_OPS.values()]
    assert len(set(methods)) == len(methods)


def test_lifetimes_run_from_the_op_that_makes_to_the_last_that_takes() -> None:
    """An input is there before the first op, an output to the end; a mean has scratch of 4 bytes an element."""
    graph = one_op("RELU", "int8", "int8")
    graph.put(Tensor("z", (1, 2), "int16"))
    graph.ops += [Op("MEAN", ("y", "c"), ("z",)), Op("RELU", ("y",), ("x2",))]
    graph.put(Tensor("x2", (1, 4), "int8"))
    graph.outputs = ("z",)
    assert buffers_of(graph) == [Buffer(4, 0, 1), Buffer(4, 1, 3), Buffer(4, 2, 3), Buffer(4, 3, 3), Buffer(8, 2, 2)]


def test_the_largest_come_first_and_small_ones_go_into_gaps() -> None:
    """By hand: 64 bytes below; 32 above them while they are held; 16 where the 64 were, beside nothing."""
    buffers = [Buffer(16, 3, 4), Buffer(60, 0, 2), Buffer(32, 1, 3), Buffer(1, 2, 2)]
    assert plan(buffers) == [0, 0, 64, 96]


def test_an_output_may_lie_where_an_input_was() -> None:
    """Why the file says: copy every output before you write an input."""
    buffers = [Buffer(48, 0, 1), Buffer(48, 1, 2), Buffer(48, 2, 2)]
    offsets = plan(buffers)
    assert offsets[0] == offsets[2]


BUFFERS = st.lists(
    st.builds(
        lambda size, first, length: Buffer(size, first, first + length),
        st.integers(1, 5000),
        st.integers(0, 20),
        st.integers(0, 8),
    ),
    min_size=1,
    max_size=40,
)


def peak(buffers: Sequence[Buffer]) -> int:
    """The most bytes that are held at one time."""
    return max(sum(buffer.room for buffer in buffers if buffer.first <= at <= buffer.last) for at in range(30))


@given(BUFFERS)
def test_no_two_buffers_that_are_held_together_overlap(buffers: list[Buffer]) -> None:
    """Whatever their sizes and lifetimes; each begins at a multiple of 16."""
    offsets = plan(buffers)
    spans = [(offset, offset + buffer.size) for offset, buffer in zip(offsets, buffers, strict=True)]
    for place, (low, high) in enumerate(spans):
        assert low >= 0
        assert low % ALIGNMENT == 0
        for other in range(place):
            if buffers[place].meets(buffers[other]):
                assert high <= spans[other][0] or spans[other][1] <= low


@given(BUFFERS)
def test_a_plan_lies_between_the_peak_and_the_sum(buffers: list[Buffer]) -> None:
    """No plan is smaller than what is held at once, and none larger than all side by side."""
    top = max(offset + buffer.room for offset, buffer in zip(plan(buffers), buffers, strict=True))
    assert peak(buffers) <= top <= sum(buffer.room for buffer in buffers)


def test_the_arena_holds_what_lives_at_once() -> None:
    """The estimate covers the plan and more."""
    graph = small_graph()
    assert peak(buffers_of(graph)) <= planned_bytes(graph) < arena_bytes(graph)
    assert arena_bytes(graph) % ALIGNMENT == 0
