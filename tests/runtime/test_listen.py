"""`kws-listen` as people and programs run it."""

from __future__ import annotations

import ctypes.util
import json
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import pytest

from kws_runtime.interpreter import INTERPRETERS
from kws_runtime.listen import DEMO
from tests.conftest import Run, assert_fault

LISTEN = Path(sys.executable).parent / "kws-listen"


def detections(text: str) -> list[dict[str, object]]:
    return [line for line in map(json.loads, text.splitlines()) if line["event"] == "detection"]


def demo_pcm() -> bytes:
    with wave.open(str(DEMO)) as reader:
        return reader.readframes(reader.getnframes())


def write_wav(path: Path, rate: int = 16_000, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as writer:
        writer.setframerate(rate)
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.writeframes(bytes(16_000 * channels * width))
    return path


def test_the_demo_prints_its_words_and_a_summary(run_command: Run) -> None:
    """What a newcomer sees first."""
    done = run_command("kws-listen", "--demo")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) >= 7
    assert "said: " in done.stdout
    hits, words, false_accepts = (int(part) for part in done.stderr.splitlines()[-1].split() if part.isdecimal())
    assert hits >= 7
    assert words == 8
    assert false_accepts == 0


def test_json_begins_with_ready_and_holds_one_object_a_line(run_command: Run) -> None:
    """What a program reads."""
    done = run_command("kws-listen", "--wav", DEMO, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["event"] == "ready"
    assert lines[0]["model"] == "gru-int8"
    assert len(lines[0]["words"]) == 8
    assert len(detections(done.stdout)) >= 7
    assert done.stderr == ""


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_greetings_of_native_libraries_are_not_seen(run_command: Run, interpreter: str) -> None:
    """One line of ours on standard error."""
    done = run_command("kws-listen", "gru-fp32", "--wav", DEMO, "--interpreter", interpreter)
    assert done.stderr.splitlines() == [
        f"gru-fp32 on {interpreter} listens to {DEMO} for: down go left no right stop up yes"
    ]


def test_wav_and_raw_on_standard_input_give_the_events_of_the_file(run_command: Run) -> None:
    """Three ways in, the same events."""
    expected = detections(run_command("kws-listen", "--wav", DEMO, "--json").stdout)
    with DEMO.open("rb") as file:
        piped = subprocess.run([LISTEN, "--wav", "-", "--json"], stdin=file, capture_output=True, text=True, check=True)
    raw = subprocess.run([LISTEN, "--raw", "--json"], input=demo_pcm(), capture_output=True, check=True)
    assert detections(piped.stdout) == expected
    assert detections(raw.stdout.decode()) == expected


def test_a_wav_from_a_pipe_whose_header_does_not_know_the_length_is_read_to_its_end(run_command: Run) -> None:
    """As ffmpeg and arecord write to pipes: the sizes are all ones."""
    expected = detections(run_command("kws-listen", "--wav", DEMO, "--json").stdout)
    header = bytearray(DEMO.read_bytes()[:44])
    header[4:8] = header[40:44] = b"\xff\xff\xff\xff"
    done = subprocess.run(
        [LISTEN, "--wav", "-", "--json"], input=bytes(header) + demo_pcm(), capture_output=True, check=True
    )
    assert detections(done.stdout.decode()) == expected


def test_an_event_is_printed_when_it_happens_not_at_the_end_of_the_stream() -> None:
    """Lines are flushed: a program on the other side of a pipe acts at once."""
    pcm = demo_pcm()
    with subprocess.Popen([LISTEN, "--raw", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        process.stdin.write(pcm[: 10 * 32_000])
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["event"] == "detection"
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_higher_threshold_hears_less(run_command: Run) -> None:
    """The model's own threshold is overridden."""
    few = detections(run_command("kws-listen", "--wav", DEMO, "--json", "--threshold", "1.0").stdout)
    assert len(few) < len(detections(run_command("kws-listen", "--wav", DEMO, "--json").stdout))


def fails(run_command: Run, *arguments: str | Path, says: str, code: int = 1, **options: object) -> None:
    assert_fault(run_command("kws-listen", *arguments, **options), says, code)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound at all, but text", DEMO.read_bytes()[:30]], ids=len)
def test_what_is_no_wav_is_one_clear_line(run_command: Run, tmp_path: Path, content: bytes) -> None:
    """Empty, cut off in the header, or something else."""
    (tmp_path / "a.wav").write_bytes(content)
    fails(run_command, "--wav", tmp_path / "a.wav", says="a.wav: not a WAV file")


def test_a_missing_wav_and_a_missing_model_are_one_clear_line(run_command: Run, tmp_path: Path) -> None:
    """The name is in it."""
    fails(run_command, "--wav", tmp_path / "nowhere.wav", says="nowhere.wav")
    fails(run_command, tmp_path / "nowhere.tflite", "--demo", says="nowhere.tflite")


def test_a_file_that_is_no_model_of_ours_is_one_clear_line(run_command: Run, tmp_path: Path) -> None:
    """A TFLite file of somebody else."""
    (tmp_path / "a.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(500))
    fails(run_command, tmp_path / "a.tflite", "--demo", says="not made by kws-export")


@pytest.mark.parametrize(
    "arguments",
    [["--threshold", "2"], ["--threshold", "x"], ["--smoothing", "0"], ["--demo", "--raw"], ["--what"]],
    ids=str,
)
def test_wrong_usage_is_exit_code_2(run_command: Run, arguments: list[str]) -> None:
    """With the usage."""
    fails(run_command, *arguments, says="usage: kws-listen", code=2)


def test_a_missing_portaudio_library_names_the_package(run_command: Run, tmp_path: Path) -> None:
    """sounddevice raises OSError on import where there is no PortAudio."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    fails(run_command, says="apt install libportaudio2", env={"PYTHONPATH": str(tmp_path)})


def test_an_interpreter_that_is_broken_is_said_not_passed_over(run_command: Run, tmp_path: Path) -> None:
    """Never another one in silence."""
    (tmp_path / "tflite_runtime").mkdir()
    (tmp_path / "tflite_runtime" / "__init__.py").touch()
    (tmp_path / "tflite_runtime" / "interpreter.py").write_text("raise ImportError('no such symbol')\n")
    fails(run_command, "--demo", says="cannot be imported: no such symbol", env={"PYTHONPATH": str(tmp_path)})


def test_no_microphone_is_one_clear_line(run_command: Run, tmp_path: Path) -> None:
    """A machine without one."""
    if not ctypes.util.find_library("portaudio"):
        assert not os.environ.get("CI"), "PortAudio is missing in CI"
        pytest.skip("needs: apt install libportaudio2")
    empty = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PULSE_SERVER": "unix:/nowhere"}
    for arguments in ([], ["--list-devices"], ["--device", "no such thing"]):
        fails(run_command, *arguments, says="no microphone found", env=empty)


@pytest.mark.parametrize("after_s", [1.5, 2.5])
def test_ctrl_c_ends_it_cleanly_with_130(after_s: float) -> None:
    """While it waits for audio."""
    command = [LISTEN, "--raw", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(after_s)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors == b""


def test_help_is_enough_to_use_it(run_command: Run) -> None:
    """Every source, the output, and examples."""
    text = run_command("kws-listen", "--help").stdout
    for part in ("--wav", "--raw", "--demo", "--device", "--json", "--threshold", "examples:", "gru-int8", "130"):
        assert part in text
