"""The run directory: all that a training run leaves behind, and all that `kws-export` needs.

Every file is written under another name and then moved, so nothing half-written lies under a final name.
Weights are plain arrays in an .npz (no pickle), one `weight/<n>` for each variable in the model's order.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import DataError
from kws_runtime.files import write_atomically, write_text

Arrays = dict[str, NDArray[Any]]


class RunDir:
    """A folder with run.json, history.csv, best.npz, last.npz, calibration.npz, agreement.npz and plots."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make the folder. Raises DataError if it already holds a run."""
        if (self.path / "run.json").exists():
            raise DataError(f"{self.path}: holds a run already; go on with --resume or choose another --out")
        self.path.mkdir(parents=True, exist_ok=True)

    def write_json(self, values: dict[str, Any]) -> None:
        text = json.dumps(values, indent=1) + "\n"
        write_text(self.path / "run.json", text)

    def read_json(self) -> dict[str, Any]:
        """What run.json says. Raises DataError where it is missing or damaged."""
        try:
            values = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"{self.path}: no run.json; is this a run directory of kws-train?") from None
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / 'run.json'}: cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise DataError(f"{self.path / 'run.json'}: not a run's description")
        return values

    def write_arrays(self, name: str, arrays: Arrays) -> None:
        write_atomically(self.path / name, lambda path: np.savez(path, **arrays))

    def write_bytes(self, name: str, content: bytes) -> None:
        write_atomically(self.path / name, lambda path: _write_bytes(path, content))

    def read_arrays(self, name: str) -> Arrays:
        """The arrays of an .npz of this run. Raises DataError where it is missing or damaged."""
        try:
            with np.load(self.path / name, allow_pickle=False) as arrays:
                return dict(arrays)
        except FileNotFoundError:
            raise DataError(f"{self.path / name}: missing; train to the end first (kws-train --resume)") from None
        except (OSError, ValueError, EOFError, KeyError) as error:
            raise DataError(f"{self.path / name}: damaged ({error})") from error

    def write_checkpoint(self, arrays: Arrays, history: list[dict[str, float]]) -> None:
        """Write last.npz, which holds the history too: so weights and history can never part. Then history.csv."""
        columns = {f"history/{name}": np.array([row[name] for row in history]) for name in history[0]}
        self.write_arrays("last.npz", arrays | columns)

        def write(path: Path) -> None:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, fieldnames=list(history[0]))
                writer.writeheader()
                writer.writerows(history)

        write_atomically(self.path / "history.csv", write)

    def history(self) -> list[dict[str, float]]:
        """A row for each finished epoch, as the last checkpoint knows them."""
        if not (self.path / "last.npz").exists():
            return []
        arrays = self.read_arrays("last.npz")
        columns = {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith("history/")}
        return [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def pack(prefix: str, variables: Iterable[Any]) -> Arrays:
    """Variables of a model or an optimizer as named arrays."""
    return {f"{prefix}/{number}": np.asarray(variable) for number, variable in enumerate(variables)}


def unpack(prefix: str, arrays: Arrays, variables: list[Any], where: Path) -> None:
    """Assign what `pack` made. Raises DataError where the arrays do not fit the variables."""
    for number, variable in enumerate(variables):
        array = arrays.get(f"{prefix}/{number}")
        if array is None or array.shape != tuple(variable.shape):
            raise DataError(f"{where}: its {prefix}s do not fit this architecture; was it trained by another version?")
        variable.assign(array)
