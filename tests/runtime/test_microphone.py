"""A real sound server with a virtual microphone: what is played into it is heard as the file is."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

from kws_runtime import Listener
from kws_runtime.audio import read_wav
from kws_runtime.listen import DEMO
from tests.conftest import Run
from tests.runtime.listening import Listening, listening
from tests.runtime.sound_server import SoundServer, serve_sound

README = Path(__file__).parents[2] / "README.md"
STEP_SAMPLES = 640
ALIGNED_S = 0.040  # the design's bound on times once the start is aligned
BACK_S = 5.0  # listening again so soon after the sound server is back


def furthest(heard: list[tuple[str, float]], samples: np.ndarray, phase: int) -> float:
    """The largest difference in time to the events of the file that begins `phase` samples into a step.

    Nobody knows at which sample of the listener's stream the sound server began to play: whole steps of it shift
    all events alike, the rest decides which samples a step sees.
    """
    listener = Listener()
    silence = np.zeros(25 * STEP_SAMPLES + phase, np.float32)
    expected = listener.process(np.concatenate([silence, samples]))
    if [label for label, _ in heard] != [event.label for event in expected]:
        return np.inf
    lag = np.array([at for _, at in heard]) - np.array([event.time for event in expected])
    return float(np.abs(lag - np.median(lag)).max())


def beginning(folder: Path, seconds: float = 10.0) -> Path:
    """The first words of the demo: it takes a while to play it all."""
    soundfile.write(folder / "beginning.wav", read_wav(DEMO)[: int(seconds * 16_000)], 16_000)
    return folder / "beginning.wav"


def hears(program: Listening, server: SoundServer, wav: Path) -> bool:
    """Play a recording; whether what was heard is what the file gives."""
    server.play(wav)
    time.sleep(1)
    code, errors = program.end(signal.SIGINT)
    assert (code, errors) == (130, "")
    heard, samples = program.detections(), read_wav(wav)
    assert len(heard) >= 2
    return min(furthest(heard, samples, phase) for phase in range(0, STEP_SAMPLES, 32)) <= ALIGNED_S + 1e-9


def test_a_recording_played_into_a_microphone_gives_the_events_of_the_file(
    sound_server: SoundServer, tmp_path: Path
) -> None:
    """The same labels in the same order, times within 40 ms once the start is aligned; Ctrl-C ends with 130."""
    with listening("--device", "pulse", environment=sound_server.environment) as program:
        program.wait_for("ready")
        time.sleep(3)  # the first callback of a fresh server takes up to 2 s
        assert hears(program, sound_server, beginning(tmp_path, 20.0))


def test_one_channel_of_a_microphone_of_48_khz_and_two_channels_hears_the_same(tmp_path: Path) -> None:
    """The second of two, picked here, not mixed by the sound server."""
    for server in serve_sound(tmp_path, "rate=48000 channels=2 format=float32le"):
        with listening("--device", "pulse", "--channel", "2", environment=server.environment) as program:
            program.wait_for("ready")
            time.sleep(3)
            assert hears(program, server, beginning(tmp_path))


def test_the_microphone_example_of_the_readme_prints_the_words(sound_server: SoundServer, tmp_path: Path) -> None:
    """With the virtual microphone for the one it names."""
    program = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1].replace('"usb"', '"pulse"')
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=sound_server.environment, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(4)
        sound_server.play(beginning(tmp_path))
        time.sleep(1)
        process.terminate()
        assert process.stdout is not None
        assert process.stdout.read().split() == ["yes", "left"]


def test_the_microphones_are_listed(sound_server: SoundServer, run_command: Run) -> None:
    """By number and name."""
    done = run_command("kws-listen", "--list-devices", env=sound_server.environment)
    assert done.returncode == 0
    assert "pulse" in done.stdout


def test_a_sound_server_that_is_killed_and_comes_back_is_heard_within_five_seconds(
    sound_server: SoundServer, tmp_path: Path
) -> None:
    """Lost and back are told, words are heard again, and SIGTERM ends with 0."""
    with listening("--device", "pulse", environment=sound_server.environment) as program:
        program.wait_for("ready")
        time.sleep(3)
        sound_server.kill()
        assert program.wait_for("lost")["device"] == "pulse"
        time.sleep(4)  # the attempts to open it come less often by then
        sound_server.start()
        returned = time.monotonic()
        back = program.wait_for("back")
        assert time.monotonic() - returned <= BACK_S
        assert back["seconds"] >= 4
        sound_server.play(beginning(tmp_path))
        program.wait_for("detection")
        code, errors = program.end(signal.SIGTERM)
    assert code == 0
    assert "Traceback" not in errors  # PortAudio's own lines about the lost server cannot be helped
    assert len(program.detections()) >= 2
    assert program.detections()[0][1] > back["seconds"] + 3  # the time of the gap counts
