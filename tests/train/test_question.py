"""`script/question`: rows from a list of clips, resumed; figures and pictures of its page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kws_runtime.corpus import WORDS
from kws_runtime.errors import DataError
from kws_train.question_data import ListedClips
from kws_train.question_page import render, summarize
from tests.conftest import assert_fault

ROOT = Path(__file__).parent.parent.parent
MARKS = "".join(
    f"<!-- {name}: script/question -->\nold\n<!-- end of {name} -->\n" for name in ("short", "ladder", "costs", "made")
)


def question(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kws_train.question", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=dict(os.environ))


@pytest.fixture(scope="module")
def clips(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("list") / "list.txt"
    names = [
        str(clip.relative_to(corpus)) for word in WORDS for clip in sorted((corpus / "words" / word).glob("*.wav"))
    ]
    path.write_text("\n".join(names) + "\n")
    return path


def test_rows_are_trained_and_what_is_done_is_not_done_again(corpus: Path, clips: Path, tmp_path: Path) -> None:
    """Two epochs; the second call trains what is missing alone; other settings are refused."""
    out = tmp_path / "out"
    arguments = ["--data", corpus, "--list", clips, "--out", out, "--epochs", "2", "--seeds", "1", "--only"]
    done = question(*arguments, "question-gru")
    assert done.returncode == 0, done.stderr
    first = json.loads((out / "question-gru-0.json").read_text())
    assert first["epochs"] == 2
    assert first["parameters"] == 606_810
    assert len(first["history"]["val_clip_accuracy"]) == 2
    assert 0 <= first["accuracy_a_step"] <= 1
    # The loss takes a softmax of sigmoids here: it cannot come under ln(1 + 7 / e).
    assert min(first["history"]["loss"]) > np.log(1 + 7 / np.e)

    before = (out / "question-gru-0.json").stat().st_mtime_ns
    done = question(*arguments, "question-gru", "log")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["row"] for line in done.stdout.splitlines()] == ["log", "patience"]
    assert (out / "question-gru-0.json").stat().st_mtime_ns == before

    # One run gives both: with the weights where patience 2 would have ended it, and with its best.
    log, patience = (json.loads((out / f"{name}-0.json").read_text()) for name in ("log", "patience"))
    assert log["history"]["val_loss"] == patience["history"]["val_loss"][: log["epochs"]]

    arguments[arguments.index("2")] = "3"
    assert_fault(question(*arguments, "gru"), "was begun with epochs=2")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "--data and --list are needed"),
        (["--data", "nowhere", "--list", "nowhere.txt"], 1, "nowhere.txt: no such list"),
        (["--page", "--docs", "nowhere"], 1, "cannot be read"),
    ],
    ids=str,
)
def test_faults_of_the_user_are_one_line(arguments: list[str], code: int, says: str) -> None:
    """And an exit code."""
    assert_fault(question(*arguments), says, code)


def test_clips_become_the_tutorials_spectrograms(corpus: Path, clips: Path) -> None:
    """124 x 129 magnitudes, their logarithms, or 49 x 40 log-mel; parts by 80 / 10 / 10 %; made once."""
    listed = ListedClips(corpus, clips)
    assert listed.counts() == {"training": 64, "validation": 8, "testing": 8}
    part = listed.part("testing", "stft")
    assert part.frames.shape == (8, 124, 129)
    assert part.labels.max() < len(WORDS)
    assert listed.part("testing", "stft") is part
    logarithms = listed.part("testing", "log-stft").frames
    np.testing.assert_allclose(logarithms, np.log(part.frames**2 + 1e-3), rtol=1e-5)
    assert listed.part("testing", "log-mel").frames.shape == (8, 49, 40)


def test_other_words_are_refused(corpus: Path, tmp_path: Path) -> None:
    """The labels are the eight."""
    path = tmp_path / "list.txt"
    path.write_text("\n".join(str(clip.relative_to(corpus)) for clip in (corpus / "words" / "bed").glob("*.wav")))
    with pytest.raises(DataError, match="is none of"):
        ListedClips(corpus, path)


def figures() -> dict[str, object]:
    """Two seeds of every row the page speaks of: made up, so that each figure is known."""
    names = ("tutorial-cnn", "question-gru", "dropout", "40-bands", "gru", "dropout-again", "cnn-log")
    before = (None, *names[:4], "40-bands", "tutorial-cnn")
    after = dict(zip(names, before, strict=True))
    rows = [
        {"name": name, "what": f"what {name} is", "after": after[name], "aside": "-again" in name}
        | {"macs_a_clip": 4_000_000, "macs_a_second": 2_500_000 if name == "gru" else 100_000_000}
        for name in names
    ]
    runs = [
        {"row": name, "seed": seed, "accuracy": 0.2 + place / 10 + seed / 50, "accuracy_a_step": 0.3}
        | {"epochs": 2, "cpu_seconds_an_epoch": 2.0 * (place + 1), "parameters": 1000}
        | {"history": {"val_clip_accuracy": [0.2, 0.4]}}
        for place, name in enumerate(names)
        for seed in range(2)
    ]
    return {
        "machine": "a machine",
        "versions": {"keras": "3"},
        "settings": {"epochs": 2, "seeds": 2, "batch": 64},
        "clips": {"training": 80, "validation": 10, "testing": 100},
        "rows": summarize(rows, runs),
    }


def test_the_table_holds_mean_spread_worth_and_relative_time() -> None:
    """Mean and deviation over the seeds; differences to the row it names; time in units of the first row's."""
    page = render(figures(), MARKS)
    assert "old" not in page
    assert "| `40-bands` | what 40-bands is | 51.0 ± 1.4 % | +10.0 ± 2.0 | 1,000 | 4.00 |" in page
    assert "| (dropout-again) | what dropout-again is | 71.0 ± 1.4 % | +20.0 ± 2.0 | 1,000 | 6.00 |" in page
    assert "| `gru` | carries its state | 4.0 M | 2.5 M |" in page
    assert "40 times less" in page
    assert render(figures(), page) == page


def test_a_page_without_marks_is_refused() -> None:
    """Rather than written without its tables."""
    with pytest.raises(DataError, match="marks of 'costs' are missing"):
        render(figures(), MARKS.replace("costs", "cost"))


def test_page_and_plots_are_written_from_the_figures_alone(tmp_path: Path) -> None:
    """--page, then --check."""
    (tmp_path / "cnn-to-gru.json").write_text(json.dumps(figures()))
    page = tmp_path / "cnn-to-gru.md"
    page.write_text(MARKS)
    assert_fault(question("--check", "--docs", tmp_path), "--page")
    assert question("--page", "--docs", tmp_path).returncode == 0
    assert question("--check", "--docs", tmp_path).returncode == 0
    for name in ("accuracy", "learning", "cost"):
        assert (tmp_path / f"cnn-to-gru-{name}.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.skipif(not (ROOT / "docs" / "cnn-to-gru.json").exists(), reason="its figures are still being made")
def test_the_committed_page_is_made_from_the_committed_figures() -> None:
    """Every table and figure between marks, and every picture it shows is there."""
    docs = ROOT / "docs"
    page = (docs / "cnn-to-gru.md").read_text()
    assert render(json.loads((docs / "cnn-to-gru.json").read_text()), page) == page
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", page):
        assert (docs / picture).is_file(), picture
