"""The wheel, installed alone in a clean venv, hears the demo."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"tensorflow", "keras", "scipy", "matplotlib", "onnx", "onnxruntime", "soundfile", "pooch"}
EXPECTED = {"cffi", "kws-edge", "numpy", "pip", "pycparser", "setuptools", "sounddevice", "soxr", "wheel"}
_LITERT_NEEDS = {"backports-strenum", "flatbuffers", "ml-dtypes", "protobuf", "tqdm", "typing-extensions"}
INTERPRETERS = {"tflite-runtime", "ai-edge-litert", *_LITERT_NEEDS}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a venv with nothing but the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=600)
    (wheel,) = folder.glob("kws_edge-*.whl")
    venv.create(folder / "venv", with_pip=True)
    bin_folder = folder / "venv" / "bin"
    subprocess.run([bin_folder / "pip", "install", "--quiet", wheel], check=True, capture_output=True, timeout=600)
    return bin_folder


def test_it_pulls_in_numpy_one_interpreter_sounddevice_and_soxr(clean: Path) -> None:
    """And nothing heavy."""
    listed = subprocess.run([clean / "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    names = {re.sub(r"[._]", "-", package["name"].lower()) for package in json.loads(listed.stdout)}
    assert not names & HEAVY
    assert names <= EXPECTED | INTERPRETERS, names - EXPECTED - INTERPRETERS
    assert len(names & {"tflite-runtime", "ai-edge-litert"}) == 1


def test_it_hears_the_demo(clean: Path, tmp_path: Path) -> None:
    """From another folder than the clone's."""
    done = subprocess.run([clean / "kws-listen", "--demo"], check=True, capture_output=True, text=True, cwd=tmp_path)
    hits, words, false_accepts = (int(part) for part in done.stderr.splitlines()[-1].split() if part.isdecimal())
    assert (hits >= 7, words, false_accepts) == (True, 8, 0)


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["kws-train", "gru", "--data", "."], "train"),
        (["kws-data", "mini", "--out", "."], "train"),
        (["kws-words", "."], "words"),
        (["kws-scene", "--words", ".", "--out", "a.wav"], "train"),
        (["kws-export", ".", "--int8"], "train"),
        (["kws-eval", "--data", ".", "--sweep", ".", "--plot", "a.png"], "plot"),
        (["kws-listen", "--wyoming", "tcp://127.0.0.1:0"], "wyoming"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_command_whose_extra_is_missing_says_which(
    clean: Path, tmp_path: Path, arguments: list[str], extra: str
) -> None:
    """One line, exit code 1."""
    command = [clean / arguments[0], *arguments[1:]]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert f'pip install "kws-edge[{extra}]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1
