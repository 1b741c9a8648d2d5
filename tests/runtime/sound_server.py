"""A real sound server, PulseAudio, with virtual microphones: what is played into one is heard by who listens."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\npcm.pulse { type pulse }\n"
START_SECONDS = 20


class SoundServer:
    """PulseAudio with a null sink `vmic`; in `environment` its monitor is the microphone "pulse"."""

    def __init__(self, folder: Path, form: str = "rate=16000 channels=1 format=s16le") -> None:
        """`form` is that of the sink, as module-null-sink takes it."""
        runtime, home = folder / "run", folder / "home"
        for place in (runtime, home):
            place.mkdir(mode=0o700, exist_ok=True)
        (home / ".asoundrc").write_text(ASOUNDRC)
        places = {"XDG_RUNTIME_DIR": runtime, "PULSE_RUNTIME_PATH": runtime / "pulse", "HOME": home}
        self.environment = {**os.environ, **{name: str(path) for name, path in places.items()}}
        self.environment["PULSE_SOURCE"] = "vmic.monitor"
        self._form = form
        self.start()

    def start(self) -> None:
        """Start, and return when it answers."""
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "-L", "module-native-protocol-unix"]
        command += ["-L", f"module-null-sink sink_name=vmic {self._form}"]
        self._process = subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "the sound server does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """The end that nobody announced."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        """The end."""
        self._process.terminate()
        self._process.wait(10)

    def play(self, wav: Path) -> None:
        """Play a recording into the microphone; return when it is over."""
        subprocess.run(["paplay", "-d", "vmic", str(wav)], env=self.environment, check=True, timeout=120)


def serve_sound(folder: Path, form: str = "rate=16000 channels=1 format=s16le") -> Iterator[SoundServer]:
    """A sound server for a fixture. Skips where PulseAudio is missing, never in CI."""
    missing = [name for name in ("pulseaudio", "paplay") if not shutil.which(name)]
    if missing:
        if os.environ.get("CI"):
            pytest.fail(f"{missing[0]} is missing in CI")
        pytest.skip("needs: apt install libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins")
    server = SoundServer(folder, form)
    try:
        yield server
    finally:
        server.stop()
