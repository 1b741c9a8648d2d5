"""The device side of kws-edge: audio -> features -> step -> posteriors -> events.

The public names are imported when they are first used: a command that has not yet begun must not be busy with
numpy, where Ctrl-C would end it with a traceback.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kws_runtime.audio import Gap as Gap
    from kws_runtime.detector import Event as Event
    from kws_runtime.errors import AudioError as AudioError
    from kws_runtime.errors import DataError as DataError
    from kws_runtime.errors import KwsError as KwsError
    from kws_runtime.errors import MissingError as MissingError
    from kws_runtime.errors import ModelError as ModelError
    from kws_runtime.listener import Listener as Listener
    from kws_runtime.microphone import Microphone as Microphone
    from kws_runtime.modelfile import Detection as Detection
    from kws_runtime.modelfile import ModelFile as ModelFile
    from kws_runtime.modelfile import read_model as read_model
    from kws_runtime.notice import Notice as Notice

_HOMES = {
    "AudioError": "errors",
    "DataError": "errors",
    "Detection": "modelfile",
    "Event": "detector",
    "Gap": "audio",
    "KwsError": "errors",
    "Listener": "listener",
    "Microphone": "microphone",
    "MissingError": "errors",
    "ModelError": "errors",
    "ModelFile": "modelfile",
    "Notice": "notice",
    "read_model": "modelfile",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'kws_runtime' has no attribute {name!r}")
    return getattr(importlib.import_module(f"kws_runtime.{_HOMES[name]}"), name)
