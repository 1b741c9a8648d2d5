"""State drift: how far the integer step is from float, minute by minute, over an hour that is never reset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_export.replay import replay_whole

KINDS = ("clips", "speech", "silence")
TEN_MINUTES = 10


def drift(
    in_float: Path, integers: Path, interpreter: str, frames: NDArray[np.float32], step_s: float
) -> dict[str, Any]:
    """Mean distance of logits and of the recurrent state (root mean square over its elements), for each minute; and
    `growth`, that of the last ten minutes, which hold what the first ten held, over that of the first ten."""
    one, other = (replay_whole(path, interpreter, frames, states=True) for path in (in_float, integers))
    a_minute = round(60 / step_s)
    logits = _by_minute(one["logits"] - other["logits"], a_minute)
    recurrent = [name for name in one if name.endswith("gru_state") or name.startswith("gru")]
    rows = {"minutes": list(range(1, len(logits) + 1)), "logits": _round(logits)}
    if recurrent:
        states = np.concatenate([one[name] - other[name] for name in recurrent], 1)
        rows["state"] = _round(_by_minute(states, a_minute))
    return rows | {"growth": growth(logits)}


def growth(distances: NDArray[np.float64]) -> float:
    """The mean of the last ten minutes over that of the first ten."""
    return round(float(distances[-TEN_MINUTES:].mean() / max(distances[:TEN_MINUTES].mean(), 1e-12)), 3)


def _by_minute(differences: NDArray[np.float32], a_minute: int) -> NDArray[np.float64]:
    distance = np.sqrt(np.square(differences.astype(np.float64)).mean(1))
    minutes = len(distance) // a_minute
    return np.asarray(distance[: minutes * a_minute].reshape(minutes, a_minute).mean(1))


def _round(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
