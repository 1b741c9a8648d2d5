"""TensorFlow without its greetings."""

from __future__ import annotations

import os

from kws_runtime.cli import need_extra
from kws_runtime.native import native_chatter_shut


def import_tensorflow(look_for_devices: bool = True) -> None:
    """Import TensorFlow and let it look for devices, without the dozen lines about oneDNN and absent GPUs.

    A cluster looks for them itself, later: it must be known to TensorFlow before.

    Raises MissingError where it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with native_chatter_shut():
            import tensorflow

            if look_for_devices:
                tensorflow.config.list_logical_devices()
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "train") from error
