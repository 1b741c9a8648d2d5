"""What the scripts that measure and write pages have in common: commands to ask, cells, tables, places to fill."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any


def command(name: str, *arguments: str | Path) -> str:
    """What a command of ours prints."""
    place = Path(sys.executable).parent / name
    return subprocess.run([place, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def share(figure: dict[str, Any] | None, name: str = "share") -> str:
    """A share of `figure` with its interval, in percent; a dash for None."""
    if figure is None:
        return "-"
    low, high = figure["interval" if name == "share" else f"{name}_interval"]
    return f"{100 * figure[name]:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def table(header: list[str], rows: list[list[str]], texts: int = 1) -> str:
    """Lines of Markdown; the first `texts` columns are aligned left, the figures behind them right."""
    if not rows:
        return "Not measured yet.\n"
    lines = [header, ["---"] * texts + ["---:"] * (len(header) - texts), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def fill(text: str, script: str, tables: dict[str, str]) -> str:
    """A page with its tables, each between two marks that name it, replaced."""
    for name, made in tables.items():
        begin, end = f"<!-- {name}: script/{script} -->\n", f"<!-- end of {name} -->"
        text = re.sub(
            re.escape(begin) + ".*?" + re.escape(end), lambda _, new=begin + made + end: new, text, flags=re.DOTALL
        )
    return text
