"""`kws-doctor`: why are my words not heard? Checks the installation, the machine, the microphone and what it gives."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kws_runtime.audio import HOP_SAMPLES, Chunk, Gap, stream_wav
from kws_runtime.checkup import (
    FAULT,
    OK,
    WARNING,
    Finding,
    WordScore,
    check_dropouts,
    check_headroom,
    check_rate,
    check_signal,
    check_versions,
    check_words,
    fault_of,
)
from kws_runtime.cli import EXIT_ERROR, command_parser, run_command
from kws_runtime.devices import device_list, input_devices, load_sounddevice, number_or_name
from kws_runtime.errors import AudioError, KwsError, MissingError
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.listener import Listener
from kws_runtime.machine import installed_versions
from kws_runtime.microphone import Microphone
from kws_runtime.modelfile import read_model
from kws_runtime.native import native_chatter_shut
from kws_runtime.notice import Notice
from kws_runtime.wavfile import PcmFormat, read_header

EXAMPLES = """\
  kws-doctor                          say the words while it records for 6 seconds
  kws-doctor --device usb             another microphone
  kws-doctor my.tflite --seconds 15   another model, and more time
  kws-doctor --wav talk.wav           examine a recording in place of the microphone
  kws-doctor --json                   one JSON object, without a prompt

Each line is a finding: ok; ! words may be missed; x a fault. What to do stands under it.
Exit code: 0 no fault found, 1 a fault found or FILE cannot be read, 2 usage, 130 Ctrl-C."""

DISTRIBUTIONS = ("kws-edge", "numpy", "tflite-runtime", "ai-edge-litert", "onnxruntime", "sounddevice", "soxr")
MARKS = {OK: "ok", WARNING: "!", FAULT: "x"}
MARGIN = 16  # where what stands under a finding begins
DEFAULT_SECONDS, LONGEST_SECONDS = 6.0, 600.0
PATIENCE_S = 10.0  # for the first audio
WARM_UP_HOPS, MEASURED_HOPS = 50, 500  # a second and ten
LONGEST_MEASURING_S = 5.0  # a machine that is too slow does not get through them


@dataclass
class Recording:
    """What came, in order, and when by a clock in seconds."""

    chunks: list[Chunk] = field(default_factory=list)
    arrivals: list[tuple[float, int]] = field(default_factory=list)  # of chunks since the last gap, samples up to then

    def add(self, chunk: Chunk, now: float) -> None:
        """Take a chunk that came now."""
        self.chunks.append(chunk)
        if isinstance(chunk, Gap):
            self.arrivals = []
        elif len(chunk):
            self.arrivals.append((now, len(chunk) + (self.arrivals[-1][1] if self.arrivals else 0)))

    @property
    def samples(self) -> Samples:
        """All samples (n,), without the gaps."""
        return np.concatenate([np.zeros(0, np.float32), *(one for one in self.chunks if not isinstance(one, Gap))])


def all_versions() -> dict[str, str | None]:
    """Of Python and what the device side uses; None for what is not installed."""
    found = installed_versions(DISTRIBUTIONS)
    try:
        portaudio = load_sounddevice().get_portaudio_version()[1].partition(",")[0].removeprefix("PortAudio V")
    except MissingError:
        portaudio = None
    distributions = {name: found.get(name) for name in DISTRIBUTIONS}
    return {"Python": platform.python_version(), **distributions, "PortAudio": portaudio}


def measure_hops(listener: Listener) -> tuple[float, float]:
    """The share of a core that listening takes, and the time in seconds that 99 of 100 hops of 20 ms take at most."""
    hops = np.random.default_rng(0).standard_normal((WARM_UP_HOPS + MEASURED_HOPS, HOP_SAMPLES)).astype(np.float32)
    end = time.monotonic() + LONGEST_MEASURING_S
    taken: list[tuple[float, float]] = []
    for hop in hops / 100:
        wall, cpu = time.perf_counter(), time.process_time()
        listener.process(hop)
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
        if time.monotonic() > end:
            break
    listener.reset()
    measured = np.array(taken[WARM_UP_HOPS:] or taken)
    return float(measured[:, 1].mean() * SAMPLE_RATE / HOP_SAMPLES), float(np.quantile(measured[:, 0], 0.99))


def score_words(listener: Listener, chunks: Iterable[Chunk]) -> list[WordScore]:
    """How each word of the model came out in a recording."""
    info = listener.info
    decisions = [decision for chunk in chunks for decision in listener.decisions(chunk)]
    highest = np.max([np.zeros(len(info.labels), np.float32), *(decision.scores for decision in decisions)], axis=0)
    heard = [decision.event.label for decision in decisions if decision.event]
    return [
        WordScore(word, float(highest[info.labels.index(word)]), info.detection.thresholds[word], heard.count(word))
        for word in info.words
    ]


def record(microphone: Iterable[Chunk], seconds: float, prompt: str | None) -> Recording:
    """Some seconds from the first audio on, with a prompt on standard error when it comes.

    Raises AudioError where none comes.
    """
    recording, first = Recording(), None
    give_up = time.monotonic() + PATIENCE_S
    for chunk in microphone:
        now = time.monotonic()
        recording.add(chunk, now)
        if first is None and recording.arrivals:
            first = now
            if prompt:
                print(prompt, file=sys.stderr, flush=True)
        if now > (give_up if first is None else first + seconds):
            break
    if first is None:
        raise AudioError(f"no audio came for {PATIENCE_S:.0f} s; plug it in again, or take another one with --device")
    return recording


def _hear(args: argparse.Namespace, words: tuple[str, ...]) -> Generator[Finding, None, Recording | None]:
    """The findings of the microphone, and what it gave."""
    notices: list[Notice] = []
    try:
        values: dict[str, Any] = {"devices": [asdict(device) for device in input_devices()]}
        lines = tuple(device_list().splitlines())
        yield Finding("microphones", OK, "* is the default one", details=lines, values=values)
        with Microphone(args.device, notify=notices.append) as microphone:
            name, form = microphone.device.name, microphone.form
            values = {"device": name, **asdict(form)}
            yield Finding("microphone", OK, f"{name!r} gives {_describe(form)}", values=values)
            prompt = f"now say, for {args.seconds:g} seconds: {' '.join(words) or 'your words'}"
            recording = record(microphone, args.seconds, None if args.json else prompt)
    except KwsError as error:
        yield fault_of("microphone", error)
        return None
    lost = [notice for notice in notices if notice.kind == "lost"]
    if lost:
        yield Finding("microphone", FAULT, "it went away while it recorded", "try another cable, port or power supply")
    yield check_dropouts(microphone.overflows, microphone.seconds_lost, args.seconds)
    yield check_rate(recording.arrivals)
    return recording


def _read(wav: Path) -> Generator[Finding, None, Recording]:
    """What a WAV holds. Raises AudioError that names the file and the fault."""
    with wav.open("rb") as file:
        recording = Recording(list(stream_wav(file, str(wav))))
        file.seek(0)
        form, _ = read_header(file)
    if not len(recording.samples):
        raise AudioError(f"{wav}: holds no sound")
    seconds = len(recording.samples) / SAMPLE_RATE
    values = {"seconds": round(seconds, 2), **asdict(form)}
    yield Finding("recording", OK, f"{wav}: {seconds:.1f} s of {_describe(form)}", values=values)
    return recording


def _describe(form: PcmFormat) -> str:
    changes = ["mixed"] if form.channels > 1 else []
    changes += ["resampled"] if form.rate != SAMPLE_RATE else []
    as_it_is = f"{form.rate} Hz, {form.channels} channel{'s' if form.channels > 1 else ''}, {form.encoding}"
    return f"{as_it_is}; {' and '.join(changes)} to 16 kHz mono" if changes else as_it_is


def examine(args: argparse.Namespace) -> Iterator[Finding]:
    """All findings, as they are made."""
    yield from check_versions(all_versions())
    listener = None
    try:
        file = read_model(args.model)
        with native_chatter_shut():
            listener = Listener(file)
    except KwsError as error:
        yield fault_of("model", error)
    else:
        name, words = listener.info.name, listener.info.words
        values = {"model": name, "interpreter": listener.interpreter, "words": list(words)}
        yield Finding("model", OK, f"{name} on {listener.interpreter}, for: {' '.join(words)}", values=values)
        yield check_headroom(*measure_hops(listener))
    if args.wav:
        recording: Recording | None = yield from _read(args.wav)
    else:
        recording = yield from _hear(args, listener.info.words if listener else ())
    if recording is None:
        return
    findings = check_signal(recording.samples)
    yield from findings
    if listener and findings[0].check != "silence":
        good = all(finding.level == OK for finding in findings)
        yield check_words(score_words(listener, recording.chunks), good)


def _print(finding: Finding) -> None:
    print(f"{MARKS[finding.level]:3} {finding.check:11} {finding.text}")
    for line in (f"-> {finding.remedy}",) * bool(finding.remedy) + finding.details:
        print(f"{'':{MARGIN}}{line}")
    sys.stdout.flush()


def _doctor(args: argparse.Namespace) -> int:
    """Print the findings; return how many are faults."""
    findings = []
    for finding in examine(args):
        findings.append(finding)
        if not args.json:
            _print(finding)
    faults = sum(finding.level == FAULT for finding in findings)
    if args.json:
        print(json.dumps({"faults": faults, "findings": [finding.to_json() for finding in findings]}))
    return faults


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-doctor`; returns the exit code."""
    parser = command_parser("kws-doctor", "Find out why words are not heard.", EXAMPLES)
    parser.add_argument("model", nargs="?", metavar="MODEL", help="model file or bundled model (default: gru-int8)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--device", type=number_or_name, metavar="NAME", help="microphone: a number or a part of its name"
    )
    source.add_argument("--wav", type=Path, metavar="FILE", help="examine a recording in place of the microphone")
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT_SECONDS, metavar="N", help="of recording (default: %(default)g)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    args = parser.parse_args(arguments)
    if not 1 <= args.seconds <= LONGEST_SECONDS:
        parser.error(f"--seconds must lie between 1 and {LONGEST_SECONDS:g}")
    faults: list[int] = []
    code = run_command(lambda: faults.append(_doctor(args)))
    return EXIT_ERROR if code == 0 and faults != [0] else code
