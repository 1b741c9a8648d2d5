"""Near misses of hand-made sequences of scores."""

from __future__ import annotations

import numpy as np
import pytest

from kws_runtime.detector import Detector
from kws_runtime.listener import Decision
from kws_runtime.modelfile import Detection
from kws_runtime.near_miss import NearMisses

LABELS = ("_background_", "go", "no")
DETECTION = Detection({"go": 0.8, "no": 0.4}, smoothing_steps=1)
STEP_S = 0.04
SECOND = 25  # steps


def near_misses(go: list[float], no: list[float] | None = None) -> list[tuple[int, str, float]]:
    """Step, label and score of each near miss in the scores of the two words, step by step."""
    detector, near = Detector(LABELS, DETECTION), NearMisses(LABELS, DETECTION)
    found = []
    for step, (one, other) in enumerate(zip(go, no or [0.0] * len(go), strict=True)):
        scores = np.array([1 - one - other, one, other], np.float32)
        time = step * STEP_S
        found.append(near.process(Decision(time, scores, detector.decide(scores, time))))
    found.append(near.finish())
    return [(round(miss.time / STEP_S), miss.label, round(miss.score, 3)) for miss in found if miss]


QUIET = [0.0] * 2 * SECOND


@pytest.mark.parametrize(
    ("go", "expected"),
    [
        ([*QUIET, 0.3, 0.5, 0.7, 0.6, *QUIET], [(52, "go", 0.7)]),
        ([*QUIET, 0.3, 0.39, *QUIET], []),
        ([*QUIET, 0.7, 0.8, 0.7, *QUIET], []),
        ([*QUIET, 0.5, 0.0, 0.6, 0.0, 0.5, *QUIET], [(52, "go", 0.6)]),
        ([*QUIET, 0.5, *QUIET, 0.6, *QUIET], [(50, "go", 0.5), (101, "go", 0.6)]),
        ([*QUIET, *[0.6] * 5 * SECOND, *QUIET], [(50, "go", 0.6)]),
        ([*QUIET, 0.5], [(50, "go", 0.5)]),
    ],
    ids=["peak", "too low", "event", "flicker", "two", "plateau", "at the end"],
)
def test_a_rise_that_does_not_reach_the_threshold_is_one_near_miss(
    go: list[float], expected: list[tuple[int, str, float]]
) -> None:
    """At its peak, from half of the threshold of 0.8 on."""
    assert near_misses(go) == expected


@pytest.mark.parametrize(("steps", "found"), [(SECOND - 5, 0), (SECOND + 5, 1)])
@pytest.mark.parametrize("first", ["event", "near miss"])
def test_an_event_within_a_second_leaves_no_near_miss(first: str, steps: int, found: int) -> None:
    """Before it or after it."""
    pause = [0.0] * steps
    scores = [0.9, *pause, 0.6] if first == "event" else [0.6, *pause, 0.9]
    assert len(near_misses([*scores, *QUIET])) == found


def test_a_word_whose_event_is_suppressed_was_no_near_miss() -> None:
    """It reached its threshold in the refractory time."""
    assert near_misses([*QUIET, 0.9, *[0.0] * 20, 0.9, *[0.0] * 20, 0.6, *QUIET]) == []


def test_it_is_named_after_the_word_that_came_nearest_to_its_own_threshold() -> None:
    """0.3 of 0.4 is more than 0.5 of 0.8."""
    assert near_misses([0.5, *QUIET], [0.3, *QUIET]) == [(0, "no", 0.3)]


def test_a_threshold_that_float32_rounds_down_is_reached_where_the_detector_has_it_reached() -> None:
    """0.9 in float32 is below 0.9."""
    detection = Detection({"go": 0.9, "no": 0.9}, smoothing_steps=1)
    detector, near = Detector(LABELS, detection), NearMisses(LABELS, detection)
    scores = np.array([0.1, 0.9, 0.0], np.float32)
    event = detector.decide(scores, 0.0)
    assert event
    assert near.process(Decision(0.0, scores, event)) is None
    assert near.finish() is None
