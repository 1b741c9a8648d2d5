"""From instructions to a share of a core: an estimate, with what it assumes.

Nothing here was measured on a Raspberry Pi. The instructions are those of an emulated Cortex-A53 (of a Cortex-A7 for
32 bit); for other cores XNNPACK may take other kernels. The clock is the board's at full load, the lowest where boards
of one name differ. Instructions per cycle are a guess on the side of caution. Python's interpreter jumps where no
predictor follows, and its data lie all over small caches: of a core that begins at most two instructions in a cycle, in
order (A53, A7), about one in two cycles is expected; of one that begins three (A72) or four (A76), out of order, one to
one and a half in a cycle. The range goes from what such programs reach when caches and predictors fail them to what
plain arithmetic reaches.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

TEN_MS_A_SECOND = 100


@dataclass(frozen=True)
class Core:
    """Instructions per cycle that are assumed: for the estimate, and from worst to best."""

    name: str
    ipc: float
    worst: float
    best: float


A7 = Core("Cortex-A7", 0.4, 0.25, 0.7)
A53 = Core("Cortex-A53", 0.5, 0.3, 0.9)
A72 = Core("Cortex-A72", 1.0, 0.6, 1.6)
A76 = Core("Cortex-A76", 1.5, 0.9, 2.5)


@dataclass(frozen=True)
class Board:
    """A Raspberry Pi: its cores, their clock, and the architectures whose programs it runs."""

    name: str
    core: Core
    ghz: float
    architectures: tuple[str, ...] = ("aarch64", "armv7")


BOARDS = (
    Board("Zero 2 W", A53, 1.0),
    Board("2", A7, 0.9, ("armv7",)),
    Board("3 B", A53, 1.2),
    Board("3 B+", A53, 1.4),
    Board("4 B", A72, 1.5),
    Board("5", A76, 2.4),
)


def share_of_core(insn_per_10ms: float, ghz: float, ipc: float) -> float:
    """What part of a core's time so many instructions for each 10 ms of audio take."""
    return insn_per_10ms * TEN_MS_A_SECOND / (ghz * 1e9 * ipc)


def estimates(insn_per_10ms: float, architecture: str) -> list[dict[str, Any]]:
    """For each board that runs programs of `architecture`: the share, its range, and what was assumed."""
    return [
        {
            "board": f"Raspberry Pi {board.name}",
            "ghz": board.ghz,
            "core": asdict(board.core),
            "share_of_core": share_of_core(insn_per_10ms, board.ghz, board.core.ipc),
            "range": [share_of_core(insn_per_10ms, board.ghz, ipc) for ipc in (board.core.best, board.core.worst)],
        }
        for board in BOARDS
        if architecture in board.architectures
    ]
