"""`kws-bench`: does a model keep up here? What a hop costs on this machine, and what listening costs beside it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kws_runtime.audio import read_wav
from kws_runtime.benchplot import plot_hops
from kws_runtime.benchreport import LEGEND, Measurement, condition_lines, machine_lines, name_of, summary, table
from kws_runtime.cli import command_parser, run_command
from kws_runtime.errors import KwsError
from kws_runtime.footprint import BASE, footprint
from kws_runtime.frontend import Samples
from kws_runtime.interpreter import BY_FORMAT, DISTRIBUTIONS, INTERPRETER_NAMES, installed_interpreters
from kws_runtime.listen import DEMO
from kws_runtime.listener import Listener
from kws_runtime.machine import condition, describe
from kws_runtime.modelfile import BUNDLED, DEFAULT_MODEL, ModelFile, read_model
from kws_runtime.native import native_chatter_shut
from kws_runtime.plot import need_matplotlib
from kws_runtime.timing import HOP_MS, HOPS_A_SECOND, measure, measure_stages

EXAMPLES = """\
  kws-bench                                 every bundled model on every interpreter
  kws-bench gru-int8 --seconds 600          ten minutes in real time: what happens rarely too
  kws-bench my.tflite --budget 2            exit code 1 where 1 hop of 100 takes more than 2 ms
  kws-bench --json > raspberry-pi.json      one JSON object, with the machine: to be sent
  kws-bench --plot hops.png                 the hops as histograms; needs: pip install "kws-edge[plot]"
  kws-bench --interpreter litert --threads 4   one interpreter, with 1, 2, 3 and 4 threads

What is pushed is the bundled scene, again and again. --budget compares the p99 of all hops in real
time, from the push of a hop's samples to its decisions: how late the operating system let the hop
begin is told beside it and does not count.
Exit code: 0 done, 1 an error or a budget that was missed, 2 usage, 130 Ctrl-C."""

DEFAULT_SECONDS, LONGEST_SECONDS = 8.0, 3600.0
FLAT_OUT = 10  # times as much audio as in real time: it costs nothing, and rare hops are seen
MOST_THREADS = 64


class BudgetError(KwsError):
    """A model does not keep the budget that was given."""


@dataclass(frozen=True)
class Case:
    """What is measured: a model on an interpreter, with so many threads."""

    file: ModelFile
    interpreter: str
    threads: int

    def measure(self, audio: Samples, seconds: float) -> Measurement:
        """Flat out, by stages and for some seconds in real time; then `kws-listen` in processes of its own."""
        with native_chatter_shut():
            listener = Listener(self.file, interpreter=self.interpreter, threads=self.threads)
        hops = round(seconds * HOPS_A_SECOND)
        return Measurement(
            model=self.file.info.name,
            model_bytes=self.file.path.stat().st_size,
            interpreter=self.interpreter,
            threads=self.threads,
            flat=measure(listener, audio, FLAT_OUT * hops),
            stages=measure_stages(listener, audio, FLAT_OUT * hops),
            paced=measure(listener, audio, hops, paced=True),
            footprint=footprint(self.file.path, self.interpreter) if self.threads == 1 else None,
        )


def _cases(args: argparse.Namespace) -> list[Case]:
    """All that is to be measured; each was tried. Raises ModelError or MissingError for what cannot be."""
    bundled = sorted(BUNDLED.glob("*.tflite"), key=lambda path: (path.stem != DEFAULT_MODEL, path.stem))
    cases = []
    for file in [read_model(model) for model in args.model or bundled]:
        fitting = [name for name in args.interpreter if name in BY_FORMAT[file.format]]
        for name in fitting or args.interpreter or installed_interpreters(file.format) or [None]:
            with native_chatter_shut():
                chosen = Listener(file, interpreter=name).interpreter
            cases += [Case(file, chosen, threads) for threads in range(1, args.threads + 1)]
    return cases


def _check_budget(measurements: list[Measurement], budget_ms: float) -> None:
    """Raises BudgetError that names what is over it, and by how much."""
    over = [
        f"{one.name} {one.paced_p99_us / 1000:.2f} ms" for one in measurements if one.paced_p99_us > 1000 * budget_ms
    ]
    if over:
        remedy = "take a smaller model, another interpreter, or end what else keeps this machine busy"
        raise BudgetError(f"over the budget of {budget_ms:g} ms for the p99 of a hop: {', '.join(over)}; {remedy}")


def _bench(args: argparse.Namespace) -> None:
    if args.plot:
        need_matplotlib()
    cases, audio = _cases(args), read_wav(DEMO)

    def say(*lines: str) -> None:
        if not args.json:
            print(*lines, sep="\n", flush=True)

    machine, before = describe((*BASE, *DISTRIBUTIONS.values())), condition()
    say(*machine_lines(machine), "", LEGEND)
    measurements = []
    for case in cases:
        say("", name_of(case.file.info.name, case.interpreter, case.threads))
        measurements.append(case.measure(audio, args.seconds))
        say(*table(measurements[-1]))
    after = condition()
    if len(measurements) > 1:
        say("", *summary(measurements))
    say("", *condition_lines(machine, before, after))
    if args.json:
        conditions = {"before": asdict(before), "after": asdict(after)}
        figures = [one.to_json() for one in measurements]
        print(json.dumps({"machine": {**asdict(machine), **conditions}, "measurements": figures}))
    if args.plot:
        plot_hops(measurements, machine_lines(machine)[0], args.plot)
    if args.budget is not None:
        _check_budget(measurements, args.budget)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-bench`; returns the exit code."""
    parser = command_parser(
        "kws-bench", "Measure what a model costs on this machine, and whether it keeps up.", EXAMPLES
    )
    parser.add_argument(
        "model", nargs="*", metavar="MODEL", help="model files or bundled models (default: all bundled)"
    )
    parser.add_argument(
        "--interpreter",
        action="append",
        choices=sorted(INTERPRETER_NAMES),
        default=[],
        help="may be given again (default: all that are installed and run the model)",
    )
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="of the interpreter, from 1 up to N (default: 1)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=DEFAULT_SECONDS,
        metavar="S",
        help=f"of audio in real time, and {FLAT_OUT} times as much flat out (default: %(default)g)",
    )
    parser.add_argument("--budget", type=float, metavar="MS", help="exit code 1 where the p99 of a hop is over it")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw how long the hops took")
    args = parser.parse_args(arguments)
    if not 1 <= args.threads <= MOST_THREADS:
        parser.error(f"--threads must lie between 1 and {MOST_THREADS}")
    if not 1 <= args.seconds <= LONGEST_SECONDS:
        parser.error(f"--seconds must lie between 1 and {LONGEST_SECONDS:g}")
    if args.budget is not None and not 0 < args.budget <= HOP_MS:
        parser.error(f"--budget must lie between 0 and the {HOP_MS:g} ms of a hop")
    if args.plot and args.plot.suffix != ".png":
        parser.error("--plot writes PNG: give it a name that ends in .png")
    return run_command(lambda: _bench(args))
