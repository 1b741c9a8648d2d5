"""Speech synthesizers, and what makes a clip of what they say."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from itertools import product
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import soundfile
from scipy.signal import resample_poly

from kws_runtime.errors import AudioError, DataError, MissingError
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_train.augment import speech_bounds
from kws_train.data import Pcm

PEAK = 0.5
LONGEST_S = 1.5
QUIET_S = (0.05, 0.1)  # kept before and after the sound
BELOW_PEAK_DB = 45.0  # the sound ends here: an s or an f is this weak
SHORTEST_PAUSE = 8  # frames of 10 ms; the closure of a stop consonant lasts less
SILENT = 1e-3  # a peak below this is no speech
TIMEOUT_S = 30.0  # for one word; a synthesizer takes milliseconds


class Engine(Protocol):
    """A synthesizer. It may be asked from several threads; the same generator state gives the same sound."""

    name: str

    def voices(self, word: str) -> tuple[str, ...]:
        """The voices that are fit to say this word."""

    def speak(self, word: str, voice: str, rng: np.random.Generator) -> tuple[Samples, int]:
        """Say one word: float32 samples (n,) and their rate. Raises AudioError where the synthesizer fails."""


def _say(command: list[str]) -> tuple[Samples, int]:
    """Run a command that writes the file appended to it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "said.wav")
        try:
            done = subprocess.run([*command, str(file)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
            if done.returncode != 0:
                raise AudioError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()[-200:]}")
            return soundfile.read(file, dtype="float32")
        except (soundfile.LibsndfileError, subprocess.TimeoutExpired) as error:
            raise AudioError(f"{command[0]}: no speech came: {error}") from error


class Flite:
    """CMU Flite by its command. Speed and pitch vary."""

    name = "flite"
    pitch_hz: ClassVar = {"awb": 135.0, "kal16": 105.0, "rms": 100.0, "slt": 170.0}
    # Under 30 % of these were heard as the word by the bundled model of 0.1.0.
    unfit: ClassVar = {"down": {"awb"}, "up": {"kal16", "slt"}}

    def __init__(self) -> None:
        _need_command("flite")

    def voices(self, word: str) -> tuple[str, ...]:
        return tuple(voice for voice in self.pitch_hz if voice not in self.unfit.get(word, ()))

    def speak(self, word: str, voice: str, rng: np.random.Generator) -> tuple[Samples, int]:
        stretch, pitch = rng.uniform(0.8, 1.3), self.pitch_hz[voice] * rng.uniform(0.85, 1.2)
        settings = ["--setf", f"duration_stretch={stretch:.3f}", "--setf", f"int_f0_target_mean={pitch:.1f}"]
        return _say(["flite", "-voice", voice, *settings, "-t", word, "-o"])


class EspeakNg:
    """eSpeak NG by its command: accents and variants (male, female); speed and pitch vary."""

    name = "espeak-ng"
    accents = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
    variants = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")
    # Accents of whose clips under 30 % were heard as the word by the bundled model of 0.1.0.
    unfit: ClassVar = {
        "down": {"en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd"},
        "go": {"en-gb-scotland", "en-gb-x-gbclan", "en-029"},
        "left": {"en-gb-x-gbcwmd", "en-029"},
        "stop": {"en-gb-scotland", "en-gb-x-gbclan", "en-029"},
    }

    def __init__(self) -> None:
        _need_command("espeak-ng")

    def voices(self, word: str) -> tuple[str, ...]:
        fit = [accent for accent in self.accents if accent not in self.unfit.get(word, ())]
        return tuple(f"{accent}+{variant}" for accent, variant in product(fit, self.variants))

    def speak(self, word: str, voice: str, rng: np.random.Generator) -> tuple[Samples, int]:
        speed, pitch = int(rng.integers(110, 191)), int(rng.integers(30, 71))
        return _say(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), word, "-w"])


def _need_command(name: str) -> None:
    if not shutil.which(name):
        raise MissingError(f"{name} is not installed; install it with: apt-get install {name}")


def between_pauses(sound: Samples, rate: int) -> Samples:
    """What lies between the two longest pauses of a sound (n,). Raises AudioError where there are no two."""
    frame = rate // 100
    energy = np.square(sound[: len(sound) // frame * frame]).reshape(-1, frame).mean(1)
    loud = np.flatnonzero(energy > energy.max() * 10 ** (-BELOW_PEAK_DB / 10))
    gaps = np.diff(loud)
    if np.count_nonzero(gaps >= SHORTEST_PAUSE) < 2:
        raise AudioError("no pauses around the word")
    one, two = sorted(np.argsort(gaps)[-2:])
    return sound[(loud[one + 1] - 2) * frame : (loud[two] + 4) * frame]


def make_clip(sound: Samples, rate: int) -> Pcm:
    """A clip (n,) of 16 kHz: the sound between short quiet, at one level.

    Raises AudioError where there is nothing to hear.
    """
    if len(sound) == 0 or np.abs(sound).max() < SILENT:
        raise AudioError("silence")
    resampled = resample_poly(sound, SAMPLE_RATE, rate).astype(np.float32)
    before, after = (int(seconds * SAMPLE_RATE) for seconds in QUIET_S)
    quiet = np.pad(resampled, 2 * after)  # enough that the quietest tenth of the frames is silence
    start, end = speech_bounds(quiet, below_peak_db=BELOW_PEAK_DB)
    clip = quiet[start - before : end + after][: int(LONGEST_S * SAMPLE_RATE)]
    return np.round(clip * (PEAK / np.abs(clip).max()) * 32767).astype(np.int16)


class Piper:
    """Piper (the package piper-tts) with one voice file; its speakers, the speed and the pitch vary."""

    name = "piper"
    # A lone word comes out clipped: it is spoken between pauses and cut from them.
    carrier = "again: {}, again."

    def __init__(self, voice: Path) -> None:
        """Raises MissingError without the package, DataError for a file that is no voice."""
        try:
            from piper import PiperVoice, SynthesisConfig
        except ModuleNotFoundError as error:
            raise MissingError(f"{error.name} is not installed; install it with: pip install piper-tts") from error
        try:
            self._voice = PiperVoice.load(voice)
        except (OSError, ValueError, KeyError, RuntimeError) as error:  # RuntimeError: onnxruntime's faults
            raise DataError(f"{voice}: not a voice of Piper (.onnx, and .onnx.json beside it): {error}") from error
        self._how, self._lock = SynthesisConfig, threading.Lock()  # its phonemizer is one for the process
        speakers = self._voice.config.num_speakers
        self._speakers = {
            f"{voice.stem}+{number}" if speakers > 1 else voice.stem: number for number in range(speakers)
        }

    def voices(self, word: str) -> tuple[str, ...]:
        return tuple(self._speakers)

    def speak(self, word: str, voice: str, rng: np.random.Generator) -> tuple[Samples, int]:
        slower, higher = rng.uniform(0.9, 1.4), rng.uniform(0.9, 1.12)
        # Without the model's own noise: that cannot be seeded.
        speaker = self._speakers[voice] if len(self._speakers) > 1 else None
        how = self._how(speaker_id=speaker, length_scale=slower * higher, noise_scale=0.0, noise_w_scale=0.0)
        with self._lock:
            chunks = list(self._voice.synthesize(self.carrier.format(word), how))
        sound = np.concatenate([chunk.audio_float_array for chunk in chunks])
        rate = self._voice.config.sample_rate
        return between_pauses(sound, rate), round(rate * higher)
