"""What several tests need: a small corpus of tones for words, and a run trained on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from kws_runtime.audio import read_wav
from kws_runtime.corpus import WORDS, part_of
from kws_runtime.listen import DEMO
from kws_runtime.scoring import read_truth

CLIPS_A_PART = {"training": 6, "validation": 2, "testing": 2}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """What tests/latency takes; it stands here so that `pytest` alone knows it too."""
    latency = parser.getgroup("latency", "tests/latency")
    latency.addoption("--model", metavar="MODEL", help="file or bundled model whose latency is tested")
    latency.addoption(
        "--seconds", type=float, default=10.0, metavar="S", help="of audio in real time, for each test (default: 10)"
    )


@pytest.fixture(scope="session", autouse=True)
def no_tensorflow_here() -> Iterator[None]:
    """tflite-runtime crashes where TensorFlow was imported: tests import it in processes of their own."""
    yield
    assert "tensorflow" not in sys.modules


@pytest.fixture(scope="session")
def run_command() -> Run:
    """Runs a command of ours by its installed name, in a process of its own."""

    def run(name: str, *arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / name), *map(str, arguments)]
        settings: dict[str, object] = {"capture_output": True, "text": True, "timeout": 600, "check": False}
        return subprocess.run(command, **(settings | options))  # type: ignore[call-overload, no-any-return]

    return run


def assert_fault(done: subprocess.CompletedProcess[str], says: str, code: int = 1) -> None:
    """A fault of the user: the exit code, one line that says what (usage, with code 2, has more), no traceback."""
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    if code == 1:
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1, done.stderr


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    """A tone of 0.4 s in the middle of quiet: what stands for a word here."""
    samples = 0.001 * np.random.default_rng(int(hz)).standard_normal(int(seconds * 16_000))
    at = slice(int(0.3 * 16_000), int(0.7 * 16_000))
    samples[at] += 0.4 * np.sin(2 * np.pi * hz * np.arange(len(samples))[at] / 16_000)
    return samples


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """words/<word>/*.wav in all three parts, read speech with transcripts, noise."""
    import soundfile  # a device has none, and runs tests/latency

    folder = tmp_path_factory.mktemp("corpus")
    for place, word in enumerate((*WORDS, "bed", "cat", "off", "on")):
        wanted = dict(CLIPS_A_PART)
        speaker = 0
        while any(wanted.values()):
            name = f"{speaker:08x}_nohash_0.wav"
            speaker += 1
            if wanted[part_of(name)]:
                wanted[part_of(name)] -= 1
                path = folder / "words" / word / name
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, tone(300 + 300 * place + speaker), 16_000, subtype="PCM_16")
    for side in ("train", "dev"):
        for kind, seconds in (("speech", 6.0), ("noise", 3.0)):
            path = folder / kind / side / "a.wav"
            path.parent.mkdir(parents=True)
            samples = 0.1 * np.random.default_rng(len(side)).standard_normal(int(seconds * 16_000))
            soundfile.write(path, samples, 16_000, subtype="PCM_16")
        (folder / "speech" / side / "transcripts.txt").write_text("a\tit is a fine day\n")
    return folder


def cut_out_the_demos_words(folder: Path) -> None:
    """The demo's words as clips of one testing speaker, `folder/words/<word>/*.wav`."""
    import soundfile

    samples = read_wav(DEMO)
    for word in read_truth(DEMO.with_suffix(".json")).words:
        path = folder / "words" / word.label / "0000000b_nohash_0.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, samples[int(word.start * 16_000) - 2000 : int(word.end * 16_000) + 2000], 16_000)


@pytest.fixture(scope="session")
def tiny_runs(tmp_path_factory: pytest.TempPathFactory, corpus: Path, run_command: Run) -> dict[str, Path]:
    """A run of each architecture, trained for a moment; what it heard does not matter."""
    folder = tmp_path_factory.mktemp("runs")
    runs = {}
    for architecture in ("gru", "ds-cnn"):
        runs[architecture] = folder / architecture
        done = run_command(
            "kws-train",
            architecture,
            "--data",
            corpus,
            "--out",
            runs[architecture],
            "--epochs",
            "2",
            "--chunks",
            "3",
            "--size",
            "m",
        )
        assert done.returncode == 0, done.stderr
    return runs


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The recordings laid out (KWS_DATA names the folder). Tests that need them skip without, never in CI."""
    folder = os.environ.get("KWS_DATA")
    if folder:
        return Path(folder)
    if os.environ.get("CI"):
        pytest.fail("KWS_DATA is not set in CI")
    pytest.skip("needs the recordings; lay them out and set KWS_DATA to their folder")
