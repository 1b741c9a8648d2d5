"""The bundled models against each other, as ratios of one run: the machine is the same for both."""

from __future__ import annotations

import pytest

from kws_runtime.frontend import Samples
from kws_runtime.interpreter import installed_interpreters
from kws_runtime.listener import Listener
from kws_runtime.native import native_chatter_shut
from kws_runtime.timing import measure

HOPS, ROUNDS = 1000, 5
LEAST_OF_THE_CNN = 1.2  # times the GRU's CPU: it was 12 on tflite-runtime and 1.9 on LiteRT, x86-64
# Times float's CPU: it was 1.4 and 0.95. tflite-runtime runs the GRU's integers by its slow, general kernels.
MOST_OF_INT8 = {"tflite-runtime": 2.5, "litert": 1.5}

pytestmark = [
    pytest.mark.usefixtures("times_mean_something"),
    pytest.mark.parametrize("interpreter", installed_interpreters()),
]


def cpu_an_hour(models: tuple[str, str], interpreter: str, audio: Samples) -> tuple[float, float]:
    """CPU seconds that two models take for an hour of audio: in turn, the least of some rounds, since what else runs
    only adds to it."""
    with native_chatter_shut():
        listeners = [Listener(model, interpreter=interpreter) for model in models]
    rounds = [[measure(listener, audio, HOPS).cpu_s_an_hour for listener in listeners] for _ in range(ROUNDS)]
    first, second = map(min, zip(*rounds, strict=True))
    return first, second


def ratio_told(models: tuple[str, str], costs: tuple[float, float]) -> str:
    (first, second), (cost, other) = models, costs
    return f"{cost / other:.2f} times ({first} {cost:.1f}, {second} {other:.1f} s of CPU for an hour)"


def test_a_window_costs_more_than_a_step(interpreter: str, audio: Samples, figures: dict[str, str]) -> None:
    """The CNN computes a second of audio anew at each step, which the GRU has in its state."""
    models = "ds-cnn-int8", "gru-int8"
    window, step = costs = cpu_an_hour(models, interpreter, audio)
    told = figures[f"CNN against GRU, {interpreter}"] = ratio_told(models, costs)
    assert window / step >= LEAST_OF_THE_CNN, f"the CNN's window takes no more than the GRU's step: {told}"


def test_int8_costs_little_more_than_float(interpreter: str, audio: Samples, figures: dict[str, str]) -> None:
    """On LiteRT it costs less, on tflite-runtime more; what it saves everywhere is size."""
    models = "gru-int8", "gru-fp32"
    int8, float32 = costs = cpu_an_hour(models, interpreter, audio)
    told = figures[f"int8 against float, {interpreter}"] = ratio_told(models, costs)
    assert int8 / float32 <= MOST_OF_INT8[interpreter], f"int8 takes far longer than float: {told}"
