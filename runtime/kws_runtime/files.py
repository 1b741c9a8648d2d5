"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill another name, then move it to `path`. What fails leaves nothing behind."""
    unfinished = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all."""
    write_atomically(path, lambda unfinished: _write(unfinished, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
