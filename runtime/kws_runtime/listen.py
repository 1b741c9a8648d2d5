"""`kws-listen`: print, pipe or serve the words that are heard."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kws_runtime.audio import HOP_SAMPLES, Chunk, stream_raw, stream_wav
from kws_runtime.care import GainControl
from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.devices import device_list, number_or_name
from kws_runtime.hook import Hook, split_command
from kws_runtime.interpreter import INTERPRETER_NAMES
from kws_runtime.keeper import Keeper
from kws_runtime.listener import Listener
from kws_runtime.microphone import Microphone
from kws_runtime.modelfile import Detection, ModelInfo, read_model
from kws_runtime.native import native_chatter_shut
from kws_runtime.notice import Notify
from kws_runtime.outputs import Demo, JsonLines, Lines, Output, Outputs
from kws_runtime.scoring import read_truth
from kws_runtime.service import Watchdog, under_systemd
from kws_runtime.stop import Stop
from kws_runtime.view import View

EXAMPLES = """\
  kws-listen                              listen to the microphone with the bundled int8 GRU
  kws-listen --demo                       no microphone? hear a recorded scene
  kws-listen --device usb --channel 1     the first channel of the microphone with "usb" in its name
  kws-listen --wav talk.wav --json        a WAV of any rate and form; one JSON object a line
  kws-listen --exec "aplay -q ding.wav"   a command for each word; KWS_LABEL, KWS_SCORE, KWS_TIME say which
  kws-listen --save kept                  keep what was heard, and what nearly was, to tune and to train on
  kws-listen --wyoming tcp://127.0.0.1:10400   a wake word service, as for Home Assistant; 0.0.0.0 opens it to others
  kws-listen my.tflite --threshold 0.9    another model, stricter
  arecord -q -f S16_LE -r 48000 -t wav | kws-listen --wav -
  arecord -q -r 16000 -f S16_LE -t raw | kws-listen --raw

MODEL is a file written by kws-export or the name of a bundled model: gru-int8 (the default),
gru-fp32, ds-cnn-int8. A microphone that goes away is opened again when it is back.
Exit code: 0 end of the audio or SIGTERM, 1 error, 2 usage, 130 Ctrl-C."""

BYTES_A_MB = 1_000_000
DEMO = Path(__file__).parent / "demo" / "demo.wav"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("kws-listen", "Print the words that are heard, as they are heard.", EXAMPLES)
    parser.add_argument("model", nargs="?", metavar="MODEL", help="model file or bundled model (default: gru-int8)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--wav", metavar="FILE", help="listen to a WAV file; - reads standard input")
    source.add_argument("--raw", action="store_true", help="listen to raw PCM on standard input (16 kHz, mono, s16le)")
    source.add_argument("--demo", action="store_true", help="listen to the bundled scene and compare with its truth")
    source.add_argument(
        "--device", type=number_or_name, metavar="NAME", help="microphone: a number or a part of its name"
    )
    source.add_argument(
        "--wyoming", metavar="URI", help="serve clients of the Wyoming protocol at tcp://HOST:PORT or unix:///PATH"
    )
    source.add_argument("--list-devices", action="store_true", help="name the microphones and stop")
    parser.add_argument("--channel", type=int, metavar="N", help="one channel, from 1 (default: all, mixed)")
    parser.add_argument("--auto-gain", action="store_true", help="raise quiet speech, for people who speak from afar")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    output.add_argument("--quiet", action="store_true", help="events and faults only")
    parser.add_argument("--exec", type=split_command, metavar="CMD", help="run a command (no shell) for each event")
    parser.add_argument("--save", type=Path, metavar="DIR", help="keep the 2 s around each event and each near miss")
    parser.add_argument(
        "--save-limit", type=float, default=100, metavar="MB", help="the oldest go first (default: %(default)s)"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="posterior that a word must reach (default: the model's)"
    )
    parser.add_argument("--smoothing", type=int, metavar="N", help="mean of N steps of 40 ms (default: the model's)")
    parser.add_argument(
        "--refractory", type=float, metavar="S", help="seconds before the same word again (default: the model's)"
    )
    parser.add_argument("--interpreter", choices=sorted(INTERPRETER_NAMES), help="default: the first that is installed")
    return parser


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.threshold is not None and not 0 < args.threshold <= 1:
        parser.error("--threshold must lie between 0 and 1")
    if args.smoothing is not None and not 1 <= args.smoothing <= 1000:
        parser.error("--smoothing must lie between 1 and 1000")
    if args.refractory is not None and not 0 <= args.refractory < float("inf"):
        parser.error("--refractory must be at least 0")
    if not 1 <= args.save_limit < float("inf"):
        parser.error("--save-limit must be at least 1")
    if args.channel is not None and args.channel < 1:
        parser.error("--channel counts from 1")
    if args.wyoming is not None and (args.exec or args.save or args.channel or args.auto_gain):
        parser.error("--exec, --save, --channel and --auto-gain are not for --wyoming")
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
def _source(args: argparse.Namespace, notify: Notify) -> Iterator[tuple[str, Iterable[Chunk]]]:
    """What is listened to: its name and its chunks."""
    if args.raw:
        yield "standard input", stream_raw(sys.stdin.buffer)
    elif args.wav == "-":
        yield "standard input", stream_wav(sys.stdin.buffer, "standard input", HOP_SAMPLES, args.channel)
    elif args.wav or args.demo:
        path = DEMO if args.demo else Path(args.wav)
        with path.open("rb") as file:
            yield "the bundled scene" if args.demo else str(path), stream_wav(file, str(path), channel=args.channel)
    else:
        with Microphone(args.device, args.channel, notify) as microphone:
            yield f"microphone {microphone.device.name!r}", microphone


def _listen(args: argparse.Namespace) -> None:
    if args.list_devices:
        print(device_list())
        return
    outputs = Outputs()
    if args.exec:
        outputs.add(Hook(args.exec, outputs.notice))
    file = read_model(args.model)
    with native_chatter_shut():
        listener = Listener(file, _detection(file.info, args), args.interpreter)
    if args.save:
        outputs.add(Keeper(args.save, int(args.save_limit * BYTES_A_MB), listener.info, outputs.notice))
    with _source(args, outputs.notice) as (name, chunks):
        printer = _printer(args, listener, name)
        outputs.add_first(printer)
        stop = Stop()
        if under_systemd():
            outputs.add(Watchdog())
        gain = GainControl() if args.auto_gain else None
        try:
            for chunk in stop.each(chunks):
                outputs.take(chunk, listener.decisions(gain.process(chunk) if gain else chunk))
        finally:
            outputs.close()
    if stop.signal == signal.SIGINT:
        raise KeyboardInterrupt
    if isinstance(printer, Demo) and not stop.signal:
        print(printer.summary(), file=sys.stderr)


def _serve(args: argparse.Namespace) -> None:
    """Hear the audio that clients send."""
    try:
        from kws_runtime.wyoming_server import serve
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "wyoming") from error
    file = read_model(args.model)

    def make_listener() -> Listener:
        with native_chatter_shut():
            return Listener(file, _detection(file.info, args), args.interpreter)

    def ready(uri: str) -> None:
        outputs.add_first(_printer(args, listener, uri))
        if under_systemd():
            outputs.add(Watchdog())

    listener, outputs = make_listener(), Outputs()
    try:
        serve(args.wyoming, listener.info, make_listener, outputs, ready)
    finally:
        outputs.close()


def _printer(args: argparse.Namespace, listener: Listener, source: str) -> Output:
    """What writes to standard output, after its first line."""
    info = listener.info
    if args.json:
        ready = {"model": info.name, "interpreter": listener.interpreter, "words": list(info.words)}
        return JsonLines({**ready, "uri": source} if args.wyoming else ready)
    if not args.quiet:
        heard = " ".join(info.words)
        print(f"{info.name} on {listener.interpreter} listens to {source} for: {heard}", file=sys.stderr)
    if args.demo:
        return Demo(read_truth(DEMO.with_suffix(".json")))
    if sys.stdout.isatty() and not args.quiet and not (args.wav or args.wyoming):
        return View(info.labels, info.detection.thresholds)
    return Lines()


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-listen`; returns the exit code."""
    args = _parse(arguments)
    return run_command(lambda: _listen(args) if args.wyoming is None else _serve(args))
