"""Thresholds: the search, the DET curve, and the figures that `kws-eval` makes of it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_runtime import Detection, Listener, read_model
from kws_runtime.audio import read_wav
from kws_runtime.det import THRESHOLDS, Recording, det_curve, hear, lowest_place, score, with_threshold
from kws_runtime.listen import DEMO
from kws_runtime.scoring import Truth, Word, read_truth, score_scene
from tests.conftest import Run, assert_fault

STEP_S = 0.04


def bursts(peaks: dict[float, float], seconds: float, words: tuple[Word, ...] = ()) -> Recording:
    """A recording in which the posterior of "go" rises for a moment to each of the peaks, by their times."""
    labels = read_model().info.labels
    times = np.arange(1, round(seconds / STEP_S) + 1) * STEP_S
    smoothed = np.zeros((len(times), len(labels)), np.float32)
    for time, peak in peaks.items():
        smoothed[np.abs(times - time) < 0.1, labels.index("go")] = peak
    return Recording(Truth("made", seconds, words), smoothed, times)


def test_the_grid_rises_and_is_finer_near_one() -> None:
    """0.005, 0.01, ... 0.995, 0.996, ..."""
    assert list(THRESHOLDS) == sorted(set(THRESHOLDS))
    assert THRESHOLDS[:2] == (0.005, 0.01)
    assert 0.995 in THRESHOLDS
    assert 0.999 < THRESHOLDS[-1] < 1


def test_the_lowest_threshold_is_sought_from_above() -> None:
    """Where a model says nothing any more, far below, a budget is not kept."""
    counts = np.array([[0], [9], [3], [5], [2], [0]])
    assert lowest_place(counts, np.array([2.0])) == 4
    assert lowest_place(counts, np.array([9.0])) == 0
    assert lowest_place(np.array([[0, 4], [0, 1], [1, 0]]), np.array([0.5, 1.0])) is None


def test_the_curve_sets_misses_against_the_worst_false_accepts() -> None:
    """Words at 0.9, 0.6 and 0.3; false accepts at 0.7 and 0.5 in one hour, at 0.4 in half of another."""
    words = tuple(Word("go", at - 0.3, at) for at in (10.0, 20.0, 30.0))
    scenes = {
        "words": bursts({10.0: 0.9, 20.0: 0.6, 30.0: 0.3}, 60.0, words),
        "reading": bursts({100.0: 0.7, 200.0: 0.5}, 3600.0),
        "ambience": bursts({100.0: 0.4}, 1800.0),
    }
    det = det_curve(scenes, read_model().info, (0.0, 1.0, 2.0))
    assert det is not None
    assert det["without_words"] == ["reading", "ambience"]
    at = {threshold: place for place, threshold in enumerate(det["thresholds"])}
    assert [det["fa_per_hour"][at[threshold]] for threshold in (0.35, 0.45, 0.6, 0.8)] == [2.0, 2.0, 1.0, 0.0]
    assert [det["frr"]["words"][at[threshold]] for threshold in (0.2, 0.35, 0.65, 0.95)] == [0.0, 0.3333, 0.6667, 1.0]
    none, one, two = det["at"]
    assert (none["threshold"], none["fa_per_hour"], none["frr"]["words"]["share"]) == (0.705, 0.0, 0.6667)
    assert (one["threshold"], one["fa_per_hour"], one["frr"]["words"]["share"]) == (0.505, 1.0, 0.3333)
    assert (two["threshold"], two["frr"]["words"]["share"]) == (0.005, 0.0)
    assert none["frr"]["words"]["words"] == 3
    low, high = none["frr"]["words"]["interval"]
    assert low < 0.6667 < high


def test_a_rate_that_no_threshold_keeps_is_said() -> None:
    """None, not the nearest."""
    scenes = {"words": bursts({}, 60.0, (Word("go", 1.0, 2.0),)), "loud": bursts({100.0: 1.0}, 3600.0)}
    det = det_curve(scenes, read_model().info, (0.5,))
    assert det is not None
    assert det["at"] == [{"fa_per_hour_at_most": 0.5, "threshold": None}]


def test_scenes_of_one_kind_have_no_curve() -> None:
    """Neither words alone nor none."""
    assert det_curve({"a": bursts({}, 60.0)}, read_model().info, (5.0,)) is None
    assert det_curve({"a": bursts({}, 60.0, (Word("go", 1.0, 2.0),))}, read_model().info, (5.0,)) is None


@pytest.mark.parametrize("threshold", [None, 0.5, 0.9])
def test_posteriors_kept_give_what_a_listener_with_that_threshold_hears(threshold: float | None) -> None:
    """On the demo."""
    truth = read_truth(DEMO.with_suffix(".json"))
    info = read_model().info
    detection = info.detection if threshold is None else with_threshold(info.detection, threshold)
    listened = score_scene(Listener(detection=detection).process(read_wav(DEMO)), truth)
    assert score(hear(Listener(), DEMO, truth), info, threshold) == listened


def test_with_threshold_changes_nothing_else() -> None:
    """One threshold for all words."""
    detection = Detection({"go": 0.1, "up": 0.2}, smoothing_steps=5)
    changed = with_threshold(detection, 0.7)
    assert changed == dataclasses.replace(detection, thresholds={"go": 0.7, "up": 0.7})


@pytest.fixture
def scenes(tmp_path: Path) -> list[Path]:
    """The demo; and noise in which nothing is said."""
    for suffix in (".wav", ".json"):
        shutil.copy(DEMO.with_suffix(suffix), tmp_path / f"demo{suffix}")
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * 16_000)
    soundfile.write(tmp_path / "noise.wav", noise, 16_000)
    (tmp_path / "noise.json").write_text(json.dumps({"seconds": 20.0, "words": []}))
    return [tmp_path / "demo.wav", tmp_path / "noise.wav"]


def test_kws_eval_tells_and_draws_the_curve(scenes: list[Path], run_command: Run) -> None:
    """In JSON, as tables and as a picture."""
    table, picture = scenes[0].with_name("figures.md"), scenes[0].with_name("det.png")
    options = ["--fa-per-hour", "7", "--json", "--markdown", table, "--plot", picture]
    done = run_command("kws-eval", "--scene", *scenes, *options)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert len(figures["det"]["frr"]["demo"]) == len(THRESHOLDS)
    (point,) = figures["det"]["at"]
    assert point["fa_per_hour_at_most"] == 7
    assert point["fa_per_hour"] <= 7
    text = table.read_text()
    assert "## FRR at given FA/h in noise" in text
    assert f"| 7 | {point['threshold']:g} | {100 * point['frr']['demo']['share']:.1f} % [" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not list(scenes[0].parent.glob(".*"))


def test_a_word_that_the_model_does_not_know_is_no_miss(scenes: list[Path], run_command: Run) -> None:
    """It is an other word: with no word left, a scene is one of those without."""
    truth = scenes[0].with_suffix(".json")
    truth.write_text(truth.read_text().replace('"yes"', '"on"'))
    figures = json.loads(run_command("kws-eval", "--scene", *scenes, "--json").stdout)
    assert figures["scenes"]["demo"]["words"] == 7
    assert figures["scenes"]["demo"]["false_accepts"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--plot", "a.png"], 1, "neither is given"),
        (["--plot", "a.pdf"], 2, "ends in .png"),
        (["--canonical", "list.txt"], 2, "need --data"),
        (["--sweep", "noise"], 2, "need --data"),
        (["--fa-per-hour", "-1"], 2, "false accepts an hour"),
    ],
    ids=str,
)
def test_faults_of_the_user_are_said(
    scenes: list[Path], run_command: Run, arguments: list[str], code: int, says: str
) -> None:
    """In a line, before anything is measured."""
    assert_fault(run_command("kws-eval", "--scene", scenes[0], *arguments), says, code)
