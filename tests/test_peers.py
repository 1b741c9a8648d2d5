"""script/bench-peers: its arithmetic, and what it measures of ourselves."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import wave
from pathlib import Path

import pytest

from kws_runtime.listen import DEMO

SCRIPT = Path(__file__).parent.parent / "script"
sys.path.insert(0, str(SCRIPT))

import peer_page  # noqa: E402
import peer_venvs  # noqa: E402
from peers import measure  # noqa: E402


def test_a_ratio_is_of_two_figures_of_one_round() -> None:
    """A machine that was slow for a round was slow for both."""
    rounds = {"kws-edge": (2.0, 8.0, 3.0), "porcupine": (4.0, 16.0, 5.0)}
    results = {"peers": {name: {"rounds": [{"cpu": one} for one in each]} for name, each in rounds.items()}}
    assert peer_page.ratios(results, "porcupine", "cpu") == [0.5, 0.5, pytest.approx(0.6)]
    assert peer_page.ranged(peer_page.ratios(results, "porcupine", "cpu")) == "0.50 (0.50-0.60)"


def test_every_peer_has_an_adapter_and_a_venv() -> None:
    """No adapter is left over."""
    adapters = {path.stem for path in (SCRIPT / "peers").glob("*.py")} - {"measure", "work"}
    assert {peer.adapter for peer in peer_venvs.PEERS} == adapters
    assert {peer.venv for peer in peer_venvs.PEERS} == set(peer_venvs.NEEDS)


def test_our_own_adapter_hears_the_words_and_gives_every_figure(tmp_path: Path) -> None:
    """Seven minutes of the scene, in a process of its own."""
    stream = tmp_path / "stream.pcm"
    with wave.open(str(DEMO), "rb") as scene:
        pcm = scene.readframes(scene.getnframes())
    stream.write_bytes(pcm * (measure.SECONDS * scene.getframerate() // scene.getnframes() + 1))
    command = [sys.executable, SCRIPT / "peers" / "measure.py", "ours", "gru-int8", stream, str(time.monotonic_ns())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    figures = json.loads(done.stdout)
    scenes = measure.CPU_SECONDS * scene.getframerate() / scene.getnframes()
    assert figures["heard"] == pytest.approx(8 * scenes, rel=0.05)
    assert 0 < figures["p50_us"] <= figures["p99_us"]
    assert 0 < figures["start_cpu_s"] < 10
    assert 10 < figures["rss_mib"] < 200
