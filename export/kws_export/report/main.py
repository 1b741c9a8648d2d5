"""`kws-report`: how exported models hold up in integers, as one page that works from disk."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.errors import DataError
from kws_runtime.files import write_text
from kws_train.quiet import import_tensorflow

EXAMPLES = """\
  kws-export runs/gru --fp32 --int8
  kws-export runs/ds-cnn --fp32 --int8
  kws-report runs/gru runs/ds-cnn --data DATA --scene DATA/scenes/dev-*.wav --out report
                                     writes report/report.html, report.json and report.md

Measures every model file in the run directories beside the fp32 file of the same run, on the clips of the test part
of DATA and on scenes; operating points are those that the float models have on dev-reading and dev-ambience."""

PACKAGES = ("kws-edge", "tensorflow", "tflite-runtime", "ai-edge-litert", "onnxruntime", "numpy")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _report(args: argparse.Namespace) -> None:
    for run in args.runs:
        if not (run / "run.json").is_file():
            raise DataError(f"{run}: no run.json; is this a run directory of kws-train?")
    import_tensorflow()
    try:
        from kws_export.report import render_html, render_markdown, verdict
        from kws_export.report.measure import measure
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "export") from error
    words = [*map(str, args.runs), "--data", "DATA", *(["--scene", "..."] if args.scene else [])]
    report = {
        "made": datetime.date.today().isoformat(),
        "command": " ".join(["kws-report", *words]),
        "machine": f"{platform.machine()}, Linux, shared" if platform.system() == "Linux" else platform.machine(),
        "versions": _versions(),
        **measure(args.runs, args.data, args.scene, args.quick),
    }
    report["verdict"] = verdict(report)
    args.out.mkdir(parents=True, exist_ok=True)
    write_text(args.out / "report.json", json.dumps(report, indent=1) + "\n")
    write_text(args.out / "report.html", render_html(report))
    write_text(args.out / "report.md", render_markdown(report))
    print("\n".join(report["verdict"]))
    print(args.out / "report.html")


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-report`; returns the exit code."""
    parser = command_parser("kws-report", "Report how exported models hold up in integers, beside float.", EXAMPLES)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run directories with exported files")
    parser.add_argument("--data", type=Path, required=True, metavar="DATA", help="folder of recordings")
    parser.add_argument(
        "--scene", type=Path, nargs="+", default=[], metavar="WAV", help="scenes, their truth beside them"
    )
    parser.add_argument("--out", type=Path, default=Path("report"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="no calibrations compared, no hour of drift")
    args = parser.parse_args(arguments)
    return run_command(lambda: _report(args))
