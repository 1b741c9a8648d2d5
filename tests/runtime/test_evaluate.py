"""`kws-eval` on scenes and clips made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_runtime import Listener, read_model
from kws_runtime.accuracy import Item, accuracies, items_in, word_scores
from kws_runtime.audio import read_wav
from kws_runtime.clips import CLIP_SAMPLES, ITEM_SAMPLES, lay_clip
from kws_runtime.listen import DEMO
from tests.conftest import Run, assert_fault, cut_out_the_demos_words


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's words cut out as clips of one testing speaker, with a background clip; and the demo as a scene."""
    folder = tmp_path_factory.mktemp("spoken")
    cut_out_the_demos_words(folder)
    quiet = folder / "canonical" / "_silence_" / "a.wav"
    quiet.parent.mkdir(parents=True)
    soundfile.write(quiet, np.zeros(16_000, np.int16), 16_000)
    return folder


def part(folder: Path) -> str:
    from kws_runtime.corpus import part_of

    return part_of(next((folder / "words").glob("*/*.wav")))


def test_a_clip_is_centred_in_a_second_and_followed_by_quiet() -> None:
    """A longer one loses both ends; noise of -70 dBFS lies under all."""
    rng = np.random.default_rng(0)
    item = lay_clip(np.full(1000, 0.5, np.float32), rng)
    assert len(item) == ITEM_SAMPLES == 35 * 640
    assert np.flatnonzero(item > 0.4).tolist() == list(range(7500, 8500))
    assert 20 * np.log10(item[CLIP_SAMPLES:].std()) == pytest.approx(-70, abs=0.5)
    longer = lay_clip(np.arange(20_000, dtype=np.float32) / 20_000, rng)
    assert longer[0] == pytest.approx(0.1, abs=0.01)
    assert longer[15_999] == pytest.approx(0.9, abs=0.01)


def test_accuracy_counts_leading_words_and_background_below_one_half() -> None:
    """Hand-made scores: of three words two lead; of four clips two are answered right."""
    items = [Item(Path("a"), "go"), Item(Path("b"), "go"), Item(Path("c"), "up"), Item(Path("d"), None)]
    scores = np.array([[0.9, 0.1], [0.4, 0.1], [0.7, 0.3], [0.2, 0.3]], np.float32)
    figures = accuracies(scores, items, ("go", "up"))
    assert (figures["words"]["share"], figures["words"]["clips"]) == (0.6667, 3)
    assert (figures["all"]["share"], figures["all"]["clips"]) == (0.5, 4)


@pytest.mark.parametrize("model", ["gru-fp32", "ds-cnn-int8"])
def test_carried_scores_are_those_of_one_long_recording(spoken: Path, model: str) -> None:
    """Item by item over a carried state, or the whole stream at once and cut afterwards."""
    items = items_in(spoken, part(spoken), read_model(model).info.words)
    scores = word_scores(Listener(model), items, carried=True)
    rng = np.random.default_rng(0)
    listener = Listener(model)
    posteriors = listener.posteriors(np.concatenate([lay_clip(read_wav(item.path), rng) for item in items]))
    padded = np.concatenate([np.zeros((2, posteriors.shape[1]), np.float32), posteriors])
    smoothed = (padded[2:] + padded[1:-1] + padded[:-2]) / 3
    ends = np.array([round(listener.info.step_end(step) * 16_000) for step in range(len(posteriors))])
    for number, row in enumerate(scores):
        inside = (ends > number * ITEM_SAMPLES) & (ends <= (number + 1) * ITEM_SAMPLES)
        np.testing.assert_allclose(row, smoothed[inside, 1:].max(0), atol=1e-6)


def test_reset_scores_do_not_depend_on_what_came_before(spoken: Path) -> None:
    """The last item alone, but for the noise under it."""
    items = items_in(spoken, part(spoken), read_model().info.words)
    listener = Listener()
    before = word_scores(listener, items, carried=False)
    again = word_scores(listener, items, carried=False)
    np.testing.assert_array_equal(before, again)


def test_figures_of_clips_and_scenes_are_one_json_object(spoken: Path, run_command: Run) -> None:
    """Names of the design, each with its interval."""
    done = run_command("kws-eval", "--data", spoken, "--part", part(spoken), "--scene", DEMO, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    words = figures["clips"]["accuracy_words_carried"]
    assert words["clips"] == 8
    assert words["share"] >= 0.75
    assert words["interval"][0] <= words["share"] <= words["interval"][1]
    scene = figures["scenes"]["demo"]
    assert scene["hits"] >= 7
    assert scene["frr"] == pytest.approx(1 - scene["hits"] / 8)
    assert scene["false_accepts"] == 0


def test_the_table_for_people_has_a_line_for_each_figure(spoken: Path, run_command: Run) -> None:
    """No JSON."""
    text = run_command("kws-eval", "--data", spoken, "--part", part(spoken), "--scene", DEMO).stdout
    for name in ("accuracy_words_reset", "accuracy_words_carried", "demo", "FA/h", "FRR", "delay p50"):
        assert name in text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "nothing to evaluate"),
        (["--data", "nowhere"], 1, "nowhere/words: no such folder"),
        (["--scene", "nowhere.wav"], 1, "nowhere.json: missing"),
    ],
    ids=str,
)
def test_faults_of_the_user_are_one_line(
    run_command: Run, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    """And an exit code."""
    assert_fault(run_command("kws-eval", *arguments, cwd=tmp_path), says, code)
