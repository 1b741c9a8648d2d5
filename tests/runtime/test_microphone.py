"""A real sound server with a virtual microphone: what is played into it is heard as the file is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kws_runtime import Listener
from kws_runtime.audio import read_wav
from kws_runtime.listen import DEMO
from tests.conftest import Run

LISTEN = Path(sys.executable).parent / "kws-listen"
ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\npcm.pulse { type pulse }\n"
STEP_SAMPLES = 640
ALIGNED_S = 0.040  # the design's bound on times once the start is aligned


@pytest.fixture
def sound_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """PulseAudio with a null sink; yields the environment in which its monitor is the microphone."""
    missing = [name for name in ("pulseaudio", "paplay") if not shutil.which(name)]
    if missing:
        if os.environ.get("CI"):
            pytest.fail(f"{missing[0]} is missing in CI")
        pytest.skip("needs: apt install libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins")
    runtime, home = tmp_path / "run", tmp_path / "home"
    runtime.mkdir(mode=0o700)
    home.mkdir(mode=0o700)
    (home / ".asoundrc").write_text(ASOUNDRC)
    places = {"XDG_RUNTIME_DIR": runtime, "PULSE_RUNTIME_PATH": runtime / "pulse", "HOME": home}
    environment = {**os.environ, **{name: str(path) for name, path in places.items()}, "PULSE_SOURCE": "vmic.monitor"}
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "-L", "module-native-protocol-unix"]
    command += ["-L", "module-null-sink sink_name=vmic rate=16000 channels=1 format=s16le"]
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "the sound server does not answer"
            time.sleep(0.2)
        yield environment
    finally:
        server.terminate()
        server.wait(10)


def detections(lines: list[str]) -> list[tuple[str, float]]:
    found = [json.loads(line) for line in lines]
    return [(line["label"], line["time"]) for line in found if line["event"] == "detection"]


def test_a_recording_played_into_a_microphone_gives_the_events_of_the_file(
    sound_server: dict[str, str], run_command: Run
) -> None:
    """The same labels in the same order, times within 40 ms once the start is aligned; Ctrl-C ends with 130."""
    command = [LISTEN, "--device", "pulse", "--json"]
    with subprocess.Popen(
        command, env=sound_server, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listener:
        assert listener.stdout is not None
        assert json.loads(listener.stdout.readline())["event"] == "ready"
        time.sleep(3)  # the first callback of a fresh server takes up to 2 s
        subprocess.run(["paplay", "-d", "vmic", str(DEMO)], env=sound_server, check=True, timeout=120)
        time.sleep(1)
        listener.send_signal(signal.SIGINT)
        output, errors = listener.communicate(timeout=20)
    assert listener.returncode == 130
    assert "Traceback" not in errors
    heard = detections(output.splitlines())
    assert len(heard) >= 7
    assert min(furthest(heard, phase) for phase in range(0, STEP_SAMPLES, 32)) <= ALIGNED_S + 1e-9


def furthest(heard: list[tuple[str, float]], phase: int) -> float:
    """The largest difference in time to the events of the file that begins `phase` samples into a step.

    Nobody knows at which sample of the listener's stream the sound server began to play: whole steps of it shift
    all events alike, the rest decides which samples a step sees.
    """
    listener = Listener()
    silence = np.zeros(25 * STEP_SAMPLES + phase, np.float32)
    expected = listener.process(np.concatenate([silence, read_wav(DEMO)]))
    if [label for label, _ in heard] != [event.label for event in expected]:
        return np.inf
    lag = np.array([at for _, at in heard]) - np.array([event.time for event in expected])
    return float(np.abs(lag - np.median(lag)).max())


def test_the_microphones_are_listed(sound_server: dict[str, str], run_command: Run) -> None:
    """By number and name."""
    done = run_command("kws-listen", "--list-devices", env=sound_server)
    assert done.returncode == 0
    assert "pulse" in done.stdout
