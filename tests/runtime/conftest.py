"""What several tests of the runtime need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.sound_server import SoundServer, serve_sound


@pytest.fixture
def sound_server(tmp_path: Path) -> Iterator[SoundServer]:
    """A virtual microphone "pulse" of 16 kHz, mono."""
    yield from serve_sound(tmp_path)
