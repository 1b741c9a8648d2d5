"""What the latency tests need: the model of --model, and the table of figures at the end."""

from __future__ import annotations

import os

import pytest

from kws_runtime.audio import read_wav
from kws_runtime.benchreport import machine_lines
from kws_runtime.errors import KwsError
from kws_runtime.footprint import BASE, Footprint, footprint
from kws_runtime.frontend import Samples
from kws_runtime.interpreter import DISTRIBUTIONS
from kws_runtime.listen import DEMO
from kws_runtime.listener import Listener
from kws_runtime.machine import describe
from kws_runtime.modelfile import ModelFile, read_model
from kws_runtime.native import native_chatter_shut

Figures = dict[str, str]  # what was measured, and what came out, as people read it
FIGURES = pytest.StashKey[Figures]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The figures, whether they passed or not, and the machine they are of."""
    figures = config.stash.get(FIGURES, {})
    if not figures:
        return
    terminalreporter.section("latency")
    width = max(map(len, figures))
    lines = machine_lines(describe((*BASE, *DISTRIBUTIONS.values())))
    lines += ["", *(f"{name:{width}}  {figure}" for name, figure in figures.items())]
    for line in lines:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """To be filled: what stands here is shown at the end."""
    return pytestconfig.stash.setdefault(FIGURES, {})


@pytest.fixture
def times_mean_something() -> None:
    """Skips in CI, where others use the machine too. What test_instructions counts there does not depend on them."""
    if os.environ.get("CI"):
        pytest.skip("times on a machine that is shared mean nothing; test_instructions guards in CI")


@pytest.fixture(scope="session")
def model(pytestconfig: pytest.Config) -> ModelFile:
    """That of --model; the bundled int8 GRU without."""
    try:
        return read_model(pytestconfig.getoption("model"))
    except KwsError as error:
        pytest.exit(f"--model: {error}", returncode=1)


@pytest.fixture
def listener(model: ModelFile) -> Listener:
    """One that is new, on the interpreter that `kws-listen` would take."""
    with native_chatter_shut():
        return Listener(model)


@pytest.fixture(scope="session")
def audio() -> Samples:
    """The bundled scene (n,): words, noise and quiet."""
    return read_wav(DEMO)


@pytest.fixture(scope="session")
def cost(model: ModelFile) -> Footprint:
    """Start-up and memory of `kws-listen --wav`."""
    with native_chatter_shut():
        interpreter = Listener(model).interpreter
    return footprint(model.path, interpreter)
