"""`kws-tune`: what it finds, tells, draws, writes and refuses."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from kws_runtime import Listener, read_model, tune
from kws_runtime.audio import read_wav
from kws_runtime.corpus import Clip, clips_in
from kws_runtime.det import Recording, hear
from kws_runtime.listen import DEMO
from kws_runtime.modelfile import ModelInfo, find_model
from kws_runtime.scoring import Truth, poisson_interval
from kws_runtime.thresholds import Noise, accepts_in, one_threshold, threshold_per_word
from kws_runtime.tuneset import Budget, budget_of, hear_clips
from tests.conftest import Run, assert_fault, cut_out_the_demos_words

ROOT = Path(__file__).parents[2]
DEMO_HOURS = len(read_wav(DEMO)) / 16_000 / 3600


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    return Path(shutil.copy(find_model(), tmp_path / "own.tflite"))


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """The demo in loud noise, as if none of its words had been said."""
    samples = read_wav(DEMO)
    path = tmp_path / "noisy.wav"
    soundfile.write(path, samples + 0.08 * np.random.default_rng(0).standard_normal(len(samples)), 16_000)
    return path


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """The demo's words; a word that the model does not know; and the folder of another's noise."""
    cut_out_the_demos_words(tmp_path)
    for other in ("marvin", "_background_noise_"):
        (tmp_path / "words" / other).mkdir()
        (tmp_path / "words" / other / "a.wav").write_bytes(b"never read")
    return tmp_path / "words"


def test_the_threshold_is_the_lowest_that_keeps_the_budget(own_model: Path, noisy: Path, run_command: Run) -> None:
    """One less on the grid gives more; the file holds it for every word."""
    done = run_command("kws-tune", own_model, "--noise", f"{noisy}={2 / DEMO_HOURS}", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (threshold,) = set(read_model(own_model).info.detection.thresholds.values())
    assert {word["threshold"]["after"] for word in found["words"].values()} == {threshold}
    assert found["noise"][0]["after"]["false_accepts"] <= 2
    assert found["written"] is True

    def count(threshold: float) -> int:
        done = run_command("kws-listen", own_model, "--wav", noisy, "--json", "--threshold", str(threshold))
        return done.stdout.count('"detection"')

    assert count(threshold) <= 2
    assert count(round(threshold - 0.005, 6)) > 2


def test_nothing_but_the_thresholds_changes(own_model: Path, run_command: Run) -> None:
    """The flatbuffer and the rest of the description stay."""
    before = read_model(own_model)
    assert run_command("kws-tune", own_model, "--noise", f"{DEMO}=100000").returncode == 0
    after = read_model(own_model)
    assert after.flatbuffer == before.flatbuffer
    assert after.info.training == before.info.training
    assert after.info.detection.refractory_same_s == before.info.detection.refractory_same_s
    assert after.info.detection.thresholds != before.info.detection.thresholds


def test_words_noise_and_a_picture(own_model: Path, words: Path, noisy: Path, run_command: Run) -> None:
    """Per word: thresholds, misses before and after, false accepts; a dry run leaves the file as it was."""
    before, picture = own_model.read_bytes(), own_model.with_name("det.png")
    arguments = [own_model, "--noise", f"{noisy}={2 / DEMO_HOURS}", "--words", words, "--per-word", "--dry-run"]
    done = run_command("kws-tune", *arguments, "--json", "--plot", picture)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert own_model.read_bytes() == before
    assert found["written"] is False
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert list(found["words"]) == list(read_model(own_model).info.words)
    stored = read_model(own_model).info.detection.thresholds
    assert {word: row["threshold"]["before"] for word, row in found["words"].items()} == stored
    for row in found["words"].values():
        assert row["missed"]["after"]["clips"] == 1
    shares = [row["missed"]["after"]["share"] for row in found["words"].values()]
    assert found["all"]["missed"]["after"]["share"] == pytest.approx(np.mean(shares))
    counted = sum(row["false_accepts"]["after"] for row in found["words"].values())
    assert found["noise"][0]["after"]["false_accepts"] == counted <= 2
    assert 0 < found["one_threshold"]["threshold"] < 1

    table = run_command("kws-tune", *arguments).stdout.splitlines()
    assert table[-1] == "nothing was written (--dry-run)"
    (row,) = [line for line in table if line.split()[:1] == ["yes"]]
    wanted = found["words"]["yes"]["threshold"]
    assert f"{wanted['before']:g} -> {wanted['after']:g}" in row
    assert row.endswith("of 1")
    assert any(line.startswith("  one threshold for all words") for line in table)
    assert own_model.read_bytes() == before


def test_clips_of_any_length_are_heard_to_their_end(words: Path, tmp_path: Path) -> None:
    """A word of a fraction of a second, and two seconds of which it is the last half."""
    listener = Listener()
    short = clips_in(words, words=listener.info.words)
    samples = read_wav(DEMO)
    long = []
    for place, clip in enumerate(short):
        word = read_wav(clip.path)
        path = tmp_path / f"{place}.wav"
        soundfile.write(path, np.concatenate([samples[:16_000], word[: len(word) - 1000]]), 16_000)
        long.append(Clip(path, clip.word))
    for clips in (short, long):
        heard = hear_clips(listener, clips)
        assert {word: len(peaks) for word, peaks in heard.peaks.items()} == dict.fromkeys(listener.info.words, 1)
        missed = sum(heard.missed(listener.info, listener.info.detection).values())
        under = sum(peaks[0] < listener.info.detection.thresholds[word] for word, peaks in heard.peaks.items())
        assert missed == under <= 2


def test_a_folder_of_noise_is_one_stream(own_model: Path, noisy: Path, tmp_path: Path, run_command: Run) -> None:
    """All WAVs below it, with one budget for all their hours; without one of its own, that of --fa-per-hour holds."""
    (tmp_path / "evenings" / "may").mkdir(parents=True)
    for name in ("a.wav", "may/b.wav"):
        shutil.copy(noisy, tmp_path / "evenings" / name)
    done = run_command(
        "kws-tune", own_model, "--noise", tmp_path / "evenings", f"{noisy}=90000", "--fa-per-hour", "100", "--json"
    )
    assert done.returncode == 0, done.stderr
    folder, file = json.loads(done.stdout)["noise"]
    assert folder["seconds"] == pytest.approx(2 * DEMO_HOURS * 3600, abs=0.01)
    assert (folder["fa_per_hour_at_most"], file["fa_per_hour_at_most"]) == (100, 90_000)
    assert folder["after"]["fa_per_hour"] <= 100


def test_noise_that_is_too_short_is_said(own_model: Path, tmp_path: Path, run_command: Run) -> None:
    """How much is possible although nothing was heard: 3.69 / T; a budget of none in it asks for nothing more."""
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, 0.01 * np.random.default_rng(0).standard_normal(36 * 16_000), 16_000)
    done = run_command("kws-tune", own_model, "--noise", quiet)
    assert done.returncode == 0, done.stderr
    (warning,) = [line for line in done.stdout.splitlines() if line.startswith("warning:")]
    assert "36 seconds cannot show 1 FA/h" in warning
    assert "up to 368.9 FA/h" in warning
    assert "3.69 hours could" in warning
    assert json.loads(run_command("kws-tune", own_model, "--noise", f"{quiet}=0", "--json").stdout)["warnings"] == []


def test_a_write_that_fails_leaves_the_old_file(
    own_model: Path, noisy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole, and nothing beside it."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(own_model))

    before = own_model.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    assert tune.main([str(own_model), "--noise", f"{noisy}=1000"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert own_model.read_bytes() == before
    assert sorted(path.name for path in own_model.parent.iterdir()) == ["noisy.wav", "own.tflite"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--noise", "nowhere.wav=5"], 1, "nowhere.wav: no such file or folder"),
        (["--noise", "empty=5"], 1, "empty: holds no WAV"),
        (["--noise", "silent.wav"], 1, "silent.wav: holds no sound"),
        (["--noise", "text.wav"], 1, "text.wav: not a WAV"),
        (["--noise", "ok.wav", "--words", "nowhere"], 1, "nowhere: no clips of the model's words"),
        (["--noise", "ok.wav", "--words", "strange"], 1, "strange: no clips of the model's words"),
        (["--noise", "ok.wav=many"], 2, "WAV=NUMBER"),
        (["--noise", "ok.wav=-1"], 2, "WAV=NUMBER"),
        (["--noise", "ok.wav=inf"], 2, "WAV=NUMBER"),
        (["--noise", "=5"], 2, "WAV=NUMBER"),
        (["--noise", "ok.wav", "--fa-per-hour", "nan"], 2, "no number of false accepts an hour"),
        (["--noise", "ok.wav", "--per-word"], 2, "need --words"),
        (["--noise", "ok.wav", "--plot", "det.png"], 2, "need --words"),
        (["--noise", "ok.wav", "--words", "strange", "--plot", "det.pdf"], 2, "ends in .png"),
        ([], 2, "--noise"),
    ],
    ids=str,
)
def test_faults_of_the_user_are_said(
    own_model: Path, run_command: Run, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    """In a line, and the model stays as it was."""
    before = own_model.read_bytes()
    for folder in ("empty", "strange/marvin", "strange/_noise_"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("strange/marvin/a.wav", "strange/_noise_/a.wav", "ok.wav"):
        soundfile.write(tmp_path / name, np.zeros(16_000), 16_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(0), 16_000)
    (tmp_path / "text.wav").write_text("text")
    assert_fault(run_command("kws-tune", own_model, *arguments, cwd=tmp_path), says, code)
    assert own_model.read_bytes() == before


def test_a_name_with_an_equals_sign_is_a_name_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file or folder of the whole name is there."""
    monkeypatch.chdir(tmp_path)
    Path("a=5").mkdir()
    assert budget_of("a=5") == Budget(Path("a=5"), None)
    assert budget_of("a=5=2.5") == Budget(Path("a=5"), 2.5)


def test_the_tables_of_the_page_are_made_from_the_committed_figures() -> None:
    """docs/thresholds.json, rendered again."""
    command = [sys.executable, ROOT / "script" / "make-thresholds", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_on_the_development_scenes_the_budgets_are_reached(own_model: Path, recordings: Path, run_command: Run) -> None:
    """As asked: not above them, and not so far below that the 95 % interval of what is counted leaves them out."""
    budgets = {"dev-reading": 5.0, "dev-ambience": 5.0}
    noise = [f"{recordings / 'scenes' / name}.wav={budget:g}" for name, budget in budgets.items()]
    done = run_command("kws-tune", own_model, "--noise", *noise, "--json")
    assert done.returncode == 0, done.stderr
    for row in json.loads(done.stdout)["noise"]:
        assert row["after"]["fa_per_hour"] <= 5.0 <= row["after"]["interval"][1]


@pytest.fixture(scope="module")
def heard_halves(recordings: Path) -> tuple[ModelInfo, list[Recording], list[NDArray[np.float32]]]:
    """Both halves of the hour of reading, and the peaks of every fifth validation clip by word."""
    listener = Listener()
    whole = hear(listener, recordings / "scenes" / "dev-reading.wav")
    middle = len(whole.smoothed) // 2
    truth = Truth("half", whole.truth.seconds / 2, ())
    halves = [Recording(truth, part, whole.times[: len(part)]) for part in np.split(whole.smoothed, [middle])]
    clips = clips_in(recordings / "words", "validation", listener.info.words)[::5]
    return listener.info, halves, list(hear_clips(listener, clips).peaks.values())


@pytest.mark.parametrize("budget", [2.0, 5.0, 10.0, 20.0])
@pytest.mark.parametrize("per_word", [False, True])
def test_thresholds_of_one_half_hour_hold_in_the_other(
    heard_halves: tuple[ModelInfo, list[Recording], list[NDArray[np.float32]]], budget: float, per_word: bool
) -> None:
    """The budget lies within the 95 % interval of what is counted there, or above it."""
    info, halves, peaks = heard_halves
    for own, other in (halves, halves[::-1]):
        noises = [Noise("own", own, budget)]
        thresholds = threshold_per_word(noises, peaks, info) if per_word else one_threshold(noises, info)
        assert thresholds
        detection = dataclasses.replace(info.detection, thresholds=thresholds)
        count = len(accepts_in(Noise("other", other, budget), info, detection))
        assert poisson_interval(count)[0] / 0.5 <= budget
