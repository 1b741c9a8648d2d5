"""What a listener that runs for months has to tell beside the words: audio lost, a device gone and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Notice:
    """Something that happened; `kind` is "overflow", "lost", "back", "suspended", "exec", "save" or "client"."""

    kind: str
    text: str  # for people
    values: dict[str, Any] = field(default_factory=dict)  # for programs

    def to_json(self) -> dict[str, Any]:
        return {"event": self.kind, **self.values}


Notify = Callable[[Notice], None]
