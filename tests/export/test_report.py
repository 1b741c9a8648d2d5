"""What `kws-report` measures: by hand-made figures, and beside `kws-eval`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kws_export.report.drift import growth
from kws_export.report.files import difference, exported_files, kind_of
from tests.conftest import Run, assert_fault
from tests.export.keras_side import apart, errors_of_made_up_layers


def test_difference_is_paired_by_clip() -> None:
    """Of ten clips three are lost and one is won; McNemar's exact test: twice the chance of at most 1 of 4."""
    in_float = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0], np.bool_)
    integers = np.array([1, 1, 1, 0, 0, 0, 1, 0, 0, 0], np.bool_)
    figures = difference(integers, in_float)
    assert (figures["lost"], figures["won"], figures["points"]) == (3, 1, -20.0)
    assert figures["p"] == pytest.approx(2 * 5 / 16)
    assert figures["interval"][0] < -20 < figures["interval"][1]


def test_no_difference_is_none() -> None:
    """The same clips right: an interval of nothing."""
    right = np.array([1, 0, 1], np.bool_)
    assert difference(right, right) == {"points": 0.0, "interval": [0.0, 0.0], "lost": 0, "won": 0, "p": 1.0}


def test_growth_is_the_last_ten_minutes_over_the_first_ten() -> None:
    """Whatever lies between."""
    distances = np.concatenate([np.full(10, 0.5), np.full(40, 9.0), np.full(10, 0.6)])
    assert growth(distances) == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("gru", "RNN"), ("gru2", "RNN"), ("crnn", "RNN"), ("raw-gru", "RNN"), ("ds-cnn", "CNN"), ("bc-resnet", "CNN")],
)
def test_recurrent_architectures_are_known(architecture: str, kind: str) -> None:
    """By name."""
    assert kind_of(architecture) == kind


def test_only_exported_files_are_measured(tmp_path: Path) -> None:
    """Not what training leaves, nor what was refused."""
    for name in ("gru-int8.tflite", "gru-int8.onnx", "step.tflite", "step-int8.tflite", "gru-fp32.unverified.tflite"):
        (tmp_path / name).touch()
    assert [path.name for path in exported_files(tmp_path)] == ["gru-int8.onnx", "gru-int8.tflite"]


def test_error_of_a_layer_is_signal_over_noise_in_decibels() -> None:
    """A noise of a tenth of the signal is 20 dB; saturation and dead zone of a state are counted by hand."""
    layers, states = apart(errors_of_made_up_layers)
    assert [row["sqnr_db"] for row in layers] == [pytest.approx(20.0, abs=0.01)]
    assert states == [{"name": "state", "width": "int8", "saturated": 0.25, "dead": 0.5, "dead_in_int8": 0.5}]


def test_the_report_says_what_kws_eval_says(
    corpus: Path, tiny_runs: dict[str, Path], tmp_path: Path, run_command: Run
) -> None:
    """Accuracy of the same file on the same clips, state reset and carried; the page and its twins are written."""
    import shutil

    run = Path(shutil.copytree(tiny_runs["gru"], tmp_path / "gru"))
    assert run_command("kws-export", run, "--fp32", "--int8").returncode == 0
    done = run_command("kws-report", run, "--data", corpus, "--quick", "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.html", "report.json", "report.md"}
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    rows = {row["file"]: row for row in report["models"]}
    assert set(rows) == {f"gru-{scheme}.{kind}" for scheme in ("fp32", "int8") for kind in ("tflite", "onnx")}
    for name in ("gru-fp32.tflite", "gru-int8.tflite"):
        said = run_command("kws-eval", run / name, "--data", corpus, "--json", "--interpreter", "litert")
        clips = json.loads(said.stdout)["clips"]
        for figure in ("accuracy_words_reset", "accuracy_words_carried"):
            assert rows[name][figure] == clips[figure]
    assert rows["gru-int8.tflite"]["latency"]["litert"]["p50_us"] > 0
    assert report["layers"]["gru"]
    assert len(report["verdict"]) == 3


@pytest.mark.parametrize(
    ("arguments", "says"), [(["nowhere"], "no run.json"), (["bare"], "no exported files")], ids=["missing", "bare"]
)
def test_faults_of_the_user_are_one_line(
    tiny_runs: dict[str, Path], tmp_path: Path, run_command: Run, arguments: list[str], says: str
) -> None:
    """And exit code 1."""
    import shutil

    shutil.copytree(tiny_runs["gru"], tmp_path / "bare")
    assert_fault(run_command("kws-report", *arguments, "--data", tmp_path, cwd=tmp_path), says)
