"""Keras, the stepped model and the converted files say the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kws_export.replay import replay
from kws_export.verify import compare
from kws_runtime import ModelError, read_model
from kws_runtime.interpreter import INTERPRETERS
from kws_train.rundir import RunDir, pack
from tests.conftest import Run, assert_fault
from tests.export.keras_side import apart, follow, sequence_and_steps


def short_copy(run: Path, folder: Path) -> Path:
    """A run with a minute to calibrate and two to compare on, instead of six and twenty."""
    copy = RunDir(Path(shutil.copytree(run, folder / run.name)))
    for name, frames in (("calibration.npz", 3000), ("agreement.npz", 6000)):
        copy.write_arrays(name, {"frames": copy.read_arrays(name)["frames"][:frames]})
    return copy.path


@pytest.fixture(scope="module")
def exported(tiny_runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, run_command: Run) -> dict[str, Path]:
    """The files of both architectures in both schemes, by name."""
    files = {}
    for run in tiny_runs.values():
        copy = short_copy(run, tmp_path_factory.mktemp("exported"))
        done = run_command("kws-export", copy, "--int8", "--fp32", "--json")
        assert done.returncode == 0, done.stderr
        for line in map(json.loads, done.stdout.splitlines()):
            files[Path(line["file"]).stem] = Path(line["file"])
            assert set(line["verified"]) == set(INTERPRETERS)
    return files


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(3).normal(-3, 3, (400, 40)).astype(np.float32)


def test_the_sequence_is_the_step_carried(tiny_runs: dict[str, Path], frames: np.ndarray) -> None:
    """Keras over 200 frames at once, and a step at a time; from random states, not only from zero."""
    at_once, stepped = apart(sequence_and_steps, tiny_runs["gru"], frames[:200])
    assert [part.shape for part in at_once] == [(1, 100, 9), (1, 3, 40), (1, 128)]
    for whole, part in zip(at_once, stepped, strict=True):
        np.testing.assert_allclose(part, whole, atol=1e-4)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("architecture", ["gru", "ds-cnn"])
def test_the_float_file_is_keras_within_1e_4_in_both_interpreters(
    tiny_runs: dict[str, Path], exported: dict[str, Path], frames: np.ndarray, architecture: str, interpreter: str
) -> None:
    """Carried over 200 steps."""
    expected = apart(follow, tiny_runs[architecture], frames)
    np.testing.assert_allclose(replay(exported[f"{architecture}-fp32"], interpreter, frames), expected, atol=1e-4)


@pytest.mark.parametrize("architecture", ["gru", "ds-cnn"])
def test_int8_files_hold_integers_only_and_builtin_ops_only(exported: dict[str, Path], architecture: str) -> None:
    """As read back from what was written."""
    contents = read_model(exported[f"{architecture}-int8"]).info.quantization
    assert set(contents["tensors"]) <= {"int8", "int32"}
    assert "CUSTOM" not in contents["ops"]
    assert set(contents["inputs"].values()) | set(contents["outputs"].values()) == {"int8"}


def test_the_step_has_no_loop_and_its_states_are_named(exported: dict[str, Path]) -> None:
    """One function: three matrix products, the states in and out."""
    info = read_model(exported["gru-int8"]).info
    assert "WHILE" not in info.quantization["ops"]
    assert set(info.quantization["inputs"]) == {"frames", "conv_state", "gru_state"}
    assert set(info.quantization["outputs"]) == {"logits", "conv_state_out", "gru_state_out"}
    assert [state.input for state in info.states] == ["conv_state", "gru_state"]


def test_a_window_model_says_so(exported: dict[str, Path]) -> None:
    """The runtime keeps its frames."""
    info = read_model(exported["ds-cnn-int8"]).info
    assert (info.window_frames, info.states) == (49, ())


def test_int8_is_smaller_than_float(exported: dict[str, Path]) -> None:
    """A float file that is not is not what its name says."""
    assert exported["gru-int8"].stat().st_size < 0.45 * exported["gru-fp32"].stat().st_size


def test_agreement_counts_steps_with_words_apart() -> None:
    """Background makes every agreement look good."""
    background, word, other = [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]
    reference = np.array([background, background, word, word], np.float32)
    agreement = compare(reference, np.array([background, word, word, other], np.float32))
    assert (agreement.overall, agreement.on_words, agreement.steps_with_words) == (0.5, 1 / 3, 3)


def test_a_file_that_does_not_agree_is_refused_and_kept_aside(
    tiny_runs: dict[str, Path], tmp_path: Path, run_command: Run
) -> None:
    """Weights that int8 cannot hold: one of the convolution is ten thousand times as large as the others."""
    run = RunDir(short_copy(tiny_runs["gru"], tmp_path))
    weights = run.read_arrays("best.npz")
    heads = [name for name, array in weights.items() if array.shape == (128, 9)]
    weights[heads[0]] = weights[heads[0]] * 1e4
    convolutions = [name for name, array in weights.items() if array.shape == (5, 40, 96)]
    weights[convolutions[0]][0, 0, 0] = 1e4
    run.write_arrays("best.npz", weights)
    assert_fault(run_command("kws-export", run.path, "--int8"), "refused")
    assert not (run.path / "gru-int8.tflite").exists()
    assert (run.path / "gru-int8.unverified").exists()


def test_a_run_without_weights_is_one_clear_line(tiny_runs: dict[str, Path], tmp_path: Path, run_command: Run) -> None:
    """Killed before its first epoch was over."""
    run = Path(shutil.copytree(tiny_runs["gru"], tmp_path / "gru"))
    (run / "best.npz").unlink()
    done = run_command("kws-export", run, "--int8")
    assert_fault(done, "best.npz: missing")


def test_labels_that_do_not_match_are_one_clear_line(
    tiny_runs: dict[str, Path], tmp_path: Path, run_command: Run
) -> None:
    """Seven labels for nine logits."""
    run = RunDir(Path(shutil.copytree(tiny_runs["gru"], tmp_path / "gru")))
    run.write_json(run.read_json() | {"labels": ["_background_", "go"]})
    done = run_command("kws-export", run.path, "--int8")
    assert_fault(done, "2 labels for a model of 9")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [(["nowhere", "--int8"], 1, "no such run"), (["."], 2, "--int8"), ([".", "--int8"], 1, "no run.json")],
    ids=str,
)
def test_faults_of_the_user_are_one_line(
    run_command: Run, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    """And an exit code."""
    assert_fault(run_command("kws-export", *arguments, cwd=tmp_path), says, code)


def test_replay_of_a_file_that_is_no_model_says_why(tmp_path: Path, frames: np.ndarray) -> None:
    """The reason of the process that tried."""
    (tmp_path / "a.tflite").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"a\.tflite: "):
        replay(tmp_path / "a.tflite", "litert", frames)


def test_packed_weights_keep_their_order() -> None:
    """A number for each variable."""
    assert list(pack("weight", [np.zeros(1), np.ones(2)])) == ["weight/0", "weight/1"]
