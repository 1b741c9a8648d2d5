"""Features for training: the device's front end, for log-mel by a faster way to the same numbers."""

from __future__ import annotations

import numpy as np
from scipy.fft import rfft

from kws_runtime.frontend import Frames, FrontEnd, FrontEndConfig, LogMel, LogMelTransform, Samples, Transform


def fast_log_mel(config: LogMel) -> Transform:
    """Log-mel in float32 with one matrix product for the bands: within 1e-4 of the device's, in a third of its time.

    A product of matrices rounds by the number of its rows, so it is not for the device, where the size of the chunks
    must not change a bit.
    """
    exact = LogMelTransform(config)
    matrix, floor = exact.matrix().astype(np.float32), np.float32(config.floor)

    def transform(windows: Samples) -> Frames:
        spectrum = rfft(windows * exact.window, config.fft)
        return np.asarray(np.log((spectrum.real**2 + spectrum.imag**2) @ matrix + floor))

    return transform


def training_front_end(config: FrontEndConfig) -> FrontEnd:
    """The front end of this configuration as training uses it."""
    return FrontEnd(config, fast_log_mel(config) if isinstance(config, LogMel) else None)
