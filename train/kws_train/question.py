"""`script/question`: the experiment of docs/cnn-to-gru.md, and the figures and plots of that page."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.errors import DataError
from kws_runtime.files import write_text
from kws_train.question_page import render, summarize
from kws_train.quiet import import_tensorflow

EXAMPLES = """\
  script/question --data DATA --list LIST      train every row with three seeds, then write docs/cnn-to-gru.*
  script/question --data DATA --list LIST      again after an interruption: what is done is not done again
  script/question --page                       write the page's tables and plots again from docs/cnn-to-gru.json
  script/question --check                      exit 1 if the page's tables are not what that file gives

LIST names the clips of TensorFlow's mini_speech_commands, a path relative to DATA a line. One thread is used."""

EPOCHS = 10  # the tutorial's
SEEDS = 3
PACKAGES = ("numpy", "tensorflow", "keras")
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("script/question", "The tutorial's CNN, the question's GRU, and its mends.", EXAMPLES)
    parser.add_argument("--data", type=Path, metavar="DATA", help="folder of recordings")
    parser.add_argument("--list", type=Path, metavar="LIST", help="the clips to use, a path a line")
    parser.add_argument("--out", type=Path, default=Path("runs/question"), help="results as they come (%(default)s)")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the page (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="at most, of every row (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs of every row (default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="train these rows and write no page")
    parser.add_argument("--page", action="store_true", help="train nothing; write tables and plots")
    parser.add_argument("--check", action="store_true", help="train nothing; compare the tables")
    args = parser.parse_args(arguments)
    if not (args.page or args.check) and not (args.data and args.list):
        parser.error("--data and --list are needed to train")
    if args.epochs < 1 or args.seeds < 1:
        parser.error("--epochs and --seeds must be at least 1")
    return args


def _write_json(path: Path, values: Any) -> None:
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    write_text(path, text)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: not a result of script/question")
    return values


def _begin(out: Path, settings: dict[str, Any]) -> None:
    """Make the folder of results, or see that it was begun with the same settings."""
    path = out / "settings.json"
    if path.exists():
        begun = _read_json(path)
        changed = [name for name, value in settings.items() if begun.get(name) != value]
        if changed:
            name = changed[0]
            raise DataError(f"{out}: was begun with {name}={begun.get(name)}; go on with the same or use another --out")
        return
    out.mkdir(parents=True, exist_ok=True)
    _write_json(path, settings)


def _train(args: argparse.Namespace) -> None:
    if not args.list.is_file():
        raise DataError(f"{args.list}: no such list of clips")
    digest = hashlib.sha256(args.list.read_bytes()).hexdigest()
    _begin(args.out, {"epochs": args.epochs, "list_sha256": digest})
    os.environ |= ONE_THREAD
    import_tensorflow()
    try:
        from kws_train.question_data import ListedClips
        from kws_train.question_rows import ROWS
        from kws_train.question_train import BATCH, train_row
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "train") from error
    names = [row.name for row in ROWS]
    strange = [name for name in args.only or [] if name not in names]
    if strange:
        raise DataError(f"row {strange[0]!r} is not known; there are {', '.join(names)}")
    trained = [row for row in ROWS if row.name not in {other.stopped_is for other in ROWS}]
    wanted = [row for row in trained if not args.only or {row.name, row.stopped_is} & set(args.only)]
    clips = ListedClips(args.data, args.list)
    for seed in range(args.seeds):
        for row in wanted:
            if (args.out / f"{row.name}-{seed}.json").exists():
                continue
            for result in train_row(row, seed, args.epochs, clips):
                _write_json(args.out / f"{result['row']}-{seed}.json", result)
                _tell(result)
    if args.only:
        return
    runs = [_read_json(args.out / f"{row.name}-{seed}.json") for row in ROWS for seed in range(args.seeds)]
    figures = {
        "machine": f"{platform.machine()}, one thread, Python {platform.python_version()}",
        "versions": {name: version(name) for name in PACKAGES},
        "settings": {"epochs": args.epochs, "seeds": args.seeds, "batch": BATCH, "list_sha256": digest},
        "clips": clips.counts(),
        "rows": summarize([_describe(row) for row in ROWS], runs),
    }
    _write_json(args.docs / "cnn-to-gru.json", figures)
    _write_page(args.docs)


def _describe(row: Any) -> dict[str, Any]:
    return {
        "name": row.name,
        "what": row.what,
        "after": row.after,
        "aside": row.aside,
        "macs_a_clip": row.macs_a_clip,
        "macs_a_second": row.macs_a_second,
    }


def _tell(result: dict[str, Any]) -> None:
    line = {name: result[name] for name in ("row", "seed", "accuracy", "epochs", "cpu_seconds_an_epoch")}
    print(json.dumps(line), flush=True)


def _write_page(docs: Path) -> None:
    figures, page = _read_json(docs / "cnn-to-gru.json"), docs / "cnn-to-gru.md"
    text = render(figures, page.read_text(encoding="utf-8"))
    write_text(page, text)
    try:
        from kws_train.question_plots import draw
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "train") from error
    draw(figures, docs)


def _check_page(docs: Path) -> None:
    page = (docs / "cnn-to-gru.md").read_text(encoding="utf-8")
    if render(_read_json(docs / "cnn-to-gru.json"), page) != page:
        raise DataError("cnn-to-gru.md: its tables are not what docs/cnn-to-gru.json gives; script/question --page")


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `script/question`; returns the exit code."""
    args = _parse(arguments)
    if args.check:
        return run_command(lambda: _check_page(args.docs))
    return run_command(lambda: _write_page(args.docs) if args.page else _train(args))


if __name__ == "__main__":
    sys.exit(main())
