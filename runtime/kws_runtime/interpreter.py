"""The interpreters that we know, by the format of the models they run. Which one runs is said, never guessed
silently."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from kws_runtime.errors import MissingError, ModelError
from kws_runtime.onnxfile import is_onnx

INTERPRETERS = {  # of TFLite
    "tflite-runtime": "tflite_runtime.interpreter",
    "litert": "ai_edge_litert.interpreter",
}
BY_FORMAT = {"tflite": INTERPRETERS, "onnx": {"onnxruntime": "onnxruntime"}}
INTERPRETER_NAMES = tuple(name for known in BY_FORMAT.values() for name in known)
DISTRIBUTIONS = {"tflite-runtime": "tflite-runtime", "litert": "ai-edge-litert", "onnxruntime": "onnxruntime"}  # of pip
FORMATS = {"tflite": "a TFLite file", "onnx": "an ONNX file"}  # as messages call them


def format_of(model: bytes) -> str:
    """What a model's bytes are: "tflite" or "onnx"."""
    return "onnx" if is_onnx(model) else "tflite"


def installed_interpreters(model_format: str = "tflite") -> list[str]:
    """Names of the interpreters of a format that are installed here, the preferred one first."""
    known = BY_FORMAT[model_format]
    return [name for name, module in known.items() if importlib.util.find_spec(module.partition(".")[0])]


def make_interpreter(model: bytes, name: str | None = None, threads: int = 1) -> tuple[str, Any]:
    """An interpreter with its tensors allocated, and its name. None takes the first installed one for the format.

    Raises MissingError where it is not installed, ModelError where it refuses the model or runs another format.
    """
    model_format = format_of(model)
    chosen = _choose(model_format, name)
    try:
        module = importlib.import_module(BY_FORMAT[model_format][chosen])
    except ImportError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # the native module wraps a Ctrl-C that falls into it
            raise KeyboardInterrupt from error
        raise MissingError(f"{chosen} is installed but cannot be imported: {error}") from error
    if model_format == "onnx":
        from kws_runtime.onnx_interpreter import OnnxInterpreter

        return chosen, OnnxInterpreter(model, threads)
    try:
        interpreter = module.Interpreter(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
    except SystemError as error:
        # What tflite-runtime 2.14 does with numpy 2: the import succeeds, the constructor does not.
        raise MissingError(f"{chosen} does not work with this numpy; install: pip install 'numpy<2'") from error
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{chosen} refuses the model: {str(error).splitlines()[0]}") from error
    return chosen, interpreter


def _choose(model_format: str, name: str | None) -> str:
    """The interpreter asked for, or the first installed one for the format."""
    if name is not None and name not in INTERPRETER_NAMES:
        raise MissingError(f"interpreter {name!r} is not known; there are {', '.join(INTERPRETER_NAMES)}")
    known = list(BY_FORMAT[model_format])
    if name is not None and name not in known:
        raise ModelError(f"{FORMATS[model_format]}, which {name} cannot run; take {' or '.join(known)}")
    names = [name] if name else known
    installed = [each for each in installed_interpreters(model_format) if each in names]
    if installed:
        return installed[0]
    if model_format == "onnx":
        raise MissingError('onnxruntime is not installed; install it with: pip install "kws-edge[onnx]"')
    packages = " or ".join(DISTRIBUTIONS[each] for each in names)
    raise MissingError(f"no TFLite interpreter is installed; install one with: pip install {packages}")
