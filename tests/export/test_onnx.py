"""ONNX models say what Keras and the graphs they are made of say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from kws_runtime import Listener, read_model
from kws_runtime.onnx_interpreter import OnnxInterpreter
from kws_runtime.step import Step
from tests.export.keras_side import apart
from tests.export.onnx_ops_side import CASES, ops_of_one_side, run_cases, unknown_op
from tests.export.onnx_side import SCHEMES, TINY, make_models

Models = tuple[Path, dict[str, dict[str, Any]]]
FLOATS = [(architecture, scheme) for architecture in TINY for scheme in ("fp32", "dynamic")]
INTEGERS = [(architecture, scheme) for architecture in TINY for scheme in SCHEMES[architecture]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The folder with the files, and what Keras and the graphs said."""
    folder = tmp_path_factory.mktemp("onnx")
    return folder, apart(make_models, folder)


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    """Graphs of one op: the model, its input, and what TensorFlow says."""
    return apart(run_cases)


def run(path: Path, frames: np.ndarray) -> np.ndarray:
    """Logits (steps, labels) of a file, the states carried from its own zero."""
    file = read_model(path)
    step, size = Step(file), file.info.frames_per_step
    assert step.interpreter == "onnxruntime"
    return np.array([step.process(frames[at : at + size]) for at in range(0, len(frames), size)])


def kinds(path: Path) -> set[str]:
    """The ops of a file."""
    return {node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.parametrize("architecture", TINY)
def test_the_float_model_is_keras_within_1e_4(models: Models, architecture: str) -> None:
    """On a carried stream from the file's own zero, and the stream moves the logits."""
    said = models[1][architecture]
    assert said["logits"]["fp32"].std(0).max() > 0.01
    logits = run(models[0] / f"{architecture}-fp32.onnx", said["frames"])
    np.testing.assert_allclose(logits, said["logits"]["fp32"], atol=1e-4)
    np.testing.assert_allclose(logits, said["logits"]["graph"], atol=1e-4)


@pytest.mark.parametrize("architecture", TINY)
def test_the_float_model_is_the_graph_from_random_states(models: Models, architecture: str) -> None:
    """The logits of a carried stream, and every state at its end."""
    file, said = read_model(models[0] / f"{architecture}-fp32.onnx"), models[1][architecture]["random"]
    runner, states, logits = OnnxInterpreter(file.flatbuffer), dict(said["begin"]), []
    places = {details["name"]: details["index"] for details in runner.get_input_details()}
    made = {details["name"]: details["index"] for details in runner.get_output_details()}
    for frames in said["windows"]:
        for name, values in {"frames": frames, **states}.items():
            runner.set_tensor(places[name], values)
        runner.invoke()
        states = {state.input: runner.get_tensor(made[state.output]) for state in file.info.states}
        logits.append(runner.get_tensor(made["logits"])[0])
    np.testing.assert_allclose(logits, said["logits"], atol=1e-4)
    for name, state in states.items():
        np.testing.assert_allclose(state, said["end"][name], atol=1e-4)


@pytest.mark.parametrize(("architecture", "scheme"), INTEGERS)
def test_the_integer_model_rounds_as_the_graph_does(models: Models, architecture: str, scheme: str) -> None:
    """But for 16 bits, which stay float: what these round away moves a logit by a few steps of 8 bits at most."""
    said = models[1][architecture]
    path = models[0] / f"{architecture}-{scheme}.onnx"
    logits, expected = run(path, said["frames"]), said["logits"][scheme]
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.9999
    assert np.abs(logits - expected).max() < 0.02 * np.ptp(expected)
    assert ("QuantizeLinear" in kinds(path)) == (scheme != "int16x8")


@pytest.mark.parametrize(("architecture", "scheme"), INTEGERS)
def test_the_integer_models_weights_are_int8_with_a_scale_for_each_channel(
    models: Models, architecture: str, scheme: str
) -> None:
    """No matrix of floats is left."""
    graph = onnx.load(models[0] / f"{architecture}-{scheme}.onnx").graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert not [name for name, array in arrays.items() if array.dtype == np.float32 and array.ndim > 1]
    scales = {
        node.input[0]: arrays[node.input[1]]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays
    }
    weights = {name: array for name, array in arrays.items() if array.dtype == np.int8 and array.ndim > 1}
    assert weights
    assert all(len(scales[name]) == len(array) for name, array in weights.items())


@pytest.mark.parametrize("architecture", TINY)
def test_the_dynamic_model_follows_keras(models: Models, architecture: str) -> None:
    """Its dense layers multiply integers."""
    said = models[1][architecture]
    path = models[0] / f"{architecture}-dynamic.onnx"
    logits = run(path, said["frames"])
    assert {"DynamicQuantizeLinear", "MatMulInteger"} <= kinds(path)
    assert np.corrcoef(logits.ravel(), said["logits"]["fp32"].ravel())[0, 1] > 0.999


@pytest.mark.parametrize(("architecture", "scheme"), [*FLOATS, *INTEGERS])
def test_every_model_passes_onnx_checker_and_states_its_opset(models: Models, architecture: str, scheme: str) -> None:
    """With its metadata behind it: 18, which onnxruntime reads since 1.14, and only ops that are ONNX' own."""
    path = models[0] / f"{architecture}-{scheme}.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert model.ir_version == 8
    assert {tensor.type.tensor_type.elem_type for tensor in [*model.graph.input, *model.graph.output]} == {1}
    assert [entry.key for entry in model.metadata_props] == ["kws.json"]


@pytest.mark.parametrize("architecture", TINY)
def test_a_model_that_onnx_saves_again_is_still_ours(models: Models, architecture: str, tmp_path: Path) -> None:
    """The metadata stays the last field, and the bytes before it the same."""
    path = models[0] / f"{architecture}-fp32.onnx"
    onnx.save(onnx.load(path), tmp_path / "again.onnx")
    assert read_model(tmp_path / "again.onnx").info == read_model(path).info


def test_the_chain_of_convolutions_is_not_transposed_within(models: Models) -> None:
    """Once before the first and once behind the last."""
    nodes = onnx.load(models[0] / "ds-cnn-fp32.onnx").graph.node
    assert sum(node.op_type == "Transpose" for node in nodes) <= 2


def test_a_listener_hears_through_an_onnx_file(models: Models) -> None:
    """A second of noise gives posteriors."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    posteriors = Listener(models[0] / "gru-int8.onnx").posteriors(noise)
    np.testing.assert_allclose(posteriors.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("rounds", ["", ", int8"])
@pytest.mark.parametrize("case", CASES)
def test_each_op_is_that_of_tensorflow(cases: dict[str, Any], case: str, rounds: str) -> None:
    """In float and in 8 bits, in which a number may fall on the other side of a half."""
    model, x, expected = cases[case + rounds]
    runner = OnnxInterpreter(model)
    runner.set_tensor(0, x)
    runner.invoke()
    for number, values in enumerate(expected):
        np.testing.assert_allclose(runner.get_tensor(number), values, atol=0.0501 if rounds else 1e-5)


def test_every_op_that_can_be_run_can_be_written() -> None:
    """And no other."""
    assert apart(ops_of_one_side) == set()


def test_an_op_that_is_not_known_is_named() -> None:
    """One clear error."""
    assert apart(unknown_op) == "the step holds an op that cannot be written as ONNX: SVDF"
