"""Events from hand-made posteriors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_runtime.detector import Detector, events_in
from kws_runtime.modelfile import Detection

LABELS = ("_background_", "go", "left")
STEP_S = 0.04


def heard(go: list[float], left: list[float], **changes: float) -> list[tuple[float, str]]:
    """Events of two sequences of posteriors, without smoothing unless asked for."""
    settings_ = {"smoothing_steps": 1, "refractory_same_s": 0.2, "refractory_other_s": 0.08, **changes}
    detector = Detector(LABELS, Detection({"go": 0.5, "left": 0.6}, **settings_))  # type: ignore[arg-type]
    events = []
    for step, (one, other) in enumerate(zip(go, left, strict=True)):
        event = detector.process(np.array([1 - one - other, one, other], np.float32), step * STEP_S)
        if event:
            events.append((round(event.time / STEP_S), event.label))
    return events


def test_one_rise_is_one_event_however_long_it_stays_over() -> None:
    """A burst counts once."""
    assert heard([0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], [0] * 8) == [(1, "go")]


def test_exactly_at_the_threshold_is_over_it() -> None:
    """At or over."""
    assert heard([0, 0.5, 0], [0, 0, 0]) == [(1, "go")]


def test_each_word_has_its_own_threshold() -> None:
    """0.55 is enough for go, not for left."""
    assert heard([0, 0.55, 0], [0] * 3) == [(1, "go")]
    assert heard([0] * 3, [0, 0.55, 0]) == []


def test_the_same_word_waits_for_its_refractory_time() -> None:
    """A second rise 0.16 s later is too early, one 0.2 s later is not."""
    assert heard([0.9, 0, 0, 0, 0.9, 0, 0], [0] * 7) == [(0, "go")]
    assert heard([0.9, 0, 0, 0, 0, 0.9, 0], [0] * 7) == [(0, "go"), (5, "go")]


def test_another_word_waits_less() -> None:
    """ "go left" is two events."""
    assert heard([0.9, 0, 0, 0], [0, 0.9, 0, 0]) == [(0, "go")]
    assert heard([0.9, 0, 0, 0], [0, 0, 0.9, 0]) == [(0, "go"), (2, "left")]


def test_the_highest_score_wins() -> None:
    """Two words that rise at once are one event."""
    assert heard([0, 0.5], [0, 0.6], smoothing_steps=1) == [(1, "left")]


def test_smoothing_is_the_mean_of_the_last_steps_with_zeros_before_the_first() -> None:
    """A single high step of three is not enough."""
    assert heard([0.9, 0, 0, 0], [0] * 4, smoothing_steps=3) == []
    assert heard([0.9, 0.9, 0, 0], [0] * 4, smoothing_steps=3) == [(1, "go")]


def test_reset_forgets_refractory_time_and_posteriors() -> None:
    """After a reset a stream begins anew."""
    detector = Detector(LABELS, Detection({"go": 0.5, "left": 0.5}, smoothing_steps=1))
    loud = np.array([0, 1, 0], np.float32)
    assert detector.process(loud, 10.0) is not None
    assert detector.process(loud, 0.0) is None
    detector.reset()
    assert detector.process(loud, 0.0) is not None


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 0.5, 0.7]))
def test_the_quick_search_raises_the_very_events_of_the_stream(seed: int, threshold: float) -> None:
    """`events_in` leaves steps out; none that matters."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 0.4, (200, 3)), 0)
    posteriors = (np.exp(walk) / np.exp(walk).sum(1, keepdims=True)).astype(np.float32)
    config = Detection({"go": threshold, "left": threshold}, refractory_same_s=0.5)
    times = np.arange(200) * STEP_S
    detector = Detector(LABELS, config)
    streamed = [event for row, time in zip(posteriors, times, strict=True) if (event := detector.process(row, time))]
    smoother = Detector(LABELS, config)
    smoothed = np.array([smoother.smooth(row) for row in posteriors])
    assert events_in(smoothed, times, LABELS, config) == streamed


def test_an_event_as_json_has_the_keys_of_the_contract() -> None:
    """Programs read these."""
    detector = Detector(LABELS, Detection({"go": 0.5, "left": 0.5}, smoothing_steps=1))
    event = detector.process(np.array([0.07, 0.93, 0.0], np.float32), 12.34)
    assert event is not None
    assert event.to_json() == {"event": "detection", "time": 12.34, "label": "go", "score": pytest.approx(0.93)}
