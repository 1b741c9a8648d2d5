"""`kws-train` from recordings to a run, and through a kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kws_runtime.files import write_atomically
from kws_train.rundir import RunDir
from tests.conftest import Run, assert_fault

TRAIN = Path(sys.executable).parent / "kws-train"


@pytest.mark.parametrize("architecture", ["gru", "ds-cnn"])
def test_a_run_leaves_all_that_repeats_and_exports_it(tiny_runs: dict[str, Path], architecture: str) -> None:
    """Description, weights, history, pictures, features."""
    run = tiny_runs[architecture]
    description = json.loads((run / "run.json").read_text())
    assert description["architecture"] == architecture
    assert description["arguments"]["seed"] == 0
    assert len(description["data_digest"]) == 64
    assert {"python", "tensorflow", "numpy"} <= set(description["versions"])
    assert description["figures"]["epochs"] == 2
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in rows] == [1, 2]
    assert all(np.isfinite(float(row["val_loss"])) for row in rows)
    for picture in ("learning.png", "confusion.png"):
        assert (run / picture).read_bytes()[:4] == b"\x89PNG"
    assert RunDir(run).read_arrays("calibration.npz")["frames"].shape == (90 * 200, 40)
    assert RunDir(run).read_arrays("agreement.npz")["frames"].shape == (300 * 200, 40)
    assert not list(run.glob(".*"))


def test_clips_of_twelve_labels_are_learned_and_kept_for_the_next_run(
    corpus: Path, tmp_path: Path, run_command: Run
) -> None:
    """Another recipe, another set of labels, a small model; a second run reads the batches that the first has made."""
    arguments = ["--data", corpus, "--recipe", "clips", "--labels", "twelve", "--epochs", "1", "--chunks", "2"]
    arguments += ["--keep", tmp_path / "kept"]
    made = set()
    for name in ("bc-resnet", "gru"):
        done = run_command("kws-train", name, *arguments, "--size", "s", "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
        made |= {(path, path.stat().st_mtime_ns) for path in (tmp_path / "kept").rglob("*.npz")}
        assert len(made) == 2, "each written once"
        description = json.loads((tmp_path / name / "run.json").read_text())
        assert description["labels"][:2] == ["_unknown_", "_silence_"]
        assert len(description["labels"]) == 12
        assert description["plan"]["clips"]
        assert description["sizes"]["labels"] == 12


def epochs_done(run: Path) -> int:
    return len(RunDir(run).history())


def test_a_killed_run_resumes_and_loses_at_most_one_epoch(corpus: Path, tmp_path: Path, run_command: Run) -> None:
    """kill -9 in the middle; what comes after is what would have come, to the last digit that threads leave."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    arguments = ["gru", "--data", str(corpus), "--epochs", "4", "--chunks", "4", "--workers", "1"]
    assert run_command("kws-train", *arguments, "--out", whole).returncode == 0
    with subprocess.Popen(
        [TRAIN, *arguments, "--out", broken],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 300
        while not (broken / "last.npz").exists() or epochs_done(broken) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        before = epochs_done(broken)
        os.killpg(process.pid, signal.SIGKILL)
    assert epochs_done(broken) >= before
    done = run_command("kws-train", *arguments, "--out", broken, "--resume")
    assert done.returncode == 0, done.stderr
    histories = [[row["val_loss"] for row in RunDir(run).history()] for run in (whole, broken)]
    assert len(histories[1]) == 4
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-3)


def test_ctrl_c_ends_training_cleanly_with_130(corpus: Path, tmp_path: Path) -> None:
    """As a terminal sends it: to all processes at once."""
    arguments = ["gru", "--data", str(corpus), "--out", str(tmp_path / "run"), "--epochs", "50", "--chunks", "4"]
    with subprocess.Popen([TRAIN, *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 300
        while epochs_done(tmp_path / "run") < 1:
            assert time.monotonic() < deadline
            assert process.poll() is None, "it ended before it could be interrupted"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_resuming_with_other_arguments_is_refused(corpus: Path, tiny_runs: dict[str, Path], run_command: Run) -> None:
    """It would be neither the one run nor the other."""
    done = run_command(
        "kws-train", "gru", "--data", corpus, "--out", tiny_runs["gru"], "--resume", "--size", "m", "--epochs", "3"
    )
    assert_fault(done, "was begun with epochs=2")


def test_a_run_begins_with_the_weights_of_another(
    corpus: Path, tiny_runs: dict[str, Path], tmp_path: Path, run_command: Run
) -> None:
    """One step at a rate of nearly nothing leaves them nearly as they were, the normalization among them, on other
    streams too; how they were made is kept."""
    arguments = ["gru", "--data", corpus, "--size", "m", "--from", tiny_runs["gru"], "--epochs", "1", "--chunks", "1"]
    done = run_command("kws-train", *arguments, "--seed", "5", "--out", tmp_path / "more")
    assert done.returncode == 0, done.stderr
    first, more = RunDir(tiny_runs["gru"]), RunDir(tmp_path / "more")
    for name, weights in first.read_arrays("best.npz").items():
        np.testing.assert_allclose(more.read_arrays("best.npz")[name], weights, atol=0.02, err_msg=name)
    made = more.read_json()
    assert made["from"]["arguments"] == first.read_json()["arguments"]
    assert made["schedule"]["learning_rate"] < first.read_json()["schedule"]["learning_rate"]


def test_the_weights_of_another_size_are_refused(
    corpus: Path, tiny_runs: dict[str, Path], tmp_path: Path, run_command: Run
) -> None:
    """Before anything is trained."""
    arguments = ["gru", "--data", corpus, "--size", "s", "--from", tiny_runs["gru"], "--out", tmp_path / "more"]
    assert_fault(run_command("kws-train", *arguments), "--from needs s")
    assert not (tmp_path / "more").exists()


def test_a_run_is_never_overwritten(corpus: Path, tiny_runs: dict[str, Path], run_command: Run) -> None:
    """Another --out, or --resume."""
    done = run_command("kws-train", "gru", "--data", corpus, "--out", tiny_runs["gru"])
    assert_fault(done, "--resume")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["gru", "--data", "nowhere"], 1, "nowhere/words: no such folder"),
        (["gru", "--data", "nowhere", "--resume"], 1, "no run.json"),
        (["lstm", "--data", "nowhere"], 2, "invalid choice"),
        (["gru"], 2, "--data"),
        (["gru", "--data", "nowhere", "--epochs", "0"], 2, "at least 1"),
    ],
    ids=str,
)
def test_faults_of_the_user_are_one_line(
    run_command: Run, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    """And an exit code."""
    assert_fault(run_command("kws-train", *arguments, cwd=tmp_path), says, code)


def test_what_fails_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    """Neither the final name nor the other."""

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "a.json", fail)
    assert list(tmp_path.iterdir()) == []
