"""`kws-train --qat`: a trained model is taught to live with the rounding of int8."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kws_runtime import read_model
from kws_train.rundir import RunDir
from tests.conftest import Run, assert_fault

SHORT = ("--epochs", "1", "--chunks", "2")


@pytest.fixture(scope="module")
def taught(
    corpus: Path, tiny_runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, run_command: Run
) -> dict[str, Path]:
    """Runs of both kinds, a GRU that carries its state and a CNN that slides, taught for a moment."""
    folder = tmp_path_factory.mktemp("taught")
    for name, run in tiny_runs.items():
        arguments = [name, "--data", corpus, "--qat", run, *SHORT, "--out", folder / name]  # of the run's size
        done = run_command("kws-train", *arguments)
        assert done.returncode == 0, done.stderr
    return {name: folder / name for name in tiny_runs}


@pytest.mark.parametrize("name", ["gru", "ds-cnn"])
def test_what_was_taught_is_exported_as_it_is(taught: dict[str, Path], run_command: Run, name: str) -> None:
    """A run that needs nothing but itself; the int8 file and the float file of the same weights agree."""
    done = run_command("kws-export", taught[name], "--fp32", "--int8", "--json")
    assert done.returncode == 0, done.stderr
    lines = {Path(line["file"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(lines) == {f"{name}-{scheme}.{kind}" for scheme in ("fp32", "int8") for kind in ("tflite", "onnx")}
    info = read_model(taught[name] / f"{name}-int8.tflite").info
    assert info.quantization["taught"]
    assert info.training["arguments"]["qat"]
    assert not {"float32", "float16"} & set(info.quantization["tensors"])


def test_the_model_that_teaches_is_not_taught_itself(taught: dict[str, Path]) -> None:
    """Its weights are not among those that are learned: a GRU's bias in Keras has the shape (2, 3 units)."""
    shapes = {array.shape for array in RunDir(taught["gru"]).read_arrays("best.npz").values()}
    assert (128, 9) not in shapes
    assert (9, 128) in shapes, "as TFLite has them"
    assert (2, 384) not in shapes


def test_the_weights_of_the_taught_float_step_lie_on_the_grid_of_int8(taught: dict[str, Path]) -> None:
    """Of each channel the largest is 127 steps, and all are whole steps: so float and int8 differ by rounding only."""
    from tests.export.keras_side import apart, dense_weights

    for weights in apart(dense_weights, taught["gru"] / "step.tflite"):
        steps = weights / (np.abs(weights).max(1, keepdims=True) / 127)
        np.testing.assert_allclose(steps, np.rint(steps), atol=2e-3)


def test_its_history_tells_both_divergences(taught: dict[str, Path]) -> None:
    """From the model that it began with, and from itself without rounding."""
    (row,) = RunDir(taught["gru"]).history()
    assert row["val_from_origin"] > 0
    assert row["val_from_held"] > 0
    assert row["val_loss"] > row["val_from_origin"]


def test_a_taught_run_is_not_taught_again(
    corpus: Path, taught: dict[str, Path], tmp_path: Path, run_command: Run
) -> None:
    """What it learned is a graph, not the weights of an architecture."""
    arguments = ["gru", "--data", corpus, "--qat", taught["gru"], "--size", "m", *SHORT, "--out", tmp_path / "again"]
    assert_fault(run_command("kws-train", *arguments), "give the run that it began with")


def test_one_begins_with_weights_or_is_taught(corpus: Path, tiny_runs: dict[str, Path], run_command: Run) -> None:
    """Not both at once."""
    run = tiny_runs["gru"]
    done = run_command("kws-train", "gru", "--data", corpus, "--qat", run, "--from", run)
    assert_fault(done, "give one of them", code=2)


def test_a_step_that_is_missing_is_one_clear_line(taught: dict[str, Path], tmp_path: Path, run_command: Run) -> None:
    """Killed before the end."""
    import shutil

    run = Path(shutil.copytree(taught["gru"], tmp_path / "gru"))
    (run / "step-int8.tflite").unlink()
    assert_fault(run_command("kws-export", run, "--int8"), "step-int8.tflite: missing")
