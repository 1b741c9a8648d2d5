"""TensorFlow without its greetings."""

from __future__ import annotations

import os

from kws_runtime.cli import need_extra


def import_tensorflow() -> None:
    """Import TensorFlow and look for devices while standard error is shut.

    Its C++ side writes a dozen lines about oneDNN and absent GPUs there before any setting of it can say no.
    Raises MissingError where it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    kept = os.dup(2)
    shut = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(shut, 2)
        import tensorflow

        tensorflow.config.list_logical_devices()
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "train") from error
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(shut)
