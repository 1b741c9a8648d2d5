"""Where the commands begin, those of train and export too: light, so that Ctrl-C is heard from the first moment."""

from __future__ import annotations

import importlib
import signal

EXIT_INTERRUPTED = 130


def _begin(module: str) -> int:
    """Import a command's module and run its `main`."""
    try:
        code: int = importlib.import_module(module).main()
    except KeyboardInterrupt:
        return leave_interrupted()
    return code


def leave_interrupted() -> int:
    """The exit code of Ctrl-C; from here on a second one must not break the way out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return EXIT_INTERRUPTED


def listen() -> int:
    """`kws-listen`"""
    return _begin("kws_runtime.listen")


def evaluate() -> int:
    """`kws-eval`"""
    return _begin("kws_runtime.evaluate")


def tune() -> int:
    """`kws-tune`"""
    return _begin("kws_runtime.tune")


def bench() -> int:
    """`kws-bench`"""
    return _begin("kws_runtime.bench")


def doctor() -> int:
    """`kws-doctor`"""
    return _begin("kws_runtime.doctor")


def data() -> int:
    """`kws-data`"""
    return _begin("kws_train.download")


def words() -> int:
    """`kws-words`"""
    return _begin("kws_train.words")


def train() -> int:
    """`kws-train`"""
    return _begin("kws_train.main")


def scene() -> int:
    """`kws-scene`"""
    return _begin("kws_train.scene")


def export() -> int:
    """`kws-export`"""
    return _begin("kws_export.main")


def report() -> int:
    """`kws-report`"""
    return _begin("kws_export.report.main")
