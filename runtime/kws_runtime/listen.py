"""`kws-listen`: print the words that are heard."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from kws_runtime.audio import HOP_SAMPLES, stream_raw, stream_wav
from kws_runtime.cli import command_parser, native_chatter_shut, run_command
from kws_runtime.detector import Event
from kws_runtime.frontend import Samples
from kws_runtime.interpreter import INTERPRETER_NAMES
from kws_runtime.listener import Listener
from kws_runtime.microphone import Microphone, device_list
from kws_runtime.modelfile import Detection, ModelInfo, read_model
from kws_runtime.scoring import Truth, read_truth, score_scene

EXAMPLES = """\
  kws-listen                              listen to the microphone with the bundled int8 GRU
  kws-listen --demo                       no microphone? hear a recorded scene
  kws-listen --wav talk.wav --json        a 16 kHz mono 16-bit WAV; one JSON object a line
  kws-listen my.tflite --threshold 0.9    another model, stricter
  arecord -q -r 16000 -f S16_LE -t raw | kws-listen --raw
  sox talk.mp3 -r 16000 -c 1 -b 16 -t wav - | kws-listen --wav -

MODEL is a file written by kws-export or the name of a bundled model: gru-int8 (the default),
gru-fp32, ds-cnn-int8. Exit code: 0 end of the audio, 1 error, 2 usage, 130 Ctrl-C."""

DEMO = Path(__file__).parent / "demo" / "demo.wav"
BAR_WIDTH = 20


def _device(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("kws-listen", "Print the words that are heard, as they are heard.", EXAMPLES)
    parser.add_argument("model", nargs="?", metavar="MODEL", help="model file or bundled model (default: gru-int8)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--wav", metavar="FILE", help="listen to a WAV file (16 kHz, mono, 16 bit); - reads standard input"
    )
    source.add_argument("--raw", action="store_true", help="listen to raw PCM on standard input (16 kHz, mono, s16le)")
    source.add_argument("--demo", action="store_true", help="listen to the bundled scene and compare with its truth")
    source.add_argument("--device", type=_device, metavar="NAME", help="microphone: a number or a part of its name")
    source.add_argument("--list-devices", action="store_true", help="name the microphones and stop")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="posterior that a word must reach (default: the model's)"
    )
    parser.add_argument("--smoothing", type=int, metavar="N", help="mean of N steps of 40 ms (default: the model's)")
    parser.add_argument(
        "--refractory", type=float, metavar="S", help="seconds before the same word again (default: the model's)"
    )
    parser.add_argument("--interpreter", choices=sorted(INTERPRETER_NAMES), help="default: the first that is installed")
    args = parser.parse_args(arguments)
    if args.threshold is not None and not 0 < args.threshold <= 1:
        parser.error("--threshold must lie between 0 and 1")
    if args.smoothing is not None and not 1 <= args.smoothing <= 1000:
        parser.error("--smoothing must lie between 1 and 1000")
    if args.refractory is not None and not 0 <= args.refractory < float("inf"):
        parser.error("--refractory must be at least 0")
    return args


def _detection(info: ModelInfo, args: argparse.Namespace) -> Detection:
    """The model's own detection with what the command line overrides."""
    changes: dict[str, Any] = {}
    if args.threshold is not None:
        changes["thresholds"] = dict.fromkeys(info.words, args.threshold)
    if args.smoothing is not None:
        changes["smoothing_steps"] = args.smoothing
    if args.refractory is not None:
        changes["refractory_same_s"] = args.refractory
    return dataclasses.replace(info.detection, **changes)


@contextlib.contextmanager
def _source(args: argparse.Namespace) -> Iterator[tuple[str, Iterable[Samples]]]:
    """What is listened to: its name and its samples."""
    if args.raw:
        yield "standard input", stream_raw(sys.stdin.buffer)
    elif args.wav == "-":
        yield "standard input", stream_wav(sys.stdin.buffer, "standard input", HOP_SAMPLES)
    elif args.wav or args.demo:
        path = DEMO if args.demo else Path(args.wav)
        with path.open("rb") as file:
            yield "the bundled scene" if args.demo else str(path), stream_wav(file, str(path))
    else:
        with Microphone(args.device) as microphone:
            yield "the microphone", _counting_overflows(microphone, args.json)


def _counting_overflows(microphone: Microphone, as_json: bool) -> Iterator[Samples]:
    """The microphone's samples; audio that was lost is reported, and listening goes on."""
    reported = 0
    for samples in microphone:
        if microphone.overflows > reported:
            reported = microphone.overflows
            if as_json:
                _say_json({"event": "overflow", "count": reported})
            else:
                print(f"audio was lost ({reported} times so far): the machine is too busy", file=sys.stderr)
        yield samples


def _say_json(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


def _say(event: Event, truth: Truth | None) -> None:
    bar = "█" * round(event.score * BAR_WIDTH)
    said = ""
    if truth:
        nearest = min(truth.words, key=lambda word: abs(word.end - event.time))
        said = f"   said: {nearest.label} at {nearest.start:.2f}-{nearest.end:.2f} s"
    print(f"{event.time:9.2f} s  {event.label:8}{event.score:5.2f}  {bar:{BAR_WIDTH}}{said}".rstrip(), flush=True)


def _listen(args: argparse.Namespace) -> None:
    if args.list_devices:
        print(device_list())
        return
    file = read_model(args.model)
    with native_chatter_shut():
        listener = Listener(file, _detection(file.info, args), args.interpreter)
    truth = read_truth(DEMO.with_suffix(".json")) if args.demo else None
    events: list[Event] = []
    with _source(args) as (name, chunks):
        if args.json:
            words = list(listener.info.words)
            _say_json({"event": "ready", "model": file.info.name, "interpreter": listener.interpreter, "words": words})
        else:
            heard = " ".join(listener.info.words)
            print(f"{file.info.name} on {listener.interpreter} listens to {name} for: {heard}", file=sys.stderr)
        tell: Callable[[Event], None] = (
            (lambda event: _say_json(event.to_json())) if args.json else (lambda event: _say(event, truth))
        )
        for samples in chunks:
            for event in listener.process(samples):
                tell(event)
                if truth:
                    events.append(event)
    if truth:
        score = score_scene(events, truth)
        print(f"{score.hits} of {score.words} words heard, {score.false_accepts} false accepts", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-listen`; returns the exit code."""
    args = _parse(arguments)
    return run_command(lambda: _listen(args))
