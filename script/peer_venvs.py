"""The peers of script/bench-peers: what each is, what it hears, and a venv for it with what pip says it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kws-edge" / "peers"
INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Peer:
    """A row: an adapter of script/peers with an argument, in a venv that rows may share."""

    name: str
    hears: str
    adapter: str
    argument: str
    venv: str  # a key of NEEDS

    @property
    def ours(self) -> bool:
        """Whether it is this project."""
        return self.adapter == "ours"


class PeerError(Exception):
    """A peer that cannot be installed, or does not run, in one line."""


OURS = "kws-edge"  # against which the others are told
EIGHT = "porcupine,computer,jarvis,alexa,terminator,bumblebee,blueberry,grasshopper"
PEERS = (
    Peer(OURS, "8 words: int8 GRU", "ours", "gru-int8", "kws-edge"),
    Peer("kws-edge-litert", "8 words: int8 GRU, ai-edge-litert", "ours", "gru-int8", "kws-edge-litert"),
    Peer("kws-edge-fp32", "8 words: float GRU", "ours", "gru-fp32", "kws-edge"),
    Peer("kws-edge-ds-cnn", "8 words: int8 DS-CNN", "ours", "ds-cnn-int8", "kws-edge"),
    Peer("pymicro-features", "nothing: a front end alone", "micro_features", "", "pymicro-features"),
    Peer("pymicro-wakeword", "1 wake word", "micro_wake_word", "okay_nabu", "pymicro-wakeword"),
    Peer("silero-vad", "no words: speech or not", "silero", "", "silero-vad"),
    Peer("porcupine", "1 wake word", "porcupine", "porcupine", "pvporcupine"),
    Peer("porcupine-8", "8 wake words", "porcupine", EIGHT, "pvporcupine"),
    Peer("pocketsphinx", "8 words, where there is speech", "sphinx", "speech", "pocketsphinx"),
    Peer("pocketsphinx-always", "8 words, all the time", "sphinx", "always", "pocketsphinx"),
    Peer("openwakeword", "1 wake word", "open_wake_word", "hey_jarvis", "openwakeword"),
    Peer("pyopen-wakeword", "1 wake word", "py_open_wake_word", "hey_jarvis", "pyopen-wakeword"),
)
NEEDS = {  # of a venv, as pip takes them
    "kws-edge": (str(ROOT),),
    # What pip installs for this project from Python 3.12 on, where tflite-runtime has no wheels.
    "kws-edge-litert": ("ai-edge-litert>=2.1", "numpy>=1.26", "sounddevice>=0.4.6", "soxr>=0.4"),
    "pymicro-features": ("pymicro-features>=2",),
    "pymicro-wakeword": ("pymicro-wakeword>=2.5",),
    "silero-vad": ("onnxruntime>=1.16.1", "numpy"),
    "pvporcupine": ("pvporcupine==1.9.5",),  # the last one that needs no access key
    "pocketsphinx": ("pocketsphinx>=5.1",),
    "openwakeword": ("openwakeword==0.5.1", "numpy<2"),  # the last one with its models in the wheel
    "pyopen-wakeword": ("pyopen-wakeword>=1.1",),
}
BARE = {  # installed last, without what they say they need
    "kws-edge": str(ROOT),
    "kws-edge-litert": str(ROOT),
    "silero-vad": "silero-vad>=6",  # wants torch, to hold arrays
}


@cache
def install(name: str) -> Path:
    """The Python of a venv, which is made unless it is there; this project is put into it anew each time.

    Raises PeerError with pip's last word.
    """
    folder, bare = CACHE / name, BARE.get(name)
    python, made = folder / "bin" / "python", folder / "made-of.json"
    wanted = json.dumps([sys.version, NEEDS[name], bare])
    is_there = made.is_file() and made.read_text() == wanted
    if not is_there:
        venv.create(folder, clear=True, with_pip=False)
        _pip(python, *NEEDS[name])
    if bare and (bare == str(ROOT) or not is_there):
        _pip(python, "--no-deps", "--force-reinstall", bare)
    made.write_text(wanted)
    return python


def _pip(python: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *arguments]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"pip took more than {INSTALL_SECONDS} s for {' '.join(arguments)}") from error
    except subprocess.CalledProcessError as error:
        faults = [line.strip() for line in error.stderr.splitlines() if "ERROR: " in line]
        raise PeerError(faults[-1] if faults else last_line(error.stderr)) from error


def last_line(text: str) -> str:
    """What a program that failed said in the end."""
    return text.strip().splitlines()[-1] if text.strip() else "it ended without a word"


def installed_mb(python: Path) -> float:
    """All that pip installed, in millions of bytes; the venvs have no pip."""
    files = python.parent.parent.glob("lib/*/site-packages/**/*")
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6
