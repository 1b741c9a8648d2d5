"""The bundled models on real recordings: the validation part and the development scenes (never the test part)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run

SCENES = ("dev-quiet", "dev-snr10", "dev-reading", "dev-ambience")


@pytest.mark.parametrize(("model", "carried_at_least"), [("gru-fp32", 0.95), ("gru-int8", 0.95), ("ds-cnn-int8", 0.92)])
def test_words_are_heard_on_a_carried_stream_as_well_as_alone(
    recordings: Path, run_command: Run, model: str, carried_at_least: float
) -> None:
    """2,010 validation clips, the state never reset; not more than a point under the same clips with a new state."""
    done = run_command("kws-eval", model, "--data", recordings, "--part", "validation", "--json")
    assert done.returncode == 0, done.stderr
    clips = json.loads(done.stdout)["clips"]
    assert clips["accuracy_words_carried"]["clips"] == 2010
    assert clips["accuracy_words_carried"]["share"] >= carried_at_least
    assert clips["accuracy_words_carried"]["share"] >= clips["accuracy_words_reset"]["share"] - 0.01


@pytest.mark.parametrize(("model", "frr_quiet", "frr_noisy"), [("gru-int8", 0.2, 0.4), ("gru-fp32", 0.2, 0.4)])
def test_the_stored_operating_point_keeps_its_budget(
    recordings: Path, run_command: Run, model: str, frr_quiet: float, frr_noisy: float
) -> None:
    """At most 5 false accepts in an hour of reading, none in 37 minutes of ambience, and the words still heard."""
    scenes = [recordings / "scenes" / f"{name}.wav" for name in SCENES]
    done = run_command("kws-eval", model, "--scene", *scenes, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["scenes"]
    assert figures["dev-reading"]["false_accepts"] <= 5
    assert figures["dev-ambience"]["false_accepts"] == 0
    assert figures["dev-quiet"]["frr"] <= frr_quiet
    assert figures["dev-snr10"]["frr"] <= frr_noisy
