"""The device side of kws-edge: audio -> features -> step -> posteriors -> events."""

from kws_runtime.detector import Event
from kws_runtime.errors import AudioError, DataError, KwsError, MissingError, ModelError
from kws_runtime.listener import Listener
from kws_runtime.microphone import Microphone
from kws_runtime.modelfile import Detection, ModelFile, read_model

__all__ = [
    "AudioError",
    "DataError",
    "Detection",
    "Event",
    "KwsError",
    "Listener",
    "Microphone",
    "MissingError",
    "ModelError",
    "ModelFile",
    "read_model",
]
