"""The log-mel front end as a TFLite graph, for the frames of one step: its FFT is two products of small matrices.

Cooley and Tukey (1965): with N = rows * columns, sample n = columns * r + c and bin k = p + rows * q,

    X[k] = sum over c of exp(-2 pi i c q / columns) * exp(-2 pi i c p / N) * sum over r of exp(-2 pi i r p / rows) x[n]

so a DFT down the columns, a twist, and a DFT along the rows. 32 x 16 asks for more products than an FFT proper, but an
interpreter's matrix kernels do them in less time than the calls of numpy take. Real samples need p up to rows / 2 only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import ModelError
from kws_runtime.frontend import LogMel, LogMelTransform
from kws_train.graph.ir import Graph, Op, Quantized, Tensor, constant

COLUMNS = 16  # a window's samples are laid out in rows of as many
Complex = NDArray[np.complex128]


def front_end_graph(config: LogMel, frames: int) -> Graph:
    """Windows of samples (frames, window) to log-mel frames (frames, bands), and the same as the int8 `numbers`
    that the inputs `scale` (1 / what a step of the numbers is worth) and `zero_point` make of them.

    Raises ModelError for a window that is not the FFT's, or no multiple of 2 * columns.
    """
    if config.window != config.fft or config.fft % (2 * COLUMNS):
        raise ModelError(f"no graph for a window of {config.window} samples and an FFT of {config.fft} points")
    made = _Maker(Graph({}, [], ("windows", "scale", "zero_point"), ("frames", "numbers")))
    exact = LogMelTransform(config)
    made.tensor("windows", frames, config.window)
    weighted = made.op("MUL", ["windows", made.constant("hann", exact.window)], "weighted", frames, config.window)
    power = _power(made, weighted, frames, config.fft)
    mel = made.constant("mel", _mel_of_lines(exact, config.fft).T)
    floor = made.constant("floor", np.full(config.bands, config.floor))
    # A product for each frame: kernels for several vectors at once work on four, whether they are there or not.
    names = [f"power{frame}" for frame in range(frames)]
    made.split(power, names)
    energies = [made.op("FULLY_CONNECTED", [name, mel, floor], f"{name}/mel", 1, config.bands) for name in names]
    energy = made.op("CONCATENATION", energies, "energy", frames, config.bands, axis=0)
    made.op("LOG", [energy], "frames", frames, config.bands)
    scaled = made.op("MUL", ["frames", made.tensor("scale", 1)], "scaled", frames, config.bands)
    shifted = made.op("ADD", [scaled, made.tensor("zero_point", 1)], "shifted", frames, config.bands)
    made.op("QUANTIZE", [shifted], "numbers", frames, config.bands)
    as_they_are = Quantized(np.ones(1))  # so that QUANTIZE rounds and clips, and no more
    made.graph.put(Tensor("numbers", (frames, config.bands), "int8", None, as_they_are))
    return made.graph


def _power(made: _Maker, weighted: str, frames: int, fft: int) -> str:
    """Weighted windows (frames, fft) to the power of their bins (frames, lines * columns): a line for each p, with a
    place for each q."""
    rows, lines = fft // COLUMNS, fft // COLUMNS // 2 + 1
    r, c, p = np.arange(rows), np.arange(COLUMNS), np.arange(lines)
    down = np.exp(-2j * np.pi * np.outer(p, r) / rows)  # (lines, rows)
    twist = np.exp(-2j * np.pi * np.outer(c, p) / fft)  # (columns, lines)
    along = np.exp(-2j * np.pi * np.outer(c, c) / COLUMNS)  # (columns, columns)

    laid_out = made.reshape(weighted, "laid_out", frames, rows, COLUMNS)
    columns = made.transpose(laid_out, "columns", frames, COLUMNS, rows)
    shape = frames, COLUMNS, lines
    real = made.dense(columns, down.real, "down/real", *shape)
    imaginary = made.dense(columns, down.imag, "down/imaginary", *shape)
    real, imaginary = made.product(real, imaginary, twist, "twisted", *shape)

    both = made.op("CONCATENATION", [real, imaginary], "twisted", frames, 2 * COLUMNS, lines, axis=1)
    parts = made.transpose(both, "lines", frames, lines, 2 * COLUMNS)  # in each line real parts, then imaginary ones
    shape = frames, lines, COLUMNS
    real = made.dense(parts, np.concatenate([along.real, -along.imag], 1), "real", *shape)
    imaginary = made.dense(parts, np.concatenate([along.imag, along.real], 1), "imaginary", *shape)
    squares = [made.op("MUL", [part, part], f"{part}/squared", *shape) for part in (real, imaginary)]
    power = made.op("ADD", squares, "power", *shape)
    return made.reshape(power, "powers", frames, lines * COLUMNS)


def _mel_of_lines(exact: LogMelTransform, fft: int) -> NDArray[np.float64]:
    """The bands' weights (lines * columns, bands) of bin p + rows * q in line p, place q. A bin in the upper half is
    the mirror of one in the lower; what comes twice counts half each time."""
    rows = fft // COLUMNS
    bins = np.arange(rows // 2 + 1)[:, None] + rows * np.arange(COLUMNS)[None]
    bins = np.minimum(bins, fft - bins).ravel()
    times = np.bincount(bins)
    return exact.matrix()[bins] / times[bins][:, None]


class _Maker:
    """Adds tensors and ops to a graph; every method returns the name of what it made."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def tensor(self, name: str, *shape: int) -> str:
        return self.graph.put(Tensor(name, shape))

    def constant(self, name: str, values: NDArray[Any], dtype: Any = np.float32) -> str:
        return self.graph.put(constant(name, np.ascontiguousarray(values, dtype)))

    def op(self, kind: str, inputs: list[str], name: str, *shape: int, **options: Any) -> str:
        if kind in ("MUL", "ADD", "SUB", "CONCATENATION", "FULLY_CONNECTED"):
            options["fusedActivationFunction"] = 0
        self.graph.ops.append(Op(kind, tuple(inputs), (self.tensor(name, *shape),), options))
        return name

    def dense(self, taken: str, weights: NDArray[np.float64], name: str, *shape: int) -> str:
        """Lines of `taken` times weights (columns of the result, columns of `taken`)."""
        matrix = self.constant(f"{name}/weights", weights)
        bias = self.constant(f"{name}/bias", np.zeros(len(weights)))
        return self.op("FULLY_CONNECTED", [taken, matrix, bias], name, *shape, keepNumDims=True)

    def product(self, real: str, imaginary: str, factors: Complex, name: str, *shape: int) -> tuple[str, str]:
        """Complex numbers times complex constants: real parts, imaginary parts."""
        cos, sin = self.constant(f"{name}/cos", factors.real), self.constant(f"{name}/sin", factors.imag)
        pairs = {"rc": (real, cos), "is": (imaginary, sin), "rs": (real, sin), "ic": (imaginary, cos)}
        rc, is_, rs, ic = (self.op("MUL", [*pair], f"{name}/{key}", *shape) for key, pair in pairs.items())
        return self.op("SUB", [rc, is_], f"{name}/real", *shape), self.op("ADD", [rs, ic], f"{name}/imaginary", *shape)

    def transpose(self, taken: str, name: str, *shape: int) -> str:
        """The last two axes exchanged."""
        order = self.constant("order", np.array([0, 2, 1]), np.int32)
        return self.op("TRANSPOSE", [taken, order], name, *shape)

    def reshape(self, taken: str, name: str, *shape: int) -> str:
        to = self.constant(f"{name}/shape", np.array(shape), np.int32)
        return self.op("RESHAPE", [taken, to], name, *shape, newShape=list(shape))

    def split(self, taken: str, names: list[str]) -> None:
        """A tensor for each line of `taken`."""
        width = self.graph.tensors[taken].shape[-1]
        axis = self.constant("axis", np.array(0), np.int32)
        outputs = tuple(self.tensor(name, 1, width) for name in names)
        self.graph.ops.append(Op("SPLIT", (axis, taken), outputs, {"numSplits": len(names)}))
