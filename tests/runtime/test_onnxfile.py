"""ONNX files that are ours, files that are not, and onnxruntime behind a step."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from kws_runtime import Listener, MissingError, ModelError, read_model
from kws_runtime.interpreter import INTERPRETERS, installed_interpreters, make_interpreter
from kws_runtime.modelfile import ModelFile, ModelInfo, State, write_model
from kws_runtime.onnxfile import join_metadata, split_metadata
from kws_runtime.step import Step
from tests.conftest import Run, assert_fault
from tests.export.keras_side import apart
from tests.export.onnx_side import bundled_as_onnx

FEATURES, LABELS = 40, 9
ZERO = tuple(float(number) for number in range(FEATURES))


def tiny(frames: tuple[Any, ...] = (1, 2, FEATURES), edge: int = onnx.TensorProto.FLOAT) -> bytes:
    """An ONNX step: logits are the first features of the sum of the new frames and a state, which is the sum's last
    frame."""
    constants = {"axes": [1], "zero": [0], "end": [LABELS], "last": [-1], "behind": [2]}
    nodes = [
        helper.make_node("Add", ["frames", "past"], ["sum"]),
        helper.make_node("ReduceSum", ["sum", "axes"], ["all"], keepdims=0),
        helper.make_node("Slice", ["all", "zero", "end", "axes"], ["logits"]),
        helper.make_node("Slice", ["sum", "last", "behind", "axes"], ["past_out"]),
    ]
    shapes = {"frames": frames, "past": (1, 1, FEATURES), "logits": (1, LABELS), "past_out": (1, 1, FEATURES)}
    edges = [helper.make_tensor_value_info(name, edge, shape) for name, shape in shapes.items()]
    initializers = [numpy_helper.from_array(np.array(values), name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "step", edges[:2], edges[2:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


@pytest.fixture(scope="module")
def info() -> ModelInfo:
    """What goes with `tiny`: the bundled model's description and another state."""
    return dataclasses.replace(read_model().info, states=(State("past", "past_out", (1, 1, FEATURES), ZERO),))


@pytest.fixture
def file(info: ModelInfo, tmp_path: Path) -> Path:
    write_model(tmp_path / "a.onnx", info, tiny())
    return tmp_path / "a.onnx"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled float GRU as ONNX."""
    return apart(bundled_as_onnx, tmp_path_factory.mktemp("bundled"), "gru-fp32")


def refused(path: Path, content: bytes, match: str) -> None:
    """It is not read, and the error names the file."""
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{path.name}: .*{match}"):
        read_model(path)


def test_what_is_written_is_read_back(file: Path, info: ModelInfo) -> None:
    """Description, bytes and format; written again it is the same file."""
    read = read_model(file)
    assert (read.info, read.flatbuffer, read.format) == (info, tiny(), "onnx")
    assert read_model().format == "tflite"
    content = file.read_bytes()
    write_model(file, read.info, read.flatbuffer)
    assert file.read_bytes() == content


def test_onnx_reads_the_metadata(file: Path, info: ModelInfo) -> None:
    """It is an ordinary entry of metadata_props."""
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    (entry,) = model.metadata_props
    assert entry.key == "kws.json"
    assert json.loads(entry.value)["labels"] == list(info.labels)


@pytest.mark.parametrize("text", ["", "ä", "x" * 127, "x" * 128, "x" * 100_000], ids=len)
def test_an_entry_of_any_size_is_split_off_again(text: str) -> None:
    """Sizes take one byte or several."""
    assert split_metadata(join_metadata(tiny(), "key", text), "key") == (tiny(), text.encode())


@pytest.mark.parametrize("keep", [1, 2, 3, 50, 0.3, 0.99, -1], ids=str)
def test_a_truncated_file_is_one_clear_error(file: Path, keep: float) -> None:
    """Wherever it ends."""
    content = file.read_bytes()
    size = int(keep * len(content)) if isinstance(keep, float) else keep
    refused(file, content[:size], "an ONNX file, but truncated or not made by kws-export")


def test_a_file_cut_anywhere_is_a_model_error_and_nothing_else(file: Path) -> None:
    """Never an IndexError."""
    content = file.read_bytes()
    for size in range(1, len(content)):
        with pytest.raises(ModelError):
            split_metadata(content[:size], "kws.json")


def test_garbage_is_a_model_error_and_nothing_else(tmp_path: Path) -> None:
    """Bytes that begin as a model does."""
    rng = np.random.default_rng(0)
    for size in rng.integers(0, 200, 2000):
        refused(tmp_path / "a.onnx", b"\x08" + rng.bytes(int(size)), "truncated or not made")


@pytest.mark.parametrize("place", [1, 40, 100])
def test_a_damaged_model_is_found_before_onnxruntime_sees_it(file: Path, place: int) -> None:
    """One bit is enough."""
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    refused(file, bytes(content), "damaged|truncated")


def test_an_onnx_file_of_somebody_else_is_one_clear_error(file: Path) -> None:
    """Without our metadata, with other metadata, with ours in another place, and with what is no description."""
    refused(file, tiny(), "an ONNX file, but truncated or not made by kws-export")
    refused(file, join_metadata(tiny(), "author", "me"), "not made by kws-export")
    refused(file, join_metadata(join_metadata(tiny(), "kws.json", "{}"), "author", "me"), "not made by kws-export")
    refused(file, join_metadata(tiny(), "kws.json", "{"), "not made by kws-export")
    refused(file, join_metadata(tiny(), "kws.json", "{}"), "not a model's description")


def test_the_suffix_of_a_file_says_nothing(file: Path, tmp_path: Path) -> None:
    """What it holds does."""
    other = file.rename(tmp_path / "a.tflite")
    assert Step(read_model(other)).interpreter == "onnxruntime"


def test_a_state_begins_and_begins_again_at_a_zero_for_each_feature(file: Path) -> None:
    """The first sum is the state's zero twice, a reset brings it back."""
    step, frames = Step(read_model(file)), np.ones((2, FEATURES), np.float32)
    first = step.process(frames)
    np.testing.assert_allclose(first, [2 * number + 2 for number in ZERO[:LABELS]])
    assert (step.process(frames) == first + 2).all()
    step.reset()
    assert (step.process(frames) == first).all()


def test_onnxruntime_runs_onnx_and_no_other_does(file: Path) -> None:
    """What is installed is listed by format, and a wrong wish is one clear error."""
    assert set(installed_interpreters()) <= set(INTERPRETERS)
    assert installed_interpreters("onnx") == ["onnxruntime"]
    assert make_interpreter(tiny())[0] == "onnxruntime"
    with pytest.raises(ModelError, match=r"a\.onnx: an ONNX file, which litert cannot run; take onnxruntime"):
        Listener(file, interpreter="litert")
    with pytest.raises(ModelError, match=r"a TFLite file, which onnxruntime cannot run; take tflite-runtime or litert"):
        Listener(interpreter="onnxruntime")
    with pytest.raises(MissingError, match="'torch' is not known; there are tflite-runtime, litert, onnxruntime"):
        Listener(file, interpreter="torch")


def test_a_missing_onnxruntime_names_the_extra(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r'pip install "kws-edge\[onnx\]"'):
        Listener(file)


def test_a_tflite_model_does_not_load_onnxruntime() -> None:
    """The base install runs without it, and starts as fast."""
    program = "import sys, kws_runtime; kws_runtime.Listener(); print([m for m in sys.modules if 'onnxruntime' in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (tiny(frames=(1, 3, FEATURES)), "shape"),
        (tiny(frames=(1, "any", FEATURES)), "shape"),
        (tiny(edge=onnx.TensorProto.DOUBLE), r"of type tensor\(double\)"),
        (b"\x08\x08", "onnxruntime refuses the model"),
    ],
    ids=["another shape", "no shape", "double", "empty"],
)
def test_a_model_that_does_not_fit_its_description_is_refused(
    info: ModelInfo, tmp_path: Path, model: bytes, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line, and nothing of onnxruntime's own on standard error."""
    write_model(tmp_path / "a.onnx", info, model)
    with pytest.raises(ModelError, match=rf"a\.onnx: .*{says}"):
        Step(read_model(tmp_path / "a.onnx"))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "zero", [["a"], [], [1.0] * 39, [float("nan")] * 40, "0", None, [1e999] * 40, 10**400], ids=str
)
def test_a_zero_that_cannot_be_is_refused(info: ModelInfo, zero: object) -> None:
    """Finite numbers, one or as many as the last axis has."""
    values = info.to_json()
    values["states"][0]["zero"] = zero
    with pytest.raises(ModelError, match="zero"):
        ModelInfo.from_json(json.loads(json.dumps(values)))


@pytest.mark.parametrize("shape", [[], [1, -1, 40], [1, "2", 40], 3], ids=str)
def test_a_state_shape_that_cannot_be_is_refused(info: ModelInfo, shape: object) -> None:
    """Sizes, the last as long as the zero."""
    values = info.to_json()
    values["states"][0]["shape"] = shape
    with pytest.raises(ModelError, match="shape"):
        ModelInfo.from_json(values)


def test_a_zero_of_one_number_or_many_survives_the_file(info: ModelInfo) -> None:
    """And files of version 0.1 have one number, or none."""
    for zero in (0.0, 1.5, ZERO):
        states = (dataclasses.replace(info.states[0], zero=zero),)
        kept = dataclasses.replace(info, states=states)
        assert ModelInfo.from_json(json.loads(json.dumps(kept.to_json()))) == kept
    values = info.to_json()
    del values["states"][0]["zero"]
    assert ModelInfo.from_json(values).states[0].zero == 0.0


def test_a_zero_of_an_int8_state_is_quantized() -> None:
    """The bundled int8 model with another zero for each feature of its first state."""
    file = read_model()
    state = file.info.states[0]
    zero = tuple(np.linspace(-1, 1, state.shape[-1]).tolist())
    changed = dataclasses.replace(file.info, states=(dataclasses.replace(state, zero=zero), *file.info.states[1:]))
    step = Step(ModelFile(file.path, changed, file.flatbuffer))
    frames = np.zeros((2, FEATURES), np.float32)
    first = step.process(frames)
    assert not np.array_equal(first, Step(file).process(frames))
    step.reset()
    assert np.array_equal(step.process(frames), first)


def test_an_onnx_file_hears_the_demo_as_the_tflite_file_does(bundled: Path, run_command: Run) -> None:
    """Every event of the command, and nothing of onnxruntime's own on standard error."""
    said = []
    for model in (bundled, "gru-fp32"):
        done = run_command("kws-listen", model, "--demo", "--json")
        assert done.returncode == 0
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert (lines[0]["interpreter"] == "onnxruntime") == (model == bundled)
        events = [(line["label"], line["time"]) for line in lines if line["event"] == "detection"]
        assert len(events) >= 7
        said.append((events, done.stderr))
    assert said[0] == said[1]


def test_a_missing_onnxruntime_is_one_line_of_the_command(bundled: Path, run_command: Run, tmp_path: Path) -> None:
    """One that cannot be imported says so."""
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no such symbol')\n")
    done = run_command("kws-listen", bundled, "--demo", env={"PYTHONPATH": str(tmp_path)})
    assert_fault(done, "onnxruntime is installed but cannot be imported: no such symbol")
