"""Training batches kept on disk, so that the next architecture learns from the same streams without making them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from kws_runtime.errors import DataError
from kws_runtime.files import write_atomically
from kws_train.batches import Batch, Plan
from kws_train.recipe import Recipe

ARRAYS = tuple(Batch.__dataclass_fields__)


class Store:
    """A folder of batches; those of other data, another recipe or another plan lie in other folders."""

    def __init__(self, folder: Path, data_digest: str, recipe: Recipe, plan: Plan) -> None:
        described = json.dumps([data_digest, asdict(recipe), asdict(plan)])
        self._folder = folder / hashlib.sha256(described.encode()).hexdigest()[:16]
        self._chunks = plan.chunks
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot keep streams there: {error.strerror}") from error

    def _path(self, epoch: int, number: int) -> Path:
        return self._folder / f"{epoch:04d}-{number:04d}.npz"

    def has(self, epoch: int) -> bool:
        """Whether every batch of an epoch is here."""
        return all(self._path(epoch, number).is_file() for number in range(self._chunks))

    def read(self, epoch: int, number: int) -> Batch:
        """A batch. Raises DataError where it is damaged."""
        path = self._path(epoch, number)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return Batch(*(arrays[name] for name in ARRAYS))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: damaged ({error}); delete it") from error

    def write(self, epoch: int, number: int, batch: Batch) -> None:
        arrays = {name: getattr(batch, name) for name in ARRAYS}
        write_atomically(self._path(epoch, number), lambda path: np.savez(path, **arrays))
