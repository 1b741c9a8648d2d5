"""The search for thresholds, on posteriors made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_runtime import read_model
from kws_runtime.det import THRESHOLDS, Recording, false_accepts, lowest_place
from kws_runtime.modelfile import ModelInfo
from kws_runtime.scoring import Truth
from kws_runtime.thresholds import (
    Noise,
    accepts_in,
    burst_peaks,
    missed_shares,
    one_threshold,
    tail_rates,
    threshold_per_word,
    tuning_curves,
)

STEP_S = 0.04
HOUR = 3600.0
GRID = np.array(THRESHOLDS)


@pytest.fixture(scope="module")
def info() -> ModelInfo:
    return read_model().info


def noise(info: ModelInfo, bursts: list[tuple[float, str, float]], fa_per_hour: float, seconds: float = HOUR) -> Noise:
    """A recording in which posteriors rise for 0.2 s: (time, word, peak) each."""
    times = np.arange(1, round(seconds / STEP_S) + 1) * STEP_S
    smoothed = np.zeros((len(times), len(info.labels)), np.float32)
    for time, word, peak in bursts:
        first = int(time / STEP_S)
        smoothed[first : first + 5, info.labels.index(word)] = peak
    return Noise("made", Recording(Truth("made", seconds, ()), smoothed, times), fa_per_hour)


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def test_one_threshold_is_the_lowest_that_keeps_every_budget(info: ModelInfo) -> None:
    """0.7, 0.6 and 0.5 in an hour, of which two may be; 0.65 in half an hour, of which none may be."""
    reading = noise(info, [(100.0, "go", 0.7), (200.0, "up", 0.6), (300.0, "no", 0.5)], 2.0)
    ambience = noise(info, [(100.0, "go", 0.65)], 1.9, HOUR / 2)
    assert one_threshold([reading], info) == dict.fromkeys(info.words, 0.505)
    assert one_threshold([reading, ambience], info) == dict.fromkeys(info.words, 0.655)


def test_the_threshold_is_sought_from_above(info: ModelInfo) -> None:
    """Five rises from 0.4 to 0.6: at 0.4 and below it never falls, and so rises but once."""
    made = noise(info, [(time, "go", 0.6) for time in (10.0, 20.0, 30.0, 40.0, 50.0)], 120.0, 60.0)
    column = made.recording.smoothed[:, info.labels.index("go")]
    column[:] = np.maximum(column, 0.4)
    assert one_threshold([made], info) == dict.fromkeys(info.words, 0.605)


def test_where_no_threshold_keeps_the_budget_there_is_none(info: ModelInfo) -> None:
    """A posterior of 1 passes the highest."""
    loud = noise(info, [(100.0, "go", 1.0)], 0.5)
    assert one_threshold([loud], info) is None
    assert threshold_per_word([loud], [np.full(5, 0.9, np.float32)] * len(info.words), info) is None


def test_false_accepts_and_the_lowest_threshold_are_those_of_det(info: ModelInfo) -> None:
    """On a random recording that is loud with bursts, so that many fall together."""
    rng = np.random.default_rng(1)
    bursts = [(at, str(rng.choice(info.words)), float(rng.uniform(0.1, 0.99))) for at in rng.uniform(0, 590, 400)]
    made = noise(info, bursts, 200.0, 600.0)
    counts = false_accepts([made.recording], info)[:, 0]
    for threshold, count in zip(THRESHOLDS[::20], counts[::20], strict=True):
        detection = dataclasses.replace(info.detection, thresholds=dict.fromkeys(info.words, threshold))
        assert len(accepts_in(made, info, detection)) == count
    place = lowest_place(counts[:, None], np.array([made.allowed]))
    assert place is not None
    assert one_threshold([made], info) == dict.fromkeys(info.words, THRESHOLDS[place])


def test_a_burst_is_what_no_second_of_quiet_parts(info: ModelInfo) -> None:
    """Its peak counts once; what stays low is none."""
    made = noise(info, [(10.0, "go", 0.4), (10.8, "go", 0.9), (13.0, "go", 0.5), (20.0, "go", 0.2)], 1.0, 60.0)
    assert burst_peaks(made.recording, info.labels.index("go")) == pytest.approx([0.9, 0.5])
    assert burst_peaks(made.recording, info.labels.index("up")).size == 0


def test_the_fitted_tail_is_that_of_many_bursts() -> None:
    """A thousand an hour over 0.25, the excess exponential with a mean of 1.5 logits."""
    logits = np.log(1 / 3) + np.random.default_rng(0).exponential(1.5, 10_000)
    (rates,) = tail_rates([sigmoid(logits)], 10.0)
    for threshold in (0.25, 0.5, 0.9):
        truth = 1000 * np.exp(-(np.log(threshold / (1 - threshold)) - np.log(1 / 3)) / 1.5)
        assert rates[list(THRESHOLDS).index(threshold)] == pytest.approx(truth, rel=0.05)


def test_a_word_with_few_bursts_is_drawn_to_the_others() -> None:
    """Its silence is no promise, and its tail falls as theirs does; nor is one loud burst a habit."""
    many = [sigmoid(np.random.default_rng(seed).exponential(1.0, 40) - 1) for seed in (0, 1)]
    none, loud = np.zeros(0, np.float32), sigmoid(np.array([7.0]))
    rates = tail_rates([*many, none, loud], 1.0)
    low, high = list(THRESHOLDS).index(0.5), list(THRESHOLDS).index(0.9)
    often, _, never, once = rates[:, high]
    assert often / 4 < never < often
    falls = np.log(rates[:, low] / rates[:, high]) / np.log(9)  # 1 / mean excess
    peaks = np.concatenate([*many, loud])
    assert falls[2] == pytest.approx(1 / np.mean(np.log(3 * peaks / (1 - peaks))), rel=0.05)
    assert falls[3] > 0.5
    assert once < often


def test_smoothed_misses_rise_from_none_to_all() -> None:
    """Half of the clips are missed at the middle of them; a word without clips has the misses of all."""
    clips = [sigmoid(np.random.default_rng(0).normal(1.0, 1.0, 500)), np.zeros(0, np.float32)]
    of_word, of_none = missed_shares(clips)
    assert (np.diff(of_word) >= 0).all()
    assert of_word[0] < 0.01
    assert of_word[-1] > 0.99
    assert of_word[np.searchsorted(GRID, 1 / (1 + np.exp(-1)))] == pytest.approx(0.5, abs=0.05)
    assert of_none == pytest.approx(of_word)


def test_words_are_parted_where_they_differ(info: ModelInfo) -> None:
    """'no' is often heard in the noise, 'up' never, and 'up' is said softly: its threshold may be low."""
    rng = np.random.default_rng(0)
    times = np.arange(30.0, 3500.0, 40.0)
    peaks = sigmoid(rng.exponential(1.5, len(times)) - 1)
    reading = noise(info, [(time, "no", float(peak)) for time, peak in zip(times, peaks, strict=True)], 3.0)
    clips = [sigmoid(rng.normal(1.5 if word == "up" else 4.0, 1.0, 200)) for word in info.words]
    parted, one = threshold_per_word([reading], clips, info), one_threshold([reading], info)
    assert parted
    assert one
    assert parted["up"] < one["up"]
    assert parted["up"] < parted["no"] - 0.1
    detection = dataclasses.replace(info.detection, thresholds=parted)
    assert len(accepts_in(reading, info, detection)) <= 3

    def missed(thresholds: dict[str, float]) -> float:
        return float(np.mean([(own < thresholds[word]).mean() for word, own in zip(info.words, clips, strict=True)]))

    assert missed(parted) < missed(one) - 0.02


def test_words_that_are_alike_are_hardly_parted(info: ModelInfo) -> None:
    """Whichever of them the few bursts of an hour happened to fall on."""
    rng = np.random.default_rng(3)
    clips = [sigmoid(rng.normal(3.0, 1.0, 300)) for _ in info.words]
    bursts = [
        (time, str(rng.choice(info.words)), float(sigmoid(rng.exponential(1.2) - 1)))
        for time in np.arange(50, 3500, 60)
    ]
    thresholds = threshold_per_word([noise(info, bursts, 5.0)], clips, info)
    assert thresholds
    logits = [np.log(threshold / (1 - threshold)) for threshold in thresholds.values()]
    assert max(logits) - min(logits) < 0.3


def test_the_curves_of_words_count_their_own_false_accepts(info: ModelInfo) -> None:
    """Those of all count once where two words burst together; the worst noise counts."""
    reading = noise(info, [(100.0, "go", 0.7), (100.2, "up", 0.6), (200.0, "up", 0.8)], 1.0)
    short = noise(info, [(100.0, "go", 0.6)], 1.0, HOUR / 4)
    clips = {word: np.array([0.5, 0.9] if word in ("go", "up") else [], np.float32) for word in info.words}
    curves = tuning_curves([reading, short], clips, info)
    assert list(curves) == ["all", "go", "up"]
    at = list(THRESHOLDS).index(0.55)
    assert {name: curve["fa_per_hour"][at] for name, curve in curves.items()} == {"all": 4.0, "go": 4.0, "up": 2.0}
    assert {name: curve["missed"][at] for name, curve in curves.items()} == {"all": 0.5, "go": 0.5, "up": 0.5}
    at = list(THRESHOLDS).index(0.65)
    assert [curves[name]["fa_per_hour"][at] for name in ("all", "go", "up")] == [2.0, 1.0, 1.0]
