"""`kws-doctor`: each thing that can be wrong is found, and nothing is found where all is well."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws_runtime import checkup, doctor
from kws_runtime.audio import Gap, read_wav
from kws_runtime.checkup import FAULT, OK, WARNING, Finding, WordScore
from kws_runtime.corpus import WORDS
from kws_runtime.errors import AudioError
from kws_runtime.frontend import Samples
from kws_runtime.listen import DEMO
from tests.conftest import Run, assert_fault
from tests.runtime.fake_sound import FakeSound, install
from tests.runtime.listening import interrupted
from tests.runtime.sound_server import SoundServer

DOCTOR = Path(sys.executable).parent / "kws-doctor"
SECONDS = 10


def speech(gain: float = 1.0) -> Samples:
    """Two words, "yes" and "left", loud parts at some -20 dBFS."""
    return read_wav(DEMO)[: SECONDS * 16_000] * np.float32(gain)


def noise(rms: float) -> Samples:
    return (rms * np.random.default_rng(2).standard_normal(SECONDS * 16_000)).astype(np.float32)


def hum(hz: float, rms: float) -> Samples:
    phase = 2 * np.pi * hz * np.arange(SECONDS * 16_000) / 16_000
    return (rms * np.sqrt(2) * np.sin(phase)).astype(np.float32)


SIGNALS = {
    "clipped": ((speech(30)).clip(-1, 1), "clipping", FAULT),
    "clipped here and there": ((speech(6)).clip(-1, 1), "clipping", WARNING),
    "offset": (speech(0.5) + np.float32(0.2), "DC offset", WARNING),
    "silent": (np.zeros(16_000, np.float32), "silence", FAULT),
    "stuck": (np.full(16_000, 0.3, np.float32), "silence", FAULT),
    "nobody speaks": (noise(0.001), "level", WARNING),
    "quiet": (speech(0.03), "level", WARNING),
    "too quiet": (speech(0.01) + noise(0.0001), "level", FAULT),
    "noisy": (speech() + noise(0.03), "noise", WARNING),
    "hum of Europe": (speech() + hum(50, 0.012), "hum", WARNING),
    "harmonic of America": (speech() + hum(120, 0.012), "hum", WARNING),
    "short": (speech()[:800], "level", WARNING),
}


def worse(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.check, finding.level) for finding in findings if finding.level != OK]


@pytest.mark.parametrize("name", SIGNALS)
def test_what_is_wrong_with_a_signal_is_found_and_nothing_else(name: str) -> None:
    """With the figure, and with what to do."""
    samples, check, level = SIGNALS[name]
    findings = checkup.check_signal(samples)
    assert worse(findings) == [(check, level)]
    assert all(finding.remedy for finding in findings if finding.level != OK)


def test_a_good_recording_has_nothing_wrong() -> None:
    """Level, noise, clipping, offset and hum are reported all the same."""
    findings = checkup.check_signal(speech())
    assert [finding.check for finding in findings] == ["level", "noise", "clipping", "DC offset", "hum"]
    assert worse(findings) == []


@pytest.mark.parametrize(("rms", "expected"), [(0.1, -20), (0.01, -40)])
def test_levels_are_in_db_of_full_scale(rms: float, expected: float) -> None:
    """Loud parts and noise of a steady noise are its RMS."""
    level, floor, *_ = checkup.check_signal(noise(rms))
    assert level.values["loud_dbfs"] == pytest.approx(expected, abs=1.0)
    assert floor.values["noise_dbfs"] == pytest.approx(expected, abs=1.0)


@pytest.mark.parametrize(("rate", "level"), [(16_000, OK), (16_100, OK), (16_300, WARNING), (14_700, FAULT)])
def test_the_rate_is_held_against_the_clock(rate: int, level: str) -> None:
    """In bursts, the first of them late, as sound servers give it. 14,700: 44.1 kHz that is called 48."""
    arrivals = [(max(0.3, 0.1 * (burst // 2 * 2)), round(rate * 0.1 * burst)) for burst in range(60)]
    finding = checkup.check_rate(arrivals)
    assert finding.level == level
    assert finding.values["samples_a_second"] == pytest.approx(rate, rel=0.005)


def test_a_rate_that_cannot_be_judged_is_no_fault() -> None:
    """Nothing came, or a moment only."""
    for arrivals in ([], [(5.0, 320)], [(0.1 * place, 1600 * place) for place in range(8)]):
        assert worse([checkup.check_rate(arrivals)]) == []


@pytest.mark.parametrize(
    ("share", "p99", "level"), [(0.05, 0.002, OK), (0.7, 0.018, WARNING), (0.3, 0.03, WARNING), (1.4, 0.05, FAULT)]
)
def test_a_machine_without_headroom_is_found(share: float, p99: float, level: str) -> None:
    """Too slow in the mean is a fault; too slow at times costs words."""
    assert checkup.check_headroom(share, p99).level == level


@pytest.mark.parametrize(("times", "lost", "level"), [(0, 0.0, OK), (1, 0.02, WARNING), (9, 1.0, FAULT)])
def test_dropouts_are_counted(times: int, lost: float, level: str) -> None:
    """Beyond a twentieth of the recording they are a fault."""
    assert checkup.check_dropouts(times, lost, 6.0).level == level


def test_numpy_2_with_tflite_runtime_is_a_fault() -> None:
    """The import succeeds, the interpreter does not."""
    assert worse(checkup.check_versions({"numpy": "1.26.4", "tflite-runtime": "2.14.0"})) == []
    assert worse(checkup.check_versions({"numpy": "2.1.0", "ai-edge-litert": "2.1.0", "tflite-runtime": None})) == []
    faulty = checkup.check_versions({"numpy": "2.1.0", "tflite-runtime": "2.14.0"})
    assert worse(faulty) == [("versions", FAULT)]
    assert faulty[-1].remedy == "pip install 'numpy<2'"


def test_words_tell_the_threshold_from_the_microphone() -> None:
    """Heard; nearly heard: a threshold that would have done; not at all."""
    heard = checkup.check_words([WordScore("no", 0.1, 0.8, 0), WordScore("go", 0.9, 0.8, 2)], True)
    assert (heard.level, heard.text) == (OK, "heard go")
    nearly = [WordScore("no", 0.1, 0.8, 0), WordScore("go", 0.714, 0.8, 0)]
    assert "--threshold 0.71 " in checkup.check_words(nearly, True).remedy
    far = [WordScore("no", 0.1, 0.8, 0), WordScore("go", 0.2, 0.8, 0)]
    for scores, signal_is_good in ((nearly, False), (far, True), (far, False)):
        finding = checkup.check_words(scores, signal_is_good)
        assert finding.level == WARNING
        assert finding.remedy
        assert "--threshold" not in finding.remedy


def test_a_good_recording_is_reported_in_aligned_lines(run_command: Run) -> None:
    """What a person reads; the exit code says that there is no fault."""
    done = run_command("kws-doctor", "--wav", DEMO)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    checks = [line.split()[1] for line in lines if line.startswith("ok")]
    assert checks == ["versions", "model", "headroom", "recording", "level", "noise", "clipping", "DC", "hum", "words"]
    assert all(line.startswith(("ok  ", " " * 16)) for line in lines)
    assert sum("heard" in line for line in lines) == 9


def test_json_is_one_object_and_a_fault_is_exit_code_1(run_command: Run, tmp_path: Path) -> None:
    """What a program reads: stereo, 48 kHz, far too loud."""
    soundfile.write(tmp_path / "a.wav", np.stack([np.repeat(speech(30).clip(-1, 1), 3)] * 2, axis=1), 48_000)
    done = run_command("kws-doctor", "--json", "--wav", tmp_path / "a.wav")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    found = {finding["check"]: finding for finding in report["findings"]}
    assert report["faults"] == 1
    assert (found["clipping"]["level"], found["clipping"]["peak"]) == (FAULT, 1.0)
    assert "48000 Hz, 2 channels" in found["recording"]["text"]
    assert {word["word"] for word in found["words"]["words"]} == set(WORDS)


def test_a_model_that_cannot_be_read_is_a_finding_and_the_rest_is_reported(run_command: Run, tmp_path: Path) -> None:
    """The microphone may be at fault too."""
    (tmp_path / "a.tflite").write_bytes(b"no model")
    done = run_command("kws-doctor", tmp_path / "a.tflite", "--wav", DEMO)
    assert (done.returncode, done.stderr) == (1, "")
    assert "x   model       " in done.stdout
    assert "ok  level" in done.stdout


def test_without_portaudio_all_the_rest_is_reported(run_command: Run, tmp_path: Path) -> None:
    """The package to install stands under the fault; a recording needs none."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    done = run_command("kws-doctor", env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "ok  headroom" in done.stdout
    assert done.stdout.splitlines()[-2:] == [
        "x   microphone  the PortAudio library is not installed",
        "                -> install it with: sudo apt install libportaudio2",
    ]
    assert run_command("kws-doctor", "--wav", DEMO, env=environment).returncode == 0


def test_what_is_no_recording_is_one_clear_line(run_command: Run, tmp_path: Path) -> None:
    """Missing, something else, or without a sample."""
    (tmp_path / "a.wav").write_bytes(b"no sound at all, but text")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    for name, says in (("nowhere.wav", "nowhere.wav"), ("a.wav", "not a WAV"), ("empty.wav", "holds no sound")):
        assert_fault(run_command("kws-doctor", "--json", "--wav", tmp_path / name), says)


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--seconds", "nan"], ["--wav", "a", "--device", "b"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage."""
    with pytest.raises(SystemExit) as ended:
        doctor.main(arguments)
    assert ended.value.code == 2
    assert "usage: kws-doctor" in capsys.readouterr().err


def findings_of(text: str) -> dict[str, dict[str, Any]]:
    """By check; the last of each."""
    return {finding["check"]: finding for finding in json.loads(text)["findings"]}


def test_words_played_into_a_real_microphone_are_heard(sound_server: SoundServer) -> None:
    """PulseAudio's virtual one, and its clock."""
    player = subprocess.Popen(["paplay", "-d", "vmic", DEMO], env=sound_server.environment)
    try:
        command = [DOCTOR, "--device", "pulse", "--seconds", "4.5"]
        done = subprocess.run(command, env=sound_server.environment, capture_output=True, text=True, timeout=60)
    finally:
        player.kill()
        player.wait()
    assert done.returncode == 0, done.stdout
    assert done.stderr == "now say, for 4.5 seconds: down go left no right stop up yes\n"
    for part in (
        "ok  microphone  'pulse' gives 16000 Hz, 1 channel",
        "ok  dropouts    none",
        "ok  words       heard yes",
    ):
        assert part in done.stdout
    assert "(+0." in done.stdout or "(-0." in done.stdout


def test_a_silent_microphone_is_a_fault(sound_server: SoundServer) -> None:
    """Nothing is played: zeros. Without a prompt, as a program runs it."""
    command = [DOCTOR, "--device", "pulse", "--seconds", "1", "--json"]
    done = subprocess.run(command, env=sound_server.environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "")
    assert findings_of(done.stdout)["silence"]["level"] == FAULT


def test_a_microphone_that_loses_audio_and_goes_away_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are faults of their own; what came is judged all the same."""
    sound = install(monkeypatch, FakeSound(channels=1, rate=16_000.0))

    def give() -> None:
        while sound.stream is None:
            time.sleep(0.01)
        for block in range(20):
            sound.give(speech()[53_000 + 320 * block :][:320], overflowed=block % 5 == 4)
        sound.devices.clear()
        sound.end()

    device = threading.Thread(target=give)
    device.start()
    code = doctor.main(["--json", "--seconds", "1"])
    device.join(10)
    found = findings_of(capsys.readouterr().out)
    assert code == 1
    assert found["dropouts"]["overflows"] == 4
    assert found["microphone"]["text"] == "it went away while it recorded"
    assert found["level"]["level"] == OK


def test_a_microphone_that_gives_nothing_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, not for ever."""
    monkeypatch.setattr(doctor, "PATIENCE_S", 0.05)

    def nothing() -> Iterator[Samples]:
        while True:
            time.sleep(0.01)
            yield np.zeros(0, np.float32)

    with pytest.raises(AudioError, match="no audio came"):
        doctor.record(nothing(), 1.0, "")


def test_what_comes_after_a_gap_is_what_the_rate_is_judged_by() -> None:
    """The clock went on in it, the samples did not."""
    recording = doctor.Recording()
    for now, chunk in enumerate([np.ones(10, np.float32), Gap(5.0, "lost"), np.ones(3, np.float32)]):
        recording.add(chunk, float(now))
    assert recording.arrivals == [(2.0, 3)]
    assert len(recording.samples) == 13


SILENT_SOUNDDEVICE = """
PortAudioError = ValueError
default = type("Default", (), {"device": (0, 0)})
get_portaudio_version = lambda: (0, "PortAudio V19.6.0-devel, revision unknown")
query_devices = lambda: [{"name": "usb", "max_input_channels": 1, "default_samplerate": 16000.0}]
class RawInputStream:
    def __init__(self, **settings): pass
    def start(self): pass
    abort = close = start
"""


def test_ctrl_c_while_it_records_ends_it_with_130(tmp_path: Path) -> None:
    """No report, no traceback."""
    (tmp_path / "sounddevice.py").write_text(SILENT_SOUNDDEVICE)
    assert interrupted([DOCTOR], "gives 16000 Hz", env={"PYTHONPATH": str(tmp_path)}, seconds=10) == (130, "")
