"""Counting events, by hand-made sequences."""

from __future__ import annotations

import pytest
import scipy.stats

from kws_runtime.detector import Event
from kws_runtime.scoring import Truth, Word, poisson_interval, score_scene, wilson_interval

HOUR = 3600.0


def count(words: list[tuple[str, float, float]], events: list[tuple[float, str]]) -> tuple[int, int]:
    """Hits and false accepts."""
    truth = Truth("scene", HOUR, tuple(Word(*word) for word in words))
    score = score_scene([Event(time, label, 1.0) for time, label in events], truth)
    return score.hits, score.false_accepts


@pytest.mark.parametrize(("time", "hits"), [(9.99, 0), (10.0, 1), (10.5, 1), (11.5, 1), (11.51, 0)], ids=str)
def test_a_hit_lies_between_the_words_start_and_a_second_after_its_end(time: float, hits: int) -> None:
    """Outside it is a miss and a false accept."""
    assert count([("yes", 10.0, 10.5)], [(time, "yes")]) == (hits, 1 - hits)


def test_a_wrong_word_is_a_miss_and_a_false_accept() -> None:
    """Both at once."""
    assert count([("yes", 10.0, 10.5)], [(10.6, "no")]) == (0, 1)


def test_a_second_event_of_a_word_already_hit_is_neither() -> None:
    """It is no false accept."""
    assert count([("yes", 10.0, 10.5)], [(10.4, "yes"), (11.4, "yes")]) == (1, 0)


def test_where_two_words_of_a_label_overlap_each_gets_one_event() -> None:
    """An event goes to the one that has no hit yet."""
    assert count([("yes", 10.0, 10.5), ("yes", 11.0, 11.5)], [(11.2, "yes"), (11.4, "yes")]) == (2, 0)


def test_a_burst_of_false_accepts_is_counted_from_the_last_counted_one() -> None:
    """0.0 counts, 0.9 belongs to it, 1.8 is more than a second after the counted one, whatever its label."""
    assert count([], [(5.0, "yes"), (5.9, "no"), (6.8, "yes")]) == (0, 2)
    assert count([], [(5.0, "yes"), (6.0, "no")]) == (0, 1)


def test_rates_and_delays_follow_from_the_counts() -> None:
    """Per hour, per word, and seconds after the end."""
    truth = Truth("scene", HOUR / 2, (Word("yes", 1.0, 1.5), Word("no", 3.0, 3.4)))
    score = score_scene([Event(1.7, "yes", 1.0), Event(9.0, "go", 1.0)], truth)
    assert (score.frr, score.fa_per_hour) == (0.5, 2.0)
    assert score.delays == (pytest.approx(0.2),)


def test_a_scene_without_words_has_no_frr() -> None:
    """Nor a share of nothing."""
    assert "frr" not in score_scene([], Truth("scene", HOUR, ())).to_json()


@pytest.mark.parametrize("number", [0, 1, 5, 40])
def test_the_poisson_interval_is_scipys(number: int) -> None:
    """Against the quantiles of chi squared."""
    low = scipy.stats.chi2.ppf(0.025, 2 * number) / 2 if number else 0.0
    assert poisson_interval(number) == pytest.approx((low, scipy.stats.chi2.ppf(0.975, 2 * number + 2) / 2), abs=1e-6)


@pytest.mark.parametrize(("number", "total"), [(0, 10), (3, 10), (10, 10), (3200, 3429)])
def test_the_wilson_interval_is_scipys(number: int, total: int) -> None:
    """Against scipy's binomial test."""
    reference = scipy.stats.binomtest(number, total).proportion_ci(method="wilson")
    assert wilson_interval(number, total) == pytest.approx((reference.low, reference.high), abs=1e-6)


def endurance(last_misses: int, seconds: float = HOUR) -> dict[str, object]:
    """Figures of a scene with 20 words in its first ten minutes, 2 of them missed, and 20 in its last."""
    starts = [*range(10, 210, 10), *range(3010, 3210, 10)]
    words = tuple(Word("yes", start, start + 0.5) for start in starts)
    missed = {10, 20, *starts[20 : 20 + last_misses]}
    events = [Event(start + 0.6, "yes", 1.0) for start in starts if start not in missed]
    return score_scene(events, Truth("scene", seconds, words)).to_json()


def test_a_long_scene_tells_whether_it_ends_as_well_as_it_began() -> None:
    """The last ten minutes within the interval of the first, or better."""
    figures = endurance(last_misses=4)
    assert figures["frr_first"] == {"share": 0.1, "interval": [0.0279, 0.301], "words": 20}
    assert figures["frr_last"] == {"share": 0.2, "interval": [0.0807, 0.416], "words": 20}
    assert figures["frr_holds"] is True
    assert endurance(last_misses=0)["frr_holds"] is True
    assert endurance(last_misses=7)["frr_holds"] is False


def test_a_short_scene_does_not() -> None:
    """Under half an hour, or with no words at its end."""
    short = Truth("scene", 1799.0, (Word("yes", 1.0, 1.5), Word("yes", 1700.0, 1700.5)))
    assert "frr_first" not in score_scene([], short).to_json()
    assert "frr_first" not in endurance(last_misses=0, seconds=2 * HOUR)
