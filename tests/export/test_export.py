"""Keras, the stepped model and the converted files say the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kws_export.main import _write_verified
from kws_export.replay import replay
from kws_export.schemes import SCHEMES
from kws_export.verify import compare
from kws_runtime import ModelError, read_model
from kws_runtime.interpreter import INTERPRETERS
from kws_runtime.modelfile import write_model
from kws_runtime.step import Step
from kws_train.rundir import RunDir, pack
from tests.conftest import Run, assert_fault
from tests.export.keras_side import apart, crash_the_converter, follow, sequence_and_steps


def short_copy(run: Path, folder: Path) -> Path:
    """A run with a minute to calibrate and two to compare on, instead of six and twenty."""
    copy = RunDir(Path(shutil.copytree(run, folder / run.name)))
    for name, frames in (("calibration.npz", 3000), ("agreement.npz", 6000)):
        copy.write_arrays(name, {"frames": copy.read_arrays(name)["frames"][:frames]})
    return copy.path


@pytest.fixture(scope="module")
def exported(tiny_runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, run_command: Run) -> dict[str, Path]:
    """The files of both architectures in every scheme, by name."""
    files = {}
    for run in tiny_runs.values():
        copy = short_copy(run, tmp_path_factory.mktemp("exported"))
        done = run_command("kws-export", copy, *(f"--{scheme}" for scheme in SCHEMES), "--c-array", "--json")
        assert done.returncode == 0, done.stderr
        for line in map(json.loads, done.stdout.splitlines()):
            path = Path(line["file"])
            files[path.name] = path
            assert set(line["verified"]) == (set(INTERPRETERS) if path.suffix == ".tflite" else {"onnxruntime"})
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
    np.testing.assert_allclose(
        replay(exported[f"{architecture}-fp32.tflite"], interpreter, frames), expected, atol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "tensors", "edges"),
    [
        ("gru-int8", {"int8", "int16", "int32", "int64"}, {"int8", "int16"}),
        ("gru-int8-narrow", {"int8", "int32"}, {"int8"}),
        ("gru-int16x8", {"int8", "int16", "int32", "int64"}, {"int16"}),
        ("ds-cnn-int8", {"int8", "int32"}, {"int8"}),
    ],
)
def test_files_of_integers_hold_the_widths_that_they_say(
    exported: dict[str, Path], name: str, tensors: set[str], edges: set[str]
) -> None:
    """As read back from what was written: no float, builtin ops only."""
    contents = read_model(exported[f"{name}.tflite"]).info.quantization
    assert set(contents["tensors"]) == tensors
    assert "CUSTOM" not in contents["ops"]
    assert set(contents["inputs"].values()) | set(contents["outputs"].values()) == edges


def test_the_state_of_the_int8_gru_has_16_bits_and_passes_through_untouched(exported: dict[str, Path]) -> None:
    """One scale for what goes in and what comes out; the past frames of the convolution likewise, in 8 bits."""
    step = Step(read_model(exported["gru-int8.tflite"]))
    widths = {}
    for state, (into, out) in zip(step.info.states, step._states, strict=True):
        assert into.quantization.same_as(out.quantization)
        widths[state.input] = into.quantization.dtype.name
    assert widths == {"conv_state": "int8", "gru_state": "int16"}


def test_dynamic_and_fp16_files_compute_in_float(exported: dict[str, Path]) -> None:
    """Their weights are what is smaller."""
    for scheme, kind in (("dynamic", "int8"), ("fp16", "float16")):
        contents = read_model(exported[f"gru-{scheme}.tflite"]).info.quantization
        assert kind in contents["tensors"]
        assert set(contents["inputs"].values()) == {"float32"}


def test_the_c_source_is_beside_the_int8_file(exported: dict[str, Path]) -> None:
    """For a microcontroller."""
    assert "FullyConnected" in exported["gru-int8.tflite"].with_suffix(".c").read_text()


def test_the_step_has_no_loop_and_its_states_are_named(exported: dict[str, Path]) -> None:
    """One function: three matrix products, the states in and out."""
    info = read_model(exported["gru-int8.tflite"]).info
    assert "WHILE" not in info.quantization["ops"]
    assert set(info.quantization["inputs"]) == {"frames", "conv_state", "gru_state"}
    assert set(info.quantization["outputs"]) == {"logits", "conv_state_out", "gru_state_out"}
    assert [state.input for state in info.states] == ["conv_state", "gru_state"]


def test_a_window_model_says_so(exported: dict[str, Path]) -> None:
    """The runtime keeps its frames."""
    info = read_model(exported["ds-cnn-int8.tflite"]).info
    assert (info.window_frames, info.states) == (49, ())


def test_int8_is_smaller_than_float(exported: dict[str, Path]) -> None:
    """A float file that is not is not what its name says."""
    assert exported["gru-int8.tflite"].stat().st_size < 0.4 * exported["gru-fp32.tflite"].stat().st_size


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
    assert (run.path / "gru-int8.unverified.tflite").exists()


def test_ranges_of_zero_states_are_refused(tiny_runs: dict[str, Path], tmp_path: Path, run_command: Run) -> None:
    """The same weights with the ranges of states that were reached are not. What is said hangs on the state here."""
    run = RunDir(short_copy(tiny_runs["gru"], tmp_path))
    weights = run.read_arrays("best.npz")
    (head,) = [name for name, array in weights.items() if array.shape == (128, 9)]
    weights[head] = np.random.default_rng(0).normal(0, 2, (128, 9)).astype(np.float32)
    run.write_arrays("best.npz", weights)
    assert_fault(run_command("kws-export", run.path, "--int8", "--calibration", "zero"), "refused")
    assert not list(run.path.glob("gru-int8.tflite"))
    assert run_command("kws-export", run.path, "--int8").returncode == 0


def test_a_file_that_is_wrong_on_one_interpreter_only_is_refused(
    exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads and runs everywhere, and says something else on the second."""
    file, rng = read_model(exported["gru-fp32.tflite"]), np.random.default_rng(0)
    reference = rng.normal(0, 1, (500, 9)).astype(np.float32)

    def wrong_on_litert(model: Path, interpreter: str, frames: np.ndarray) -> np.ndarray:
        return reference if interpreter != "litert" else reference[:, ::-1]

    monkeypatch.setattr("kws_export.replay.replay", wrong_on_litert)
    with pytest.raises(ModelError, match="refused: on litert"):
        _write_verified(tmp_path / "gru-fp32.tflite", file.info, file.flatbuffer, np.zeros((1000, 40)), reference)
    assert [path.name for path in tmp_path.iterdir()] == ["gru-fp32.unverified.tflite"]


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (np.zeros((0, 40)), "too few"),
        (np.zeros((5000, 39)), "no frames of 40"),
        (np.full((5000, 40), np.nan), "no frames"),
    ],
    ids=["empty", "foreign", "not finite"],
)
def test_a_calibration_that_is_none_is_one_clear_line(
    tiny_runs: dict[str, Path], tmp_path: Path, run_command: Run, frames: np.ndarray, says: str
) -> None:
    """Empty, of another front end, damaged."""
    run = RunDir(short_copy(tiny_runs["gru"], tmp_path))
    run.write_arrays("calibration.npz", {"frames": frames})
    assert_fault(run_command("kws-export", run.path, "--int8"), says)


def test_a_disk_that_fills_leaves_nothing_under_the_final_name(
    exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The half-written file goes too."""
    file = read_model(exported["gru-fp32.tflite"])

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_model(tmp_path / "gru-fp32.tflite", file.info, file.flatbuffer)
    assert not list(tmp_path.iterdir())


def test_a_converter_that_crashes_is_one_clear_line(tmp_path: Path) -> None:
    """It takes its own process with it only."""
    says = apart(crash_the_converter, tmp_path)
    assert says == "TensorFlow's converter crashed (signal 11): no message"


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
