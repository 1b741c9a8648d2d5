"""What native libraries do that nobody asked for."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def native_chatter_shut() -> Iterator[None]:
    """Shut standard error while native libraries start: they greet there ("INFO: Created TensorFlow Lite XNNPACK
    delegate for CPU.") and offer no way to say no. What goes wrong reaches us as an exception."""
    sys.stderr.flush()
    kept, shut = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(shut, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(shut)
