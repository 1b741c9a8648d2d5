"""The TFLite interpreters that we know. Which one runs is said, never guessed silently."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from kws_runtime.errors import MissingError, ModelError

INTERPRETERS = {
    "tflite-runtime": "tflite_runtime.interpreter",
    "litert": "ai_edge_litert.interpreter",
}


def installed_interpreters() -> list[str]:
    """Names of the interpreters that are installed here, the preferred one first."""
    return [name for name, module in INTERPRETERS.items() if importlib.util.find_spec(module.partition(".")[0])]


def make_interpreter(flatbuffer: bytes, name: str | None = None, threads: int = 1) -> tuple[str, Any]:
    """An interpreter with its tensors allocated, and its name. None takes the first that is installed.

    Raises MissingError where it is not installed, ModelError where it refuses the model.
    """
    if name is not None and name not in INTERPRETERS:
        raise MissingError(f"interpreter {name!r} is not known; there are {', '.join(INTERPRETERS)}")
    names = [name] if name else list(INTERPRETERS)
    installed = [each for each in installed_interpreters() if each in names]
    if not installed:
        packages = " or ".join("ai-edge-litert" if each == "litert" else each for each in names)
        raise MissingError(f"no TFLite interpreter is installed; install one with: pip install {packages}")
    chosen = installed[0]
    try:
        module = importlib.import_module(INTERPRETERS[chosen])
    except ImportError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # the native module wraps a Ctrl-C that falls into it
            raise KeyboardInterrupt from error
        raise MissingError(f"{chosen} is installed but cannot be imported: {error}") from error
    try:
        interpreter = module.Interpreter(model_content=flatbuffer, num_threads=threads)
        interpreter.allocate_tensors()
    except SystemError as error:
        # What tflite-runtime 2.14 does with numpy 2: the import succeeds, the constructor does not.
        raise MissingError(f"{chosen} does not work with this numpy; install: pip install 'numpy<2'") from error
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{chosen} refuses the model: {str(error).splitlines()[0]}") from error
    return chosen, interpreter
